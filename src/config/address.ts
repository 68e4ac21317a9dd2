import { isIPv6 } from 'node:net';
import { isLoopbackHost } from '../loopback.ts';
import type { ListenAddress, ListenerConfig, UnixAddress } from './config.ts';
import { isHostName } from './host.ts';
import { quote, type Refuse } from './issues.ts';

const ADDRESS = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/;
const EXAMPLE = 'Write `localhost:8080`, `127.0.0.1:8080`, `[::1]:8080`, or a port alone.';

/**
 * Reads `host:port`, `:port` or a port. Without a host it is `localhost`, never every address: who wants those has to
 * say `0.0.0.0` or `[::]`.
 */
export function parseListenAddress(value: string | number, refuse: Refuse): ListenAddress | undefined {
  if (typeof value === 'number' || /^\d+$/.test(value)) {
    const port = parsePort(value, refuse);
    return port === undefined ? undefined : { host: 'localhost', port };
  }
  if (value.includes('//')) {
    return refuse(`${quote(value)} is a URL; what is needed is an address to listen on.`, EXAMPLE);
  }
  if (isIPv6(value))
    return refuse(`${quote(value)} is an IPv6 address without a port.`, `Write \`[${value}]:8080\`.`);
  const match = ADDRESS.exec(value);
  if (match === null) {
    return refuse(`${quote(value)} is not an address with a port.`, suggestAddress(value));
  }
  const [, bracketed, name = '', portText = ''] = match;
  const port = parsePort(portText, refuse);
  if (port === undefined) return undefined;
  if (bracketed !== undefined) {
    if (!isIPv6(bracketed)) return refuse(`${quote(bracketed)} is not an IPv6 address.`, EXAMPLE);
    return { host: bracketed.toLowerCase(), port };
  }
  if (name === '*')
    return refuse('`*` is not an address.', `Write \`0.0.0.0:${port}\` for every address of this machine.`);
  if (name !== '' && !isHostName(name))
    return refuse(`${quote(name)} is not a host name or an IP address.`, EXAMPLE);
  return { host: name === '' ? 'localhost' : name.toLowerCase().replace(/\.$/, ''), port };
}

function suggestAddress(text: string): string {
  if (isHostName(text)) return `Write \`${text}:8080\`.`;
  return /^(?:~|\.{0,2})\/[\x21-\x7e]{1,100}$/.test(text)
    ? `For a unix socket there is \`unix:${text}\`.`
    : EXAMPLE;
}

/** Reads a TCP port; 0 means any free one. */
export function parsePort(value: string | number, refuse: Refuse): number | undefined {
  const port = typeof value === 'number' ? value : /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  return refuse(
    `${quote(String(value))} is not a port: those are whole numbers from 0 (any free port) to 65535.`,
  );
}

/** Whether an address is a unix socket's. */
export function isUnixAddress(address: ListenAddress | UnixAddress): address is UnixAddress {
  return 'path' in address;
}

/** `host:port`, with brackets where they are needed, or `unix:/path`; `parseListenAddress` and `parseUnixAddress` read it. */
export function formatAddress(address: ListenAddress | UnixAddress): string {
  if (isUnixAddress(address)) return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** As `formatAddress`, and whether TLS is spoken there: `https://localhost:8443`, `unix:/path (TLS)`. */
export function formatListener({ address, tls }: Pick<ListenerConfig, 'address' | 'tls'>): string {
  const text = formatAddress(address);
  if (tls === undefined) return text;
  return isUnixAddress(address) ? `${text} (TLS)` : `https://${text}`;
}

/** What a client on this machine calls: `http://localhost:8080`, `https://localhost:8443`, or `unix:/path`. */
export function toListenerUrl(address: ListenAddress | UnixAddress, isTls: boolean): string {
  if (isUnixAddress(address)) return formatAddress(address);
  const isWildcard = ['0.0.0.0', '::', ''].includes(address.host);
  const reachable = isWildcard ? { host: 'localhost', port: address.port } : address;
  return `${isTls ? 'https' : 'http'}://${formatAddress(reachable)}`;
}

/** Whether both can't be listened on at once. `localhost` is both loopback families, a wildcard every address. */
export function overlap(a: ListenAddress | UnixAddress, b: ListenAddress | UnixAddress): boolean {
  if (isUnixAddress(a) || isUnixAddress(b)) return isUnixAddress(a) && isUnixAddress(b) && a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || covers(a.host, b.host) || covers(b.host, a.host);
}

function covers(wide: string, narrow: string): boolean {
  if (wide === 'localhost') return narrow === '127.0.0.1' || narrow === '::1';
  if (wide === '0.0.0.0') return !narrow.includes(':');
  return wide === '::';
}

/** Whether only programs on this machine reach an address. */
export function isLoopbackAddress(address: ListenAddress): boolean {
  return isLoopbackHost(address.host);
}
