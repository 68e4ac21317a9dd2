import { createHomeward, type Homeward } from '../../src/routing/homeward.ts';
import { createRouteTable } from '../../src/routing/table.ts';
import { parseTarget, toUpstreamTarget } from '../../src/routing/target.ts';
import type { LocalRoute, Visit } from '../../src/routing/visit.ts';

/** A route at `/orders` to `https://orders.example`. */
export function localRoute(change: Partial<LocalRoute> = {}): LocalRoute {
  return {
    host: undefined,
    path: '/orders',
    stripPath: true,
    basePath: '/',
    upstreamOrigin: 'https://orders.example',
    ...change,
  };
}

/** A visit of a local URL through a route. */
export function visitOf(route: LocalRoute, url: string): Visit {
  const [, scheme, host = '', localTarget = ''] = /^(https?):\/\/([^/]*)(.*)$/.exec(url) ?? [];
  const { path, query } = parseTarget(localTarget);
  return {
    route,
    scheme: scheme === 'https' ? 'https' : 'http',
    host,
    localTarget,
    upstreamTarget: toUpstreamTarget(route, path, query),
  };
}

/** The way home for all routes of a site. */
export function homewardOf(...routes: LocalRoute[]): Homeward {
  return createHomeward(routes, createRouteTable(routes));
}
