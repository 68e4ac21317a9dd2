import type { MetricFamily, MetricValue } from './instruments.ts';

/** How the proxy is at this moment. */
export interface ProxyState {
  readonly version: string;
  readonly requests: Fill;
  readonly connections: Fill;
  readonly routes: readonly RouteState[];
  /** May have an origin more than once: routes with other timeouts have connections of their own. */
  readonly upstreams: readonly UpstreamState[];
  readonly crew: CrewState | undefined;
}

/** What is at work at once, against what may be. */
export interface Fill {
  readonly count: number;
  readonly limit: number;
}

/** The processes that take requests, where there is more than one. */
export interface CrewState {
  /** As many as there are to be. */
  readonly count: number;
  /** As many as are at work. */
  readonly running: number;
  /** How often one was started in place of one that had ended. */
  readonly restarts: number;
  /** What each has counted. */
  readonly counted: readonly (readonly MetricFamily[])[];
  /** What each says of its own process, by what it is called. */
  readonly processes: ReadonlyMap<string, readonly MetricFamily[]>;
}

export interface RouteState {
  readonly name: string;
  readonly isReady: boolean;
  /** Until its token ends; undefined for a route that has none. */
  readonly tokenRemainingMs: number | undefined;
}

export interface UpstreamState {
  /** `https://host[:port]`. */
  readonly origin: string;
  /** Connections to it failed so often that for a moment none is tried. */
  readonly isBreakerOpen: boolean;
  readonly connections: readonly ConnectionState[];
}

/** Connections of one version of HTTP. */
export interface ConnectionState {
  readonly protocol: 'http1' | 'http2';
  /** All there are, those being made among them. */
  readonly open: number;
  /** Those of them that carry nothing. */
  readonly idle: number;
}

/** The state as metrics. */
export function toStateFamilies(state: ProxyState): readonly MetricFamily[] {
  const { version, requests, connections, routes, upstreams, crew } = state;
  const lanes = upstreams.flatMap(({ origin, connections: all }) =>
    all.map((one) => ({ upstream: origin, ...one })),
  );
  return [
    gauge(
      'gbp_build_info',
      'Always 1; the label says which version runs.',
      [{ labels: { version }, value: 1 }],
      'max',
    ),
    gauge('gbp_requests_in_flight', 'Requests under way, open WebSockets among them.', only(requests.count)),
    gauge('gbp_requests_in_flight_limit', 'Requests that may be under way at once.', only(requests.limit)),
    gauge('gbp_client_connections', 'Connections of clients.', only(connections.count)),
    gauge(
      'gbp_client_connections_limit',
      'Connections of clients that may be open at once.',
      only(connections.limit),
    ),
    gauge(
      'gbp_route_ready',
      'Whether a route has its token; 1 for one that needs none.',
      routes.map(({ name, isReady }) => ({ labels: { route: name }, value: Number(isReady) })),
      'min',
    ),
    gauge(
      'gbp_token_expiry_seconds',
      "Seconds until a route's token ends; not there while there is no token.",
      routes.flatMap(({ name, tokenRemainingMs }) =>
        tokenRemainingMs === undefined ? [] : [{ labels: { route: name }, value: tokenRemainingMs / 1_000 }],
      ),
      'min',
    ),
    gauge(
      'gbp_upstream_connections',
      "Connections to upstreams, those being made among them; without WebSockets'.",
      add(
        lanes.flatMap(({ upstream, protocol, open, idle }) => [
          { labels: { upstream, protocol, state: 'busy' }, value: open - idle },
          { labels: { upstream, protocol, state: 'idle' }, value: idle },
        ]),
      ),
    ),
    gauge(
      'gbp_upstream_breaker_open',
      'Whether an upstream is left alone for a moment, as connections to it failed.',
      largest(
        upstreams.map(({ origin, isBreakerOpen }) => ({
          labels: { upstream: origin },
          value: Number(isBreakerOpen),
        })),
      ),
      'max',
    ),
    ...(crew === undefined ? [] : toCrewFamilies(crew)),
  ];
}

function toCrewFamilies({ count, running, restarts }: CrewState): readonly MetricFamily[] {
  return [
    gauge('gbp_workers', 'Processes that take requests, as many as there are to be.', only(count)),
    gauge('gbp_workers_running', 'Processes that take requests, as many as are at work.', only(running)),
    {
      name: 'gbp_worker_restarts_total',
      help: 'How often one was started in place of one that had ended.',
      type: 'counter',
      aggregator: 'sum',
      values: only(restarts),
    },
  ];
}

function gauge(
  name: string,
  help: string,
  values: readonly MetricValue[],
  aggregator: MetricFamily['aggregator'] = 'sum',
): MetricFamily {
  return { name, help, type: 'gauge', aggregator, values };
}

function only(value: number): readonly MetricValue[] {
  return [{ labels: {}, value }];
}

const add = merge((one, other) => one + other);
const largest = merge(Math.max);

/** One series for each set of labels: there may be no two. */
function merge(join: (one: number, other: number) => number) {
  return (values: readonly MetricValue[]): readonly MetricValue[] => {
    const byLabels = new Map<string, MetricValue>();
    for (const one of values) {
      const key = JSON.stringify(one.labels);
      const known = byLabels.get(key);
      byLabels.set(key, known === undefined ? one : { ...one, value: join(known.value, one.value) });
    }
    return [...byLabels.values()];
  };
}
