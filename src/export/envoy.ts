import type { Config } from '../config/config.ts';
import { createClusters, toMetadataCluster } from './clusters.ts';
import { findGateNames, isFromOwnPage, toCorsOrigins, toGateRules } from './gate.ts';
import { toHttpFilters } from './http-filters.ts';
import type { EnvoyToken, ExportedRoute, ExportOptions, TokenHeader } from './input.ts';
import { describeAddress, findListenerObstacle, toAdmin, toListener } from './listeners.ts';
import { noteSettings } from './note-settings.ts';
import { createRemarks, type Remark, type Remarks } from './remarks.ts';
import { findObstacle, type RouteContext, toRoutes, toUnserved, toVariants } from './routes.ts';
import { type PlacedRoute, toOverload, toRouteConfiguration } from './virtual-hosts.ts';
import type { Fields } from './yaml-text.ts';

/** A configuration in Envoy's terms. */
export interface EnvoyExport {
  /** A bootstrap of the v3 API. */
  readonly bootstrap: Fields;
  /** What of the configuration isn't in it, or is otherwise. */
  readonly remarks: readonly Remark[];
}

/**
 * Carries a configuration over. What could let somebody in, or a request out, that the proxy would have refused is closed rather
 * than left open: a listener is left out, a route answers 503. Pure; never throws.
 */
export function toEnvoy(
  config: Config,
  routes: readonly ExportedRoute[],
  options: ExportOptions,
): EnvoyExport {
  const remarks = createRemarks();
  const judged = routes.map((route) => judge(route, config, remarks));
  const served = judged.filter(({ isServed }) => isServed);
  noteSettings(
    config,
    served.map(({ route }) => route.config),
    remarks,
  );
  const clusters = createClusters(config, options);
  const tokenHeaders = findTokenHeaders(served);
  const listeners = toListeners(config, judged, {
    clusters,
    tokenHeaders,
    corsOrigins: toCorsOrigins(config),
  });
  const needsTokens = tokenHeaders.length > 0;
  return {
    bootstrap: {
      ...toAdmin(config),
      static_resources: {
        listeners,
        clusters: [...clusters.list(), ...(needsTokens ? [toMetadataCluster(options.metadata)] : [])],
      },
      ...toOverload(config),
      ...RUNTIME,
    },
    remarks: remarks.list(),
  };
}

/** A route, and whether Envoy can serve it. */
interface JudgedRoute {
  readonly route: ExportedRoute;
  readonly token: EnvoyToken | undefined;
  readonly isServed: boolean;
}

function judge(route: ExportedRoute, { credentials }: Config, remarks: Remarks): JudgedRoute {
  const obstacle = findObstacle(route, credentials[route.config.credentials]);
  if (obstacle !== undefined) remarks.note(obstacle, route.config.name);
  const { token } = route;
  return { route, token: token?.kind === 'jwt' ? undefined : token, isServed: obstacle === undefined };
}

/** Every listener that Envoy can have, with all the routes. */
function toListeners(
  config: Config,
  judged: readonly JudgedRoute[],
  common: Omit<RouteContext, 'isFromOwnPage' | 'peer'>,
): readonly Fields[] {
  const names = findGateNames(config);
  return config.listen.flatMap((listener, index) => {
    if (findListenerObstacle(listener) !== undefined) return [];
    const { address } = listener;
    const context: RouteContext = {
      ...common,
      isFromOwnPage: isFromOwnPage(names, listener),
      peer: 'path' in address ? '127.0.0.1' : '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
    };
    const placed = judged.map(({ route, token, isServed }): PlacedRoute => {
      const { host, path } = route.config;
      return { host, path, routes: isServed ? toRoutes(route, token, context) : [toUnserved(route)] };
    });
    return [
      // Two with any free port have one address.
      toListener(`${index + 1}: ${describeAddress(address)}`, listener, {
        route_config: toRouteConfiguration(placed, names),
        http_filters: toHttpFilters(config, toGateRules(config, names, listener), common.tokenHeaders),
      }),
    ];
  });
}

function findTokenHeaders(served: readonly JudgedRoute[]): readonly TokenHeader[] {
  const headers = served.flatMap(({ route, token }) =>
    toVariants(route, token).flatMap(({ tokenHeader }) => tokenHeader ?? []),
  );
  return [...new Set(headers)].sort();
}

/** Envoy refuses expressions that are larger than that, and by itself those of its small limit. */
const RUNTIME: Fields = {
  layered_runtime: {
    layers: [{ name: 'expressions', static_layer: { 're2.max_program_size.error_level': 100_000 } }],
  },
};
