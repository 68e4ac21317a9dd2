import { findLoopbackPort } from '../loopback.ts';
import { formatAddress, isLoopbackAddress, parseListenAddress } from './address.ts';
import type { AdminConfig, ListenAddress, RouteConfig, UpstreamConfig } from './config.ts';
import { parseFileName } from './file-name.ts';
import type { Refuse } from './issues.ts';
import type { Env, Given, Layer } from './layers.ts';
import { isUnixText } from './unix-address.ts';

const DEFAULT_ADDRESS: ListenAddress = { host: '127.0.0.1', port: 9901 };

export interface AdminContext {
  readonly env: Env;
  readonly allowUnauthenticatedClients: boolean;
}

/**
 * Reads where the admin port is and who may change its state; undefined: there is none. Beyond this machine only where
 * everybody may be: what protects the listeners doesn't protect this port.
 */
export function readAdmin(layers: readonly Layer[], context: AdminContext): AdminConfig | undefined {
  const given = layers.findLast((layer) => layer.admin !== undefined)?.admin;
  const address = given === undefined ? DEFAULT_ADDRESS : parseAddress(given);
  if (address !== undefined && !context.allowUnauthenticatedClients) refuseOpen(address, given?.refuse);

  const isOff = given !== undefined && isNone(given.value);
  const file = isOff ? findUnused(layers) : layers.findLast((layer) => layer.adminTokenFile)?.adminTokenFile;
  const tokenFile = file && parseFileName(file.value, { folder: file.folder, env: context.env }, file.refuse);
  if (isOff) {
    file?.refuse('The admin port, which this token would be for, is off.', 'Leave out one of the two.');
    return undefined;
  }
  return address && { ...address, explicit: given !== undefined, tokenFile };
}

/** A token file named where the port is turned off, or above that; one below has been overruled with the port. */
function findUnused(layers: readonly Layer[]): Layer['adminTokenFile'] {
  const from = layers.findLastIndex((layer) => layer.admin !== undefined);
  return layers.slice(from).findLast((layer) => layer.adminTokenFile !== undefined)?.adminTokenFile;
}

function isNone(value: string | number | false): boolean {
  return value === false || value === 'off';
}

function parseAddress({ value, refuse }: Given<string | number | false>): ListenAddress | undefined {
  if (value === false || value === 'off') return undefined;
  if (typeof value === 'string' && isUnixText(value)) {
    return refuse('The admin port has no unix socket.', 'Write `127.0.0.1:9901`, or `false` for none.');
  }
  return parseListenAddress(value, refuse);
}

function refuseOpen(address: ListenAddress, refuse: Refuse | undefined): void {
  if (isLoopbackAddress(address)) return;
  refuse?.(
    `${formatAddress(address)} can be reached from other machines, which could then see your routes and upstreams.`,
    `Keep \`localhost:${address.port}\`, and have probes run beside the proxy (\`exec\`, not \`httpGet\`); or, if everybody who gets there may look, say so: \`gate: { allowUnauthenticatedClients: true }\` (--allow-unauthenticated-clients).`,
  );
}

/**
 * Refuses an upstream that is the admin port: what nobody but this machine may reach would be reached by every client of
 * the proxy (R10). By its port alone, since this machine has many names for itself.
 */
export function refuseAdminUpstream(
  upstream: UpstreamConfig,
  admin: AdminConfig | undefined,
  refuse: Refuse,
): void {
  if (admin === undefined || !admin.explicit || admin.port !== findLocalPort(upstream)) return;
  refuse(
    `This upstream is the proxy's own admin port, ${formatAddress(admin)}.`,
    'No route leads there. If another service is meant, give it or `admin` another port.',
  );
}

/** The default port gives way to a service that a route leads to, whether or not that runs already. */
export function keepClear(
  admin: AdminConfig | undefined,
  routes: readonly RouteConfig[],
): AdminConfig | undefined {
  if (admin === undefined || admin.explicit) return admin;
  const isTaken = routes.some(({ upstream }) => findLocalPort(upstream) === admin.port);
  return isTaken ? { ...admin, port: 0 } : admin;
}

/** The port of an upstream on this machine; undefined for any other. */
function findLocalPort(upstream: UpstreamConfig): number | undefined {
  return upstream.kind === 'url' ? findLoopbackPort(upstream.origin) : undefined;
}
