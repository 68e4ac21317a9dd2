import type { Config } from '../config/config.ts';
import { type GateNames, toAddressPattern, toHostText } from './gate.ts';
import type { Fields } from './yaml-text.ts';

/** A configured route, and what it is in Envoy. */
export interface PlacedRoute {
  readonly host: string | undefined;
  readonly path: string;
  readonly routes: readonly Fields[];
}

/**
 * The hosts that are answered to. A host's own routes come first, then those of every host, each time the longest path; any other
 * host gets 403.
 */
export function toRouteConfiguration(placed: readonly PlacedRoute[], names: GateNames): Fields {
  const longestFirst = placed.toSorted((a, b) => b.path.length - a.path.length);
  const routesOf = (host: string | undefined): readonly Fields[] =>
    longestFirst
      .filter((route) => (route.host === undefined ? undefined : toHostText(route.host)) === host)
      .flatMap(({ routes }) => routes);
  const everywhere = routesOf(undefined);
  return {
    name: 'routes',
    ignore_port_in_host_matching: true,
    // Of Envoy's own making.
    request_headers_to_remove: ['x-envoy-internal', 'x-envoy-external-address'],
    virtual_hosts: [
      ...names.routeHosts.map((host) => ({
        name: host,
        domains: toDomains([host]),
        routes: [...routesOf(host), ...everywhere],
      })),
      { name: 'this machine', domains: toDomains([...names.otherHosts, '*.localhost']), routes: everywhere },
      { name: 'addresses', domains: ['*'], routes: [toRefusal(names), ...everywhere] },
    ],
  };
}

/** With the root's dot and without. */
function toDomains(hosts: readonly string[]): readonly string[] {
  return hosts.flatMap((host) => (host.startsWith('[') ? [host] : [host, `${host}.`]));
}

function toRefusal(names: GateNames): Fields {
  const isAddress = { safe_regex: { regex: toAddressPattern(names) } };
  return {
    name: 'host that is not answered to',
    match: { prefix: '/', headers: [{ name: ':authority', string_match: isAddress, invert_match: true }] },
    direct_response: { status: 403, body: { inline_string: 'This proxy does not answer to that host.\n' } },
  };
}

/** Connections of clients, on all listeners together. */
export function toOverload({ limits }: Config): Fields {
  return {
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            max_active_downstream_connections: limits.connections,
          },
        },
      ],
    },
  };
}
