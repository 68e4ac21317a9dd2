import type { Config } from '../config/config.ts';
import { createClusters, toMetadataCluster } from './clusters.ts';
import { findGateNames, isFromOwnPage, toCorsOrigins, toGateRules } from './gate.ts';
import { toHttpFilters } from './http-filters.ts';
import type { EnvoyToken, ExportedRoute, ExportOptions, TokenHeader } from './input.ts';
import { describeAddress, findListenerObstacle, toAdmin, toListener } from './listeners.ts';
import { noteSettings } from './note-settings.ts';
import { createRemarks, type Remark } from './remarks.ts';
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
  const served = routes.map((route) => {
    const obstacle = findObstacle(route, config.credentials[route.config.credentials]);
    if (obstacle !== undefined) remarks.note(obstacle, route.config.name);
    return { route, token: toEnvoyToken(route), isServed: obstacle === undefined };
  });
  const usable = served.filter(({ isServed }) => isServed);
  noteSettings(
    config,
    usable.map(({ route }) => route.config),
    remarks,
  );
  const clusters = createClusters(config, options);
  const names = findGateNames(config);
  const tokenHeaders = findTokenHeaders(usable);
  const corsOrigins = toCorsOrigins(config);
  const listeners = config.listen.flatMap((listener, index) => {
    if (findListenerObstacle(listener) !== undefined) return [];
    const context: RouteContext = {
      clusters,
      tokenHeaders,
      isFromOwnPage: isFromOwnPage(names, listener),
      corsOrigins,
      peer: 'path' in listener.address ? '127.0.0.1' : '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
    };
    const placed = served.map(
      ({ route, token, isServed }): PlacedRoute => ({
        host: route.config.host,
        path: route.config.path,
        routes: isServed ? toRoutes(route, token, context) : [toUnserved(route)],
      }),
    );
    return [
      // Two with any free port have one address.
      toListener(`${index + 1}: ${describeAddress(listener.address)}`, listener, {
        route_config: toRouteConfiguration(placed, names),
        http_filters: toHttpFilters(config, toGateRules(config, names, listener), tokenHeaders),
      }),
    ];
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

/** Envoy refuses expressions that are larger than that, and by itself those of its small limit. */
const RUNTIME: Fields = {
  layered_runtime: {
    layers: [{ name: 'expressions', static_layer: { 're2.max_program_size.error_level': 100_000 } }],
  },
};

function toEnvoyToken({ token }: ExportedRoute): EnvoyToken | undefined {
  return token?.kind === 'jwt' ? undefined : token;
}

interface ServedRoute {
  readonly route: ExportedRoute;
  readonly token: EnvoyToken | undefined;
}

function findTokenHeaders(served: readonly ServedRoute[]): readonly TokenHeader[] {
  const headers = served.flatMap(({ route, token }) =>
    toVariants(route, token).flatMap((v) => v.tokenHeader ?? []),
  );
  return [...new Set(headers)].sort();
}
