import type { Exposition } from '../observe/metrics.ts';
import type { Endpoint } from './endpoint.ts';

/** `GET /metrics`, for Prometheus and whatever else reads its text format. */
export function createMetricsEndpoint(write: () => Promise<Exposition>): Endpoint {
  return {
    method: 'GET',
    path: '/metrics',
    needsToken: false,
    answer: async () => ({ status: 200, ...(await write()) }),
  };
}
