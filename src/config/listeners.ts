import {
  formatAddress,
  formatListener,
  isLoopbackAddress,
  isUnixAddress,
  overlap,
  parseListenAddress,
  parsePort,
} from './address.ts';
import type { ListenAddress, ListenerConfig, ListenerTls, UnixAddress } from './config.ts';
import { type FileNameContext, parseFileName } from './file-name.ts';
import type { Refuse } from './issues.ts';
import type { Env, Given, GivenListener, Layer } from './layers.ts';
import { isUnixText, parseUnixAddress } from './unix-address.ts';

export interface Listeners {
  readonly listen: readonly ListenerConfig[];
  readonly allowUnauthenticatedClients: boolean;
}

/** A listener, and where to complain about its address; nobody complains about a default. */
interface Claim extends ListenerConfig {
  readonly refuse: Refuse | undefined;
}

/** Both loopback families (R70): programs differ in which one they try first. */
const DEFAULT_LISTEN: Claim = {
  address: { host: 'localhost', port: 8080 },
  tls: undefined,
  refuse: undefined,
};

/** Lays the layers over one another, lowest first, and refuses to be open beyond this machine by accident (R1). */
export function readListeners(layers: readonly Layer[], env: Env): Listeners {
  let listen: readonly Claim[] = [DEFAULT_LISTEN];
  for (const layer of layers) {
    if (layer.listen !== undefined) listen = layer.listen.flatMap((given) => toClaims(given, env));
    if (layer.port !== undefined) listen = movePort(listen, layer.port);
  }
  refuseOverlaps(listen);

  const allowUnauthenticatedClients =
    layers.findLast((layer) => layer.allowUnauthenticatedClients !== undefined)
      ?.allowUnauthenticatedClients ?? false;
  if (!allowUnauthenticatedClients) {
    for (const { address, refuse } of listen) refuseOpen(address, refuse);
  }

  return {
    listen: listen.map(({ address, tls }) => ({ address, tls })),
    allowUnauthenticatedClients,
  };
}

function toClaims({ value, refuse, folder, tls }: GivenListener, env: Env): readonly Claim[] {
  const context = { folder, env };
  const address =
    typeof value === 'string' && isUnixText(value)
      ? parseUnixAddress(value, context, refuse)
      : parseListenAddress(value, refuse);
  const files = tls && parseTls(tls, context);
  return address === undefined ? [] : [{ address, tls: files, refuse }];
}

function parseTls(
  { cert, key }: NonNullable<GivenListener['tls']>,
  context: FileNameContext,
): ListenerTls | undefined {
  const certFile = parseFileName(cert.value, context, cert.refuse);
  const keyFile = parseFileName(key.value, context, key.refuse);
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
}

/** Two ports of one host become one address. Unix sockets stay where they are. */
function movePort(claims: readonly Claim[], { value, refuse }: Given<string | number>): readonly Claim[] {
  const port = parsePort(value, refuse);
  if (port === undefined) return claims;
  const moved = new Map<string, Claim>();
  for (const claim of claims) {
    if (isUnixAddress(claim.address)) moved.set(formatAddress(claim.address), claim);
    else {
      const { host } = claim.address;
      moved.set(formatListener({ ...claim, address: { host, port } }), { ...claim, address: { host, port } });
    }
  }
  const listeners = [...moved.values()];
  const mixed = listeners.find(
    (one) =>
      one.tls !== undefined && listeners.some((other) => !other.tls && overlap(one.address, other.address)),
  );
  if (mixed === undefined) return listeners;
  refuse(
    `Port ${port} can't be both with TLS and without it, as the listeners of the configuration are.`,
    'Change the ports there; or take 0, for a free port each.',
  );
  return claims;
}

function refuseOverlaps(claims: readonly Claim[]): void {
  for (const [index, { address, refuse }] of claims.entries()) {
    const other = claims.slice(0, index).find((before) => overlap(before.address, address));
    if (other === undefined) continue;
    const spelled = formatAddress(other.address);
    const reason = spelled === formatAddress(address) ? 'is listed twice' : `is part of ${spelled}`;
    refuse?.(`The address ${formatAddress(address)} ${reason}.`);
  }
}

function refuseOpen(address: ListenAddress | UnixAddress, refuse: Refuse | undefined): void {
  if (isUnixAddress(address) || isLoopbackAddress(address)) return;
  refuse?.(
    `${formatAddress(address)} can be reached from other machines, which could then call your services as you.`,
    `Listen on \`localhost:${address.port}\`; or, if everybody who gets there may, say so: \`gate: { allowUnauthenticatedClients: true }\` (--allow-unauthenticated-clients).`,
  );
}
