import { type AssembledRoute, assemble } from './assemble.ts';
import { createTokenCache } from './auth/token-cache.ts';
import type { TokenEvent } from './auth/token-events.ts';
import type { TokenSource } from './auth/token-source.ts';
import { compileClientSecret, makeLaunch } from './client-secrets.ts';
import type { Clock } from './clock.ts';
import { compileRoute } from './compile-route.ts';
import { isUnixAddress } from './config/address.ts';
import type { Config, ConfigWarning } from './config/config.ts';
import type { Emulator } from './emulator/emulator.ts';
import { findForwardProxy, type ProxyEnvironment } from './forward-proxy.ts';
import type { ClientSecret } from './gate/client-secret.ts';
import { createGate } from './gate/gate.ts';
import { createKeptParts } from './kept-parts.ts';
import type { UpstreamEvent } from './observe/events.ts';
import { createRateLimit, type RateLimit } from './relay/rate-limit.ts';
import type { Route, Site } from './relay/site.ts';
import type { OpenSockets } from './relay/upstream/open-sockets.ts';
import { createTransport, type Transport } from './relay/upstream/transport.ts';
import { createUpgradeCarrier, type UpgradeCarrier } from './relay/upstream/upgrade.ts';
import { createHomeward } from './routing/homeward.ts';
import { createRouteTable } from './routing/table.ts';

/** A configuration, loaded: its site, and what else is to be known of it. */
export interface LoadedSite {
  readonly config: Config;
  readonly site: Site;
  readonly routes: readonly AssembledRoute[];
  readonly warnings: readonly ConfigWarning[];
  /** That its routes lead to, if any does. */
  readonly emulator: Emulator | undefined;
  /** Resolves once a token was asked for each route. Never rejects. */
  mintAll(): Promise<void>;
}

/** Makes sites from configurations, one after the other, and keeps what they have in common: tokens, connections, counts. */
export interface SiteLoader {
  /**
   * Loads a configuration; what it has that the ones before had is the same object. Mints nothing yet.
   * @throws ProxyError `config_invalid`, and what credentials throw
   */
  load(config: Config): Promise<LoadedSite>;
  /** All there are now. */
  transports(): readonly Transport[];
  /** Lets go of what only other configurations use; what is in flight there may finish with it. */
  keepOnly(loaded: LoadedSite): void;
  /** Stops everything. */
  close(): Promise<void>;
}

export interface SiteLoaderOptions {
  readonly clock: Clock;
  readonly env: ProxyEnvironment;
  readonly onToken: ((event: TokenEvent) => void) | undefined;
  readonly onUpstream: ((event: UpstreamEvent) => void) | undefined;
  /** Where sockets that were upgraded are to be found. */
  readonly openSockets: OpenSockets;
}

/** What carries a route's requests. Routes that may share connections share one. */
interface Carriers {
  readonly transport: Transport;
  readonly upgrades: UpgradeCarrier;
}

export function createSiteLoader(options: SiteLoaderOptions): SiteLoader {
  const { clock, env, onToken, onUpstream, openSockets } = options;
  const cache = createTokenCache({ clock, ...(onToken && { onEvent: onToken }) });
  const kept = createKeptParts(clock);
  const carriers = new Map<string, Carriers>();
  const rates = new Map<string, RateLimit>();
  const launches: Uint8Array[] = [];

  const findCarriers = ({ origin, config: { timeout, protocol } }: AssembledRoute): Carriers => {
    const { connectMs } = timeout;
    const key = `${origin} ${connectMs} ${protocol}`;
    const known = carriers.get(key);
    if (known !== undefined) return known;
    const way = {
      origin,
      connectTimeoutMs: connectMs,
      forwardProxy: findForwardProxy(new URL(origin), env),
    };
    const transport = createTransport({ ...way, protocol, clock, onEvent: onUpstream });
    const made = { transport, upgrades: createUpgradeCarrier({ ...way, openSockets }) };
    carriers.set(key, made);
    return made;
  };
  const findRate = ({ config: { name, limits } }: AssembledRoute): RateLimit | undefined => {
    if (limits.rate === undefined) return undefined;
    const key = JSON.stringify([name, limits.rate]);
    const rate = rates.get(key) ?? createRateLimit(limits.rate);
    rates.set(key, rate);
    return rate;
  };
  const compile = (route: AssembledRoute): Route => {
    const { transport, upgrades } = findCarriers(route);
    return compileRoute(route, transport, upgrades, findRate(route));
  };
  const compileSecrets = ({ listen }: Config): Promise<readonly (ClientSecret | undefined)[]> =>
    Promise.all(
      listen.map(({ clientSecret }, index) => {
        launches[index] ??= makeLaunch();
        return clientSecret && compileClientSecret(clientSecret, env, launches[index]);
      }),
    );

  return {
    async load(config) {
      const secrets = await compileSecrets(config);
      const { routes, warnings, emulator } = await assemble({ config, cache, clock, env, kept });
      const site = toSite(config, routes.map(compile), secrets);
      const sources = findSources(routes);
      const mintAll = async (): Promise<void> => {
        await Promise.allSettled([...sources].map((tokens) => tokens.obtain()));
      };
      return { config, site, routes, warnings, emulator, mintAll };
    },
    transports: () => [...carriers.values()].map(({ transport }) => transport),
    keepOnly({ site: { routeList }, routes, emulator }) {
      const used = new Set(routeList.map(({ transport }) => transport));
      for (const [key, { transport }] of carriers) {
        if (used.has(transport)) continue;
        transport.retire();
        carriers.delete(key);
      }
      const counted = new Set(routeList.map(({ rate }) => rate));
      for (const [key, rate] of rates) if (!counted.has(rate)) rates.delete(key);
      cache.keepOnly(findSources(routes));
      kept.keepOnly(
        new Set(routes.flatMap(({ credential }) => (credential === undefined ? [] : [credential]))),
        emulator,
      );
    },
    async close() {
      cache.close();
      for (const { transport } of carriers.values()) transport.destroy();
      await kept.close();
    },
  };
}

function findSources(routes: readonly AssembledRoute[]): ReadonlySet<TokenSource> {
  return new Set(routes.flatMap(({ tokens }) => (tokens === undefined ? [] : [tokens])));
}

function toSite(
  { listen, gate, routes: configured }: Config,
  routes: readonly Route[],
  secrets: readonly (ClientSecret | undefined)[],
): Site {
  const table = createRouteTable(routes);
  return {
    gate: createGate({
      bound: listen.flatMap(({ address }) => (isUnixAddress(address) ? [] : [address.host])),
      names: [...gate.hosts, ...configured.flatMap(({ host }) => (host === undefined ? [] : [host]))],
      origins: gate.origins,
    }),
    listeners: secrets.map((clientSecret) => ({ clientSecret })),
    routes: table,
    homeward: createHomeward(routes, table),
    routeList: routes,
  };
}
