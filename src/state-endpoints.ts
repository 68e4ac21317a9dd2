import { createConfigEndpoint } from './admin/config.ts';
import type { Endpoint } from './admin/endpoint.ts';
import { createHealthEndpoints } from './admin/health.ts';
import { createMetricsEndpoint } from './admin/metrics.ts';
import type { TokenStatus } from './auth/token-source.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/config.ts';
import type { Metering } from './metering.ts';
import type { CrewState, Fill, UpstreamState } from './observe/state.ts';

/** What the admin port tells of; each is asked for anew, as a reload changes it. */
export interface StateSources {
  config(): Config;
  routes(): readonly {
    readonly name: string;
    /** For people. */
    readonly upstream: string;
    readonly origin: string;
    status(): TokenStatus | undefined;
  }[];
  upstreams(): readonly UpstreamState[];
  fills(): Readonly<Record<'requests' | 'connections', Fill>>;
  /** How the processes are that take requests; left out: it is this one. */
  readonly crew?: () => CrewState;
  /** Brings all that up to date, within a moment; true: with what has been counted. Never rejects. Left out: it is. */
  readonly look?: (isFull: boolean) => Promise<void>;
  isDraining(): boolean;
  /** Whether every route has its first token, or was refused one. */
  isStarted(): boolean;
}

/** What the admin port tells to everybody: probes, metrics, the configuration. */
export function createStateEndpoints(
  sources: StateSources,
  metering: Metering,
  clock: Clock,
): readonly Endpoint[] {
  const { upstreams, routes, fills, crew, look } = sources;
  const isBreakerOpen = (origin: string): boolean =>
    upstreams().some((upstream) => upstream.origin === origin && upstream.isBreakerOpen);
  return [
    ...createHealthEndpoints({
      ...sources,
      routes: () => routes().map((route) => ({ ...route, isBreakerOpen: () => isBreakerOpen(route.origin) })),
      startedAtMs: clock.now().wallMs,
      wallMs: () => clock.now().wallMs,
    }),
    createMetricsEndpoint(async () => {
      await look?.(true);
      return metering.write({ ...fills(), routes: routes(), upstreams: upstreams(), crew: crew?.() });
    }),
    createConfigEndpoint(sources.config),
  ];
}
