import { isIPv4, isIPv6 } from 'node:net';
import { isLoopbackHost } from '../loopback.ts';

/** A `Host` value taken apart (RFC 9110, section 7.2): `name` in lower case, without brackets and without the root dot. */
export interface Authority {
  readonly name: string;
  /** Decimal digits, or empty when no port was given. */
  readonly port: string;
}

const REG_NAME = /^([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)\.?(?::(\d{1,5}))?$/i;
const BRACKETED = /^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/i;
const LAST_PORT = 65_535;

/**
 * Takes `host[:port]` apart; undefined for anything else. Deliberately narrower than RFC 3986: no userinfo, no percent
 * escapes, no lists, so that two readers can't see two hosts in it.
 */
export function parseAuthority(value: string): Authority | undefined {
  const named = REG_NAME.exec(value);
  const [, name = '', port = ''] = named ?? BRACKETED.exec(value) ?? [];
  if (name === '' || Number(port) > LAST_PORT) return undefined;
  if (named === null ? !isIPv6(name) : name.includes('..')) return undefined;
  return { name: name.toLowerCase(), port };
}

/** `host[:port]` as `parseAuthority` reads it. */
export function formatAuthority({ name, port }: Authority): string {
  const host = name.includes(':') ? `[${name}]` : name;
  return port === '' ? host : `${host}:${port}`;
}

/** Whether a host name can only mean this machine: `localhost`, anything below it (RFC 6761, 6.3), 127.0.0.0/8, `::1`. */
export function isLoopbackName(name: string): boolean {
  return isLoopbackHost(name) || name.endsWith('.localhost');
}

/** Whether a host name is an IP address as a URL parser leaves it; `0x7f.1` and the like are names to us. */
export function isIpLiteral(name: string): boolean {
  return isIPv4(name) || isIPv6(name);
}

/** Whether an address to bind means "every address of this machine". */
export function isWildcardAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '';
}

export interface HostRules {
  /** Addresses the proxy is bound to, as configured. */
  readonly bound: readonly string[];
  /** Names allowed besides, lower case: from `gate.hosts` and from host routes. */
  readonly names: readonly string[];
}

/**
 * Makes the check for the names this proxy answers to. A page that rebinds its own name to 127.0.0.1 still sends that
 * name, so an exact list of names stops DNS rebinding. Addresses can't be rebound: loopback ones always pass, bound ones
 * too, and any other only when bound to every address.
 */
export function createHostCheck(rules: HostRules): (name: string) => boolean {
  const names = new Set([...rules.names, ...rules.bound].map((name) => name.toLowerCase()));
  const everyAddress = rules.bound.some(isWildcardAddress);
  return (name) => names.has(name) || isLoopbackName(name) || (everyAddress && isIpLiteral(name));
}
