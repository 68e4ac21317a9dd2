import type { TokenSource } from './auth/token-source.ts';
import { readAllTls } from './relay/client/listen.ts';
import type { LoadedSite } from './site-loader.ts';
import { listTrusted } from './trust.ts';
import type { SiteOrder, SourceOrder } from './workers/protocol.ts';
import type { TokenDesk } from './workers/token-desk.ts';

/** A site, ready to be told to workers. What it is made of can be seen nowhere else. */
export interface Order {
  /** Tells it from all others. */
  readonly number: number;
  readonly materials: SiteOrder['materials'];
  /** With the tokens of the moment. */
  make(): SiteOrder;
}

/**
 * Reads what is to be read for it: certificates.
 * @throws ProxyError `config_invalid` for those that can't be used
 */
export async function prepareOrder(
  number: number,
  { config, routes, site }: LoadedSite,
  desk: TokenDesk,
): Promise<Order> {
  const { listen, gate, limits, log } = config;
  const materials = await readAllTls(listen);
  const certificates = listTrusted();
  const sources = routes.map(({ tokens }) => tokens && { source: desk.numberOf(tokens), tokens });
  const make = (): SiteOrder => ({
    config: { listen, gate, limits, log, routes: config.routes },
    routes: routes.map(({ origin, spareHeader }, index) => ({
      origin,
      spareHeader,
      source: toSourceOrder(sources[index], desk),
    })),
    secrets: site.listeners.map(({ clientSecret }) => clientSecret?.toKeys()),
    materials,
    certificates,
  });
  return { number, materials, make };
}

function toSourceOrder(
  known: { readonly source: number; readonly tokens: TokenSource } | undefined,
  desk: TokenDesk,
): SourceOrder | undefined {
  if (known === undefined) return undefined;
  const { source, tokens } = known;
  return { source, request: tokens.request, snapshot: desk.snapshot(source) };
}
