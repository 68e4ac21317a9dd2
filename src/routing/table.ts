/** What a route is matched on. */
export interface Matchable {
  /** Lower-case host name without port; undefined matches every host. */
  readonly host: string | undefined;
  /** `/`, or `/a/b` without a trailing slash. */
  readonly path: string;
}

/** Finds the route for a host name and a path; undefined when there is none. */
export type RouteTable<R extends Matchable> = (hostName: string, path: string) => R | undefined;

/**
 * Compiles routes into a table. Routes of the request's own host come first, then those for every host; among them the
 * longest path wins. Paths match on whole segments: `/api` takes `/api` and `/api/x`, never `/apix`.
 */
export function createRouteTable<R extends Matchable>(routes: readonly R[]): RouteTable<R> {
  const longestFirst = routes.toSorted((a, b) => b.path.length - a.path.length);
  const anyHost = longestFirst.filter((route) => route.host === undefined);
  const byHost = new Map<string, R[]>();
  for (const route of longestFirst) {
    if (route.host === undefined) continue;
    const routesOfHost = byHost.get(route.host);
    if (routesOfHost === undefined) byHost.set(route.host, [route]);
    else routesOfHost.push(route);
  }
  if (byHost.size === 0) return (_hostName, path) => firstMatch(anyHost, path);
  return (hostName, path) => {
    const routesOfHost = byHost.get(hostName);
    return (routesOfHost && firstMatch(routesOfHost, path)) ?? firstMatch(anyHost, path);
  };
}

/** Whether a path lies at or below a prefix, in whole segments. */
export function isBelow(prefix: string, path: string): boolean {
  if (prefix === '/') return true;
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f;
}

function firstMatch<R extends Matchable>(routes: readonly R[], path: string): R | undefined {
  for (const route of routes) if (isBelow(route.path, path)) return route;
  return undefined;
}
