import { formatAddress, isLoopbackAddress, overlap, parseListenAddress, parsePort } from './address.ts';
import type { AdminAddress, ListenAddress } from './config.ts';
import type { Refuse } from './issues.ts';
import type { Given, Layer } from './layers.ts';

export interface Listeners {
  readonly listen: readonly ListenAddress[];
  readonly admin: AdminAddress | undefined;
  readonly allowUnauthenticatedClients: boolean;
}

/** An address, and where to complain about it; nobody complains about a default. */
interface Claim {
  readonly address: ListenAddress;
  readonly refuse: Refuse | undefined;
}

/** Both loopback families (R70): programs differ in which one they try first. */
const DEFAULT_LISTEN: Claim = { address: { host: 'localhost', port: 8080 }, refuse: undefined };
const DEFAULT_ADMIN: AdminAddress = { host: '127.0.0.1', port: 9901, explicit: false };

/** Lays the layers over one another, lowest first, and refuses to be open beyond this machine by accident (R1). */
export function readListeners(layers: readonly Layer[]): Listeners {
  let listen: readonly Claim[] = [DEFAULT_LISTEN];
  for (const layer of layers) {
    if (layer.listen !== undefined) listen = layer.listen.flatMap(toClaims);
    if (layer.port !== undefined) listen = movePort(listen, layer.port);
  }
  refuseOverlaps(listen);

  const givenAdmin = layers.findLast((layer) => layer.admin !== undefined)?.admin;
  const admin = givenAdmin && toAdminClaims(givenAdmin);

  const allowUnauthenticatedClients =
    layers.findLast((layer) => layer.allowUnauthenticatedClients !== undefined)
      ?.allowUnauthenticatedClients ?? false;
  if (!allowUnauthenticatedClients) for (const claim of [...listen, ...(admin ?? [])]) refuseOpen(claim);

  return {
    listen: listen.map((claim) => claim.address),
    admin: admin === undefined ? DEFAULT_ADMIN : admin[0] && { ...admin[0].address, explicit: true },
    allowUnauthenticatedClients,
  };
}

function toClaims({ value, refuse }: Given<string | number>): readonly Claim[] {
  const address = parseListenAddress(value, refuse);
  return address === undefined ? [] : [{ address, refuse }];
}

function toAdminClaims({ value, refuse }: Given<string | number | false>): readonly Claim[] {
  return value === false || value === 'off' ? [] : toClaims({ value, refuse });
}

/** Two ports of one host become one address. */
function movePort(claims: readonly Claim[], { value, refuse }: Given<string | number>): readonly Claim[] {
  const port = parsePort(value, refuse);
  if (port === undefined) return claims;
  const byHost = new Map(claims.map((claim) => [claim.address.host, claim]));
  return [...byHost.values()].map((claim) => ({ ...claim, address: { host: claim.address.host, port } }));
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

function refuseOpen({ address, refuse }: Claim): void {
  if (isLoopbackAddress(address)) return;
  refuse?.(
    `${formatAddress(address)} can be reached from other machines, which could then call your services as you.`,
    `Listen on \`localhost:${address.port}\`; or, if everybody who gets there may, say so: \`gate: { allowUnauthenticatedClients: true }\` (--allow-unauthenticated-clients).`,
  );
}
