import type { TokenStatus } from '../auth/token-source.ts';
import type { CrewState, Fill } from '../observe/state.ts';
import { type Endpoint, toJsonAnswer } from './endpoint.ts';

/** What the admin port tells of a route. */
export interface AdminRoute {
  readonly name: string;
  readonly upstream: string;
  status(): TokenStatus | undefined;
  /** Whether connections to its upstream failed so often that for a moment none is tried. */
  isBreakerOpen(): boolean;
}

export interface HealthOptions {
  /** Those in force now. */
  routes(): readonly AdminRoute[];
  isDraining(): boolean;
  /** Whether every route has its first token, or was refused one. */
  isStarted(): boolean;
  /** What may only be so many at once, by name. */
  fills(): Readonly<Record<'requests' | 'connections', Fill>>;
  /** How the processes are that take requests; left out: it is this one. */
  readonly crew?: () => Pick<CrewState, 'count' | 'running'>;
  /** Brings all that up to date, within a moment; true: with what has been counted. Never rejects. Left out: it is. */
  readonly look?: (isFull: boolean) => Promise<void>;
  readonly startedAtMs: number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
}

/**
 * For probes (R67). `/livez` answers 200 while the process runs; `/startupz` once every route has its first token or was refused
 * one; `/readyz` while requests are welcome: after that, not while draining or full, and while at least one route has its
 * token. A route that has none is not ready alone: what `/readyz` says of each is in its body.
 */
export function createHealthEndpoints(options: HealthOptions): readonly Endpoint[] {
  const get = (path: Endpoint['path'], answer: Endpoint['answer']): Endpoint => ({
    method: 'GET',
    path,
    needsToken: false,
    answer,
  });
  return [
    get('/livez', () => toJsonAnswer(200, { status: 'alive' })),
    get('/startupz', () =>
      options.isStarted()
        ? toJsonAnswer(200, { status: 'started' })
        : toJsonAnswer(503, { status: 'starting' }),
    ),
    get('/readyz', async () => {
      await options.look?.(false);
      const readiness = describeReadiness(options);
      return toJsonAnswer(readiness.ready ? 200 : 503, readiness);
    }),
  ];
}

interface Readiness {
  readonly ready: boolean;
  /** Why not, in words; undefined when it is. */
  readonly reason: string | undefined;
  readonly draining: boolean;
  readonly requests: Fill;
  readonly connections: Fill;
  /** Not there where one process does everything. */
  readonly workers: { readonly running: number; readonly count: number } | undefined;
  readonly routes: readonly RouteReadiness[];
}

interface RouteReadiness {
  readonly name: string;
  readonly upstream: string;
  readonly ready: boolean;
  /** When it became so. */
  readonly since: string;
  /** Why it isn't; undefined when it is. */
  readonly reason: string | undefined;
  readonly token: {
    readonly state: TokenStatus['state'] | 'none';
    readonly identity: string | undefined;
    /** Whole seconds until it ends. */
    readonly expiresInSeconds: number | undefined;
    /** Of the last mint, where that failed: the token there is may serve all the same. */
    readonly error: string | undefined;
  };
  /** `open`: connections to the upstream failed, so for a moment none is tried. */
  readonly breaker: 'open' | 'closed';
}

function describeReadiness(options: HealthOptions): Readiness {
  const { requests, connections } = options.fills();
  const routes = options.routes().map((route) => describeRoute(route, options));
  const reason = findReason(options, routes, { requests, connections });
  const draining = options.isDraining();
  const crew = options.crew?.();
  const workers = crew && { running: crew.running, count: crew.count };
  return { ready: reason === undefined, reason, draining, requests, connections, workers, routes };
}

function findReason(
  options: HealthOptions,
  routes: readonly RouteReadiness[],
  { requests, connections }: ReturnType<HealthOptions['fills']>,
): string | undefined {
  if (options.isDraining()) return 'it is stopping';
  if (!options.isStarted()) return 'it is starting';
  if (options.crew?.().running === 0) return 'no worker is running';
  if (requests.count >= requests.limit) return 'as many requests are in flight as may be';
  if (connections.count >= connections.limit) return 'as many clients are connected as may be';
  return routes.some(({ ready }) => ready) ? undefined : 'no route has its token';
}

function describeRoute(
  { name, upstream, status, isBreakerOpen }: AdminRoute,
  { startedAtMs, wallMs }: HealthOptions,
): RouteReadiness {
  const token = status();
  const ready = token === undefined || token.remainingMs !== undefined;
  const sinceMs = token === undefined ? startedAtMs : wallMs() - token.forMs;
  return {
    name,
    upstream,
    ready,
    since: new Date(sinceMs).toISOString(),
    reason: ready ? undefined : (token.error?.message ?? 'its token is not there yet'),
    token: {
      state: token?.state ?? 'none',
      identity: token?.identity,
      expiresInSeconds: token?.remainingMs === undefined ? undefined : Math.round(token.remainingMs / 1_000),
      error: token?.error?.message,
    },
    breaker: isBreakerOpen() ? 'open' : 'closed',
  };
}
