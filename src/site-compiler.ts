import type { Clock } from './clock.ts';
import { compileRoute, type RouteParts } from './compile-route.ts';
import { isUnixAddress } from './config/address.ts';
import type { Config, RateConfig } from './config/config.ts';
import { findForwardProxy, type ProxyEnvironment } from './forward-proxy.ts';
import type { ClientSecret } from './gate/client-secret.ts';
import { createGate } from './gate/gate.ts';
import type { UpstreamEvent } from './observe/events.ts';
import type { RateLimit } from './relay/rate-limit.ts';
import type { Route, Site } from './relay/site.ts';
import type { OpenSockets } from './relay/upstream/open-sockets.ts';
import { createTransport, type Transport } from './relay/upstream/transport.ts';
import { createUpgradeCarrier, type UpgradeCarrier } from './relay/upstream/upgrade.ts';
import { createHomeward } from './routing/homeward.ts';
import { createRouteTable } from './routing/table.ts';

/** Makes sites of routes whose way is known, one after the other; connections and counts of what is the same are kept. */
export interface SiteCompiler {
  /** @param secrets what each listener's clients have to know; undefined: nothing */
  compile(
    config: Pick<Config, 'listen' | 'gate' | 'routes'>,
    routes: readonly RouteParts[],
    secrets: readonly (ClientSecret | undefined)[],
  ): Site;
  /** All there are now. */
  transports(): readonly Transport[];
  /** Lets go of what only other sites use; what is in flight there may finish with it. */
  keepOnly(site: Site): void;
  /** Breaks off all connections to upstreams. */
  close(): void;
}

export interface SiteCompilerOptions {
  readonly clock: Clock;
  readonly env: ProxyEnvironment;
  readonly onUpstream: ((event: UpstreamEvent) => void) | undefined;
  /** Where sockets that were upgraded are to be found. */
  readonly openSockets: OpenSockets;
  /** Makes the count of a route's rate. */
  readonly createRate: (rate: RateConfig, route: string) => RateLimit;
}

/** What carries a route's requests. Routes that may share connections share one. */
interface Carriers {
  readonly transport: Transport;
  readonly upgrades: UpgradeCarrier;
}

export function createSiteCompiler(options: SiteCompilerOptions): SiteCompiler {
  const { clock, env, onUpstream, openSockets, createRate } = options;
  const carriers = new Map<string, Carriers>();
  const rates = new Map<string, RateLimit>();

  const findCarriers = ({ origin, config: { timeout, protocol } }: RouteParts): Carriers => {
    const { connectMs } = timeout;
    const key = `${origin} ${connectMs} ${protocol}`;
    const known = carriers.get(key);
    if (known !== undefined) return known;
    const way = {
      origin,
      connectTimeoutMs: connectMs,
      forwardProxy: findForwardProxy(new URL(origin), env),
    };
    const transport = createTransport({ ...way, protocol, clock, onEvent: onUpstream });
    const made = { transport, upgrades: createUpgradeCarrier({ ...way, openSockets }) };
    carriers.set(key, made);
    return made;
  };
  const findRate = ({ config: { name, limits } }: RouteParts): RateLimit | undefined => {
    if (limits.rate === undefined) return undefined;
    const key = JSON.stringify([name, limits.rate]);
    const rate = rates.get(key) ?? createRate(limits.rate, name);
    rates.set(key, rate);
    return rate;
  };
  const compile = (route: RouteParts): Route => {
    const { transport, upgrades } = findCarriers(route);
    return compileRoute(route, transport, upgrades, findRate(route));
  };

  return {
    compile: (config, routes, secrets) => toSite(config, routes.map(compile), secrets),
    transports: () => [...carriers.values()].map(({ transport }) => transport),
    keepOnly({ routeList }) {
      const used = new Set(routeList.map(({ transport }) => transport));
      for (const [key, { transport }] of carriers) {
        if (used.has(transport)) continue;
        transport.retire();
        carriers.delete(key);
      }
      const counted = new Set(routeList.map(({ rate }) => rate));
      for (const [key, rate] of rates) if (!counted.has(rate)) rates.delete(key);
    },
    close() {
      for (const { transport } of carriers.values()) transport.destroy();
    },
  };
}

function toSite(
  { listen, gate, routes: configured }: Pick<Config, 'listen' | 'gate' | 'routes'>,
  routes: readonly Route[],
  secrets: readonly (ClientSecret | undefined)[],
): Site {
  const table = createRouteTable(routes);
  return {
    gate: createGate({
      bound: listen.flatMap(({ address }) => (isUnixAddress(address) ? [] : [address.host])),
      names: [...gate.hosts, ...configured.flatMap(({ host }) => (host === undefined ? [] : [host]))],
      origins: gate.origins,
    }),
    listeners: secrets.map((clientSecret) => ({ clientSecret })),
    routes: table,
    homeward: createHomeward(routes, table),
    routeList: routes,
  };
}
