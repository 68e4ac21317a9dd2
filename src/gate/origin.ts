import { isLoopbackName, parseAuthority } from './host.ts';

const ORIGIN = /^(https?):\/\/([^/?#@\s]+)$/i;

/** An `Origin` header's value taken apart (RFC 6454, section 7). */
export interface Origin {
  readonly scheme: 'http' | 'https';
  /** Host name in lower case, without brackets. */
  readonly name: string;
  /** Port in digits; the scheme's default is written out. */
  readonly port: string;
}

/** Takes an `Origin` value apart; undefined for `null`, for other schemes and for anything malformed. */
export function parseOrigin(value: string): Origin | undefined {
  const match = ORIGIN.exec(value);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const authority = parseAuthority(match[2]);
  if (authority === undefined) return undefined;
  const scheme = match[1].toLowerCase() === 'https' ? 'https' : 'http';
  return { scheme, name: authority.name, port: authority.port || defaultPort(scheme) };
}

/** `scheme://host:port`, the same text for every spelling of one origin. */
export function formatOrigin(origin: Origin): string {
  const host = origin.name.includes(':') ? `[${origin.name}]` : origin.name;
  return `${origin.scheme}://${host}:${origin.port}`;
}

/**
 * Makes the check for pages that may call: loopback origins on any port (the local single-page app), those listed, and
 * the proxy's own (`own` is the scheme and `Host` the request came with).
 */
export function createOriginCheck(allowed: readonly string[]): (value: string, own: Origin) => boolean {
  const listed = new Set(
    allowed.map((value) => {
      const origin = parseOrigin(value);
      if (origin === undefined)
        throw new TypeError(`"${value}" is not an origin such as https://app.example.com`);
      return formatOrigin(origin);
    }),
  );
  return (value, own) => {
    const origin = parseOrigin(value);
    if (origin === undefined) return false;
    return isLoopbackName(origin.name) || listed.has(formatOrigin(origin)) || isOwnOrigin(origin, own);
  };
}

/** Whether an origin is the one that a request itself went to: the scheme and `Host` it came with, whose port may be left out. */
export function isOwnOrigin(origin: Origin, own: Origin): boolean {
  return (
    origin.scheme === own.scheme &&
    origin.name === own.name &&
    origin.port === (own.port || defaultPort(own.scheme))
  );
}

/** The port of a scheme's URLs that name none. */
export function defaultPort(scheme: 'http' | 'https'): string {
  return scheme === 'https' ? '443' : '80';
}
