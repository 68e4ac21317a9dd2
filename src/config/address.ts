import { isIPv6 } from 'node:net';
import { isLoopbackHost } from '../loopback.ts';
import type { ListenAddress } from './config.ts';
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
  if (value.startsWith('unix:')) return refuse('Unix sockets are not supported yet.', EXAMPLE);
  if (isIPv6(value))
    return refuse(`${quote(value)} is an IPv6 address without a port.`, `Write \`[${value}]:8080\`.`);
  const match = ADDRESS.exec(value);
  if (match === null) {
    const hint = isHostName(value) ? `Write \`${value}:8080\`.` : EXAMPLE;
    return refuse(`${quote(value)} is not an address with a port.`, hint);
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

/** Reads a TCP port; 0 means any free one. */
export function parsePort(value: string | number, refuse: Refuse): number | undefined {
  const port = typeof value === 'number' ? value : /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  return refuse(
    `${quote(String(value))} is not a port: those are whole numbers from 0 (any free port) to 65535.`,
  );
}

/** `host:port`, with brackets where they are needed. */
export function formatAddress(address: ListenAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether both can't be listened on at once. `localhost` is both loopback families, a wildcard every address. */
export function overlap(a: ListenAddress, b: ListenAddress): boolean {
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
