import type { TokenStatus } from '../auth/token-source.ts';
import { type Endpoint, toJsonAnswer } from './endpoint.ts';

/** What the admin port tells of a route. */
export interface AdminRoute {
  readonly name: string;
  readonly upstream: string;
  status(): TokenStatus | undefined;
}

export interface HealthOptions {
  readonly routes: readonly AdminRoute[];
  isDraining(): boolean;
}

/**
 * For probes (R67): `/livez` answers 200 while the process runs; `/readyz` answers 200 when every route has a token, else
 * 503, and lists each route's state.
 */
export function createHealthEndpoints(options: HealthOptions): readonly Endpoint[] {
  return [
    {
      method: 'GET',
      path: '/livez',
      needsToken: false,
      answer: () => toJsonAnswer(200, { status: 'alive' }),
    },
    {
      method: 'GET',
      path: '/readyz',
      needsToken: false,
      answer: () => {
        const readiness = describeReadiness(options);
        return toJsonAnswer(readiness.ready ? 200 : 503, readiness);
      },
    },
  ];
}

interface Readiness {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly routes: readonly {
    readonly name: string;
    readonly upstream: string;
    readonly ready: boolean;
    readonly reason?: string;
  }[];
}

function describeReadiness(options: HealthOptions): Readiness {
  const draining = options.isDraining();
  const routes = options.routes.map((route) => {
    const status = route.status();
    const ready = status === undefined || status.remainingMs !== undefined;
    const reason = ready ? undefined : (status?.error?.message ?? 'its token is not there yet');
    return { name: route.name, upstream: route.upstream, ready, ...(reason !== undefined && { reason }) };
  });
  return { ready: !draining && routes.every(({ ready }) => ready), draining, routes };
}
