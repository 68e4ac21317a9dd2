import { isBelow } from './table.ts';
import type { PathMapping } from './target.ts';

/** A route as seen from its upstream: what is known of it on the way home. */
export interface LocalRoute extends PathMapping {
  /** Lower-case host name without port; undefined for a route of every host. */
  readonly host: string | undefined;
  /** `https://host[:port]`. */
  readonly upstreamOrigin: string;
}

/** A request on its way through a route, in both worlds. */
export interface Visit {
  readonly route: LocalRoute;
  /** How the client reached the proxy. */
  readonly scheme: 'http' | 'https';
  /** `Host` as the client sent it, port included. */
  readonly host: string;
  /** Path and query as sent upstream. */
  readonly upstreamTarget: string;
  /** Path and query as the client sent them. */
  readonly localTarget: string;
}

/**
 * The local path that leads to a path of the upstream: the reverse of `toUpstreamTarget`. Undefined for what no local
 * path leads to: outside of the base, or, where the route's path isn't cut off, outside of that. A route at `/` has one
 * spelling for its base with and without a slash behind it, so both come home to `/`.
 */
export function toLocalPath(mapping: PathMapping, upstreamPath: string): string | undefined {
  const { path, basePath, stripPath } = mapping;
  if (!isBelow(basePath, upstreamPath)) return undefined;
  const rest = basePath === '/' ? upstreamPath : upstreamPath.slice(basePath.length);
  if (path === '/') return rest === '' ? '/' : rest;
  if (stripPath) return path + rest;
  return isBelow(path, rest) ? rest : undefined;
}

/** Where the client found the proxy; null if its `Host` is none. */
export function parseLocalOrigin(visit: Visit): URL | null {
  return URL.parse(`${visit.scheme}://${visit.host}`);
}

/**
 * Reads a URL out of a header (WHATWG URL, as browsers do); null for what is none. Field values are bytes, one a
 * character: those outside ASCII are escaped as they are, not taken for Latin-1 letters.
 */
export function parseFieldUrl(text: string, base?: string): URL | null {
  const ascii = text.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  return URL.parse(ascii, base);
}
