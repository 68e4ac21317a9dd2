import {
  formatAddress,
  formatListener,
  isLoopbackAddress,
  isUnixAddress,
  overlap,
  parseListenAddress,
  parsePort,
} from './address.ts';
import type { ListenAddress, ListenerConfig, ListenerTls, SecretSource, UnixAddress } from './config.ts';
import { type FileNameContext, parseFileName } from './file-name.ts';
import type { Refuse } from './issues.ts';
import type { Env, Given, GivenListener, Layer } from './layers.ts';
import { parseSecretSource } from './secret.ts';
import { parseSocketMode, refusePublicSocket } from './socket-mode.ts';
import { isUnixText, parseUnixAddress } from './unix-address.ts';

export interface Listeners {
  readonly listen: readonly ListenerConfig[];
  readonly allowUnauthenticatedClients: boolean;
}

/** A listener, and where to complain about its address and mode; nobody complains about a default. */
interface Claim extends ListenerConfig {
  readonly refuse: Refuse | undefined;
  readonly refuseMode?: Refuse | undefined;
}

/** Both loopback families (R70): programs differ in which one they try first. */
const DEFAULT_LISTEN: Claim = {
  address: { host: 'localhost', port: 8080 },
  tls: undefined,
  refuse: undefined,
};

/** Lays the layers over one another, lowest first, and refuses to be open beyond this machine by accident (R1). */
export function readListeners(layers: readonly Layer[], env: Env): Listeners {
  const secret = layers.findLast((layer) => layer.clientSecret !== undefined)?.clientSecret;
  const clientSecret = parseGivenSecret(secret, { folder: secret?.folder ?? '', env });
  // One for every listener, wherever that is named, over what each has of its own.
  const askAll = (claims: readonly Claim[]): readonly Claim[] =>
    clientSecret === undefined ? claims : claims.map((claim) => ({ ...claim, clientSecret }));
  let listen = askAll([DEFAULT_LISTEN]);
  for (const layer of layers) {
    if (layer.listen !== undefined) listen = askAll(layer.listen.flatMap((given) => toClaims(given, env)));
    if (layer.port !== undefined) listen = movePort(listen, layer.port);
  }
  refuseOverlaps(listen);
  for (const claim of listen) refusePublicSocket(claim, claim.refuseMode);

  const allowUnauthenticatedClients =
    layers.findLast((layer) => layer.allowUnauthenticatedClients !== undefined)
      ?.allowUnauthenticatedClients ?? false;
  if (!allowUnauthenticatedClients) {
    for (const claim of listen) {
      const { address, refuse } = claim;
      if (isForAll(address) && !asksClients(claim)) refuseOpen(address, refuse);
    }
  }

  return {
    listen: listen.map(({ address, tls, clientSecret }) => ({
      address,
      tls,
      ...(clientSecret && { clientSecret }),
    })),
    allowUnauthenticatedClients,
  };
}

function toClaims(given: GivenListener, env: Env): readonly Claim[] {
  const { value, refuse, folder, tls } = given;
  const context = { folder, env };
  const found =
    typeof value === 'string' && isUnixText(value)
      ? parseUnixAddress(value, context, refuse)
      : parseListenAddress(value, refuse);
  const files = tls && parseTls(tls, context);
  const clientSecret = parseGivenSecret(given.clientSecret, context);
  const address = found && parseSocketMode(found, given.mode);
  if (address === undefined) return [];
  const refuseMode = given.mode?.refuse;
  return [{ address, tls: files, refuse, refuseMode, ...(clientSecret && { clientSecret }) }];
}

function parseGivenSecret(
  given: Given<string> | undefined,
  context: FileNameContext,
): SecretSource | undefined {
  return given && parseSecretSource(given.value, context, given.refuse);
}

/** Whether other machines can get there. */
function isForAll(address: ListenAddress | UnixAddress): address is ListenAddress {
  return !isUnixAddress(address) && !isLoopbackAddress(address);
}

/** Whether it is found out who a client is. */
function asksClients({ clientSecret, tls }: ListenerConfig): boolean {
  return clientSecret !== undefined || tls?.clientCaFile !== undefined;
}

function parseTls(
  { cert, key, clientCa }: NonNullable<GivenListener['tls']>,
  context: FileNameContext,
): ListenerTls | undefined {
  const certFile = parseFileName(cert.value, context, cert.refuse);
  const keyFile = parseFileName(key.value, context, key.refuse);
  const clientCaFile = clientCa && parseFileName(clientCa.value, context, clientCa.refuse);
  if (certFile === undefined || keyFile === undefined) return undefined;
  return { certFile, keyFile, ...(clientCaFile !== undefined && { clientCaFile }) };
}

/** Two ports of one host become one address. Unix sockets stay where they are. */
function movePort(claims: readonly Claim[], { value, refuse }: Given<string | number>): readonly Claim[] {
  const port = parsePort(value, refuse);
  if (port === undefined) return claims;
  const moved = new Map<string, Claim>();
  for (const claim of claims) {
    if (isUnixAddress(claim.address)) moved.set(formatAddress(claim.address), claim);
    else {
      const one = { ...claim, address: { host: claim.address.host, port } };
      // Of 0 each gets a port of its own, where it has to have one.
      const place = formatListener(one) + (port === 0 ? describeAsking(one) : '');
      const other = moved.get(place);
      if (other !== undefined && describeAsking(other) !== describeAsking(one)) {
        refuse(
          `Port ${port} can't ask its clients for different things, as the listeners of the configuration do.`,
          'Change the ports there; or take 0, for a free port each.',
        );
        return claims;
      }
      moved.set(place, one);
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

/** What a listener wants of its clients, the same text for the same. */
function describeAsking({ clientSecret, tls }: ListenerConfig): string {
  return JSON.stringify([clientSecret, tls?.clientCaFile]);
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

function refuseOpen(address: ListenAddress, refuse: Refuse | undefined): void {
  const secret = `\`listen: { address: "${formatAddress(address)}", clientSecret: env:NAME }\` or GBP_CLIENT_SECRET`;
  refuse?.(
    `${formatAddress(address)} can be reached from other machines, which could then call your services as you.`,
    `Give it a client secret: ${secret} (\`openssl rand -hex 32\` makes one); or want certificates of clients: \`tls: { cert, key, clientCa }\`. Or listen on \`localhost:${address.port}\`; or, if everybody who gets there may, say so: \`gate: { allowUnauthenticatedClients: true }\` (--allow-unauthenticated-clients).`,
  );
}
