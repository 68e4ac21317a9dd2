import type { Config, ListenerConfig } from '../config/config.ts';
import {
  ANY_IP,
  escapePattern,
  HAZARDOUS_PATH,
  LOOPBACK_IPV4,
  LOOPBACK_NAME,
  oneOf,
  PORT,
} from './patterns.ts';
import { all, any, hasHeader, headerIs, not, pathIs, toRules } from './rbac.ts';
import type { Fields } from './yaml-text.ts';

/** What the gate rests on, for one listener. */
export interface GateNames {
  /** Hosts of routes, lower case. */
  readonly routeHosts: readonly string[];
  /** Every other name and address that is answered to, as it is in `Host`, lower case. */
  readonly otherHosts: readonly string[];
  /** Bound to every address: any IP address is one of this machine's. */
  readonly isForAll: boolean;
}

/** Finds the hosts that are answered to: those of `createHostCheck` of the gate. */
export function findGateNames({ listen, gate, routes }: Config): GateNames {
  const bound = listen.flatMap(({ address }) => ('path' in address ? [] : [address.host]));
  const isForAll = bound.some(isWildcard);
  const routeHosts = [...new Set(routes.flatMap(({ host }) => (host === undefined ? [] : toHostText(host))))];
  const names = [...bound.filter((host) => !isWildcard(host)), ...gate.hosts].map(toHostText);
  const others = new Set(['localhost', '127.0.0.1', '[::1]', ...names]);
  for (const host of routeHosts) others.delete(host);
  return { routeHosts, otherHosts: [...others], isForAll };
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '';
}

/** A host as it is in `Host` headers. */
export function toHostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase();
}

/** IP addresses that are answered to, though no virtual host can name them one by one. */
export function toAddressPattern({ isForAll }: GateNames): string {
  return (isForAll ? ANY_IP : LOOPBACK_IPV4) + PORT;
}

/** Requests of a page of the very host they are for: Envoy can't compare two headers, so each name is a pair of its own. */
export function isFromOwnPage(names: GateNames, { address, tls }: ListenerConfig): Fields {
  const scheme = tls === undefined ? 'http' : 'https';
  const port = 'path' in address ? 0 : address.port;
  const isUsual = port === (tls === undefined ? 80 : 443);
  const end = isUsual ? `(?::${port})?` : `:${port}`;
  const pairs = [...names.routeHosts, ...names.otherHosts].map((name) =>
    all(
      headerIs(':authority', `(?i)${escapePattern(name)}\\.?${end}`),
      headerIs('origin', `(?i)${scheme}://${escapePattern(name)}\\.?${end}`),
    ),
  );
  return any(...pairs);
}

/** Refuses, for every route alike, what the gate refuses: other sites' pages, and paths that could lead out of their route. */
export function toGateRules({ gate }: Config, names: GateNames, listener: ListenerConfig): Fields {
  const origins = gate.origins.map(toOriginPattern);
  const isAllowedOrigin = any(headerIs('origin', toAllowedOrigins(origins)), isFromOwnPage(names, listener));
  return toRules('DENY', {
    'method that is not relayed': headerIs(':method', 'TRACE|CONNECT'),
    'path that could lead out of its route': pathIs(HAZARDOUS_PATH),
    'page of another site': all(hasHeader('origin'), not(isAllowedOrigin)),
    'request of another site': all(
      not(hasHeader('origin')),
      hasHeader('sec-fetch-site'),
      not(headerIs('sec-fetch-site', 'same-origin|same-site|none')),
    ),
  });
}

function toAllowedOrigins(listed: readonly string[]): string {
  return `(?i)${oneOf([`https?://${LOOPBACK_NAME}${PORT}`, ...listed])}`;
}

/** Origins whose pages may call, for CORS: what is asked of the gate, less the proxy's own, which need none. */
export function toCorsOrigins({ gate }: Config): string {
  return toAllowedOrigins(gate.origins.map(toOriginPattern));
}

/** An origin with the scheme's usual port written or left out. */
function toOriginPattern(origin: string): string {
  const { protocol, hostname, port } = new URL(origin);
  const host = escapePattern(hostname.toLowerCase());
  if (port !== '') return `${protocol}//${host}:${port}`;
  return `${protocol}//${host}(?::${protocol === 'https:' ? 443 : 80})?`;
}
