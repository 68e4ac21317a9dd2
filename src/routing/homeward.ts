import { isBelow, type RouteTable } from './table.ts';
import { toUpstreamTarget } from './target.ts';
import { type LocalRoute, parseFieldUrl, parseLocalOrigin, toLocalPath, type Visit } from './visit.ts';

/** Turns URLs that upstreams give out into those that lead to the same place through the proxy. */
export interface Homeward {
  /**
   * A URL reference from a response's header, for the client: absolute, protocol-relative or relative as it was, query and
   * fragment byte for byte. It comes back unchanged where it leads to no route's upstream, where the client gets there with
   * it as it is, and where it is no URL. Never throws.
   */
  localizeUrl(reference: string, visit: Visit): string;
}

/** From where a URL is looked at. */
interface Standpoint {
  readonly visit: Visit;
  /** The client's own origin. */
  readonly here: URL;
  /** Host name of the visit, as routes have it. */
  readonly name: string;
  /** `:port` of the visit, or empty. */
  readonly port: string;
  /** Which route a local URL reaches. */
  readonly findRoute: RouteTable<LocalRoute>;
}

/** A place behind the proxy, as a client says it. */
interface LocalPlace {
  /** Host, and port where it has one. */
  readonly host: string;
  readonly path: string;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const AUTHORITY = /^[\\/]{2}/;

/**
 * Compiles the routes of a site. `findRoute` is the table of these same routes.
 *
 * A URL is looked for in this order. The visited route's own upstream, at or below its base: the visited route, also where
 * a longer route takes that path, as one site made of several upstreams has it. The client's own origin, which an
 * application knows from `X-Forwarded-Host`: see `toOwnPath`. Any other route's upstream: the longest base, and of equals
 * one on the host the client is on.
 */
export function createHomeward(routes: readonly LocalRoute[], findRoute: RouteTable<LocalRoute>): Homeward {
  const byUpstream = Map.groupBy(
    routes.toSorted((a, b) => b.basePath.length - a.basePath.length),
    ({ upstreamOrigin }) => new URL(upstreamOrigin).host,
  );

  return {
    localizeUrl(reference, visit) {
      const there = parseFieldUrl(reference, visit.route.upstreamOrigin + visit.upstreamTarget);
      const here = parseLocalOrigin(visit);
      if (there === null || here === null || !isPlain(there)) return reference;
      const from: Standpoint = { visit, here, ...splitHost(visit.host), findRoute };
      const place = findVisited(there, from) ?? findElsewhere(there, byUpstream.get(there.host) ?? [], from);
      if (place === undefined || leadsTo(reference, place, there, from)) return reference;
      return spell(reference, place, there, visit);
    },
  };
}

function isPlain(url: URL): boolean {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return false;
  return url.username === '' && url.password === '';
}

/** Name in lower case without brackets and root dot; `:port` as it is. */
function splitHost(host: string): { name: string; port: string } {
  const [, name = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(.*)$/s.exec(host) ?? [];
  return { name: name.toLowerCase().replace(/^\[|\]$|\.$/g, ''), port };
}

/** The place of a URL that belongs to the visited route: its upstream's, or one on the client's own origin. */
function findVisited(there: URL, from: Standpoint): LocalPlace | undefined {
  const { host, route } = from.visit;
  const path = isOfUpstream(there, route) ? toLocalPath(route, there.pathname) : undefined;
  if (path !== undefined) return { host, path };
  // With either scheme: Google's front ends tell applications `https`, however the client came to us.
  if (there.host === from.here.host) return { host, path: toOwnPath(there.pathname, from) };
  return undefined;
}

/** Behind a TLS front end applications take their own scheme for `http`; one port speaks only one of the two. */
function isOfUpstream(url: URL, route: LocalRoute): boolean {
  const upstream = new URL(route.upstreamOrigin);
  if (url.host !== upstream.host) return false;
  return url.protocol === upstream.protocol || upstream.protocol === 'https:';
}

/**
 * The local path that an application means by a path on the client's own origin. What lies below the visited route is local
 * already, and so is what another route takes, other than one at `/`: the address of a page to return to, most likely.
 * Anything else is a path of the application's own, which gets the route's in front.
 */
function toOwnPath(path: string, { visit: { route }, name, findRoute }: Standpoint): string {
  if (route.path !== '/') {
    if (isBelow(route.path, path)) return path;
    const other = findRoute(name, path);
    if (other !== undefined && other.path !== '/') return path;
  }
  const mapped = toLocalPath(route, path);
  if (mapped !== undefined) return mapped;
  // Google cuts a function's name off before the function sees its path, so that paths of its own lack the base.
  return route.stripPath && route.path !== '/' ? route.path + path : path;
}

/** The place of a URL on the upstream of some other route, if a client can get there. `routes`: the longest base first. */
function findElsewhere(there: URL, routes: readonly LocalRoute[], from: Standpoint): LocalPlace | undefined {
  let found: (LocalPlace & { readonly basePath: string }) | undefined;
  for (const route of routes) {
    const { basePath } = route;
    if (found !== undefined && found.basePath !== basePath) break;
    const path = isOfUpstream(there, route) ? toLocalPath(route, there.pathname) : undefined;
    const host = path === undefined ? undefined : findHost(route, path, from);
    if (path === undefined || host === undefined) continue;
    if (host === from.visit.host) return { host, path };
    found ??= { host, path, basePath };
  }
  return found;
}

/**
 * The host under which a path leads to a route: the route's own; for a route of every host the client's, or `localhost` where
 * a route of the client's host takes the path. Undefined where others take it on all of them.
 */
function findHost(route: LocalRoute, path: string, from: Standpoint): string | undefined {
  const names = route.host === undefined ? [from.name, 'localhost'] : [route.host];
  const name = names.find((candidate) => from.findRoute(candidate, path) === route);
  if (name === undefined) return undefined;
  if (name === from.name) return from.visit.host;
  return (name.includes(':') ? `[${name}]` : name) + from.port;
}

/** Whether the client gets to a place with the reference as it is: by the same path, or another spelling of it. */
function leadsTo(reference: string, place: LocalPlace, there: URL, from: Standpoint): boolean {
  const { route, host, localTarget } = from.visit;
  const reached = parseFieldUrl(reference, from.here.origin + localTarget);
  if (reached === null || reached.origin !== from.here.origin || place.host !== host) return false;
  if (reached.pathname === place.path) return true;
  return (
    from.findRoute(from.name, reached.pathname) === route &&
    toUpstreamTarget(route, reached.pathname, '') === there.pathname
  );
}

/** The place in the form the reference had. */
function spell(reference: string, place: LocalPlace, there: URL, visit: Visit): string {
  const mark = reference.search(/[?#]/);
  // A reference that is empty but for a fragment keeps the query of the page it is on.
  const query = reference[mark] === '?' ? '' : there.search;
  const target = place.path + query + (mark === -1 ? '' : reference.slice(mark));
  const hasScheme = SCHEME.test(reference);
  if (!hasScheme && AUTHORITY.test(reference)) return `//${place.host}${target}`;
  // A path that starts with two slashes would be read as a host.
  if (!hasScheme && place.host === visit.host && !target.startsWith('//')) return target;
  return `${visit.scheme}://${place.host}${target}`;
}
