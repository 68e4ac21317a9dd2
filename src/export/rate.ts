import type { RouteConfig } from '../config/config.ts';
import { toDuration } from './clusters.ts';
import type { Fields } from './yaml-text.ts';

/** Where a route says whose bucket its requests are counted in: it is several routes in Envoy, with one bucket for all. */
const NAMESPACE = 'gcp-bearer-proxy';

/** The metadata of a route with a rate. */
export function toRateMetadata(name: string): Fields {
  return { filter_metadata: { [NAMESPACE]: { route: name } } };
}

/** The settings of Envoy's local rate limit: a bucket for each of the routes, which have a rate all. */
export function toRateLimits(routes: readonly RouteConfig[]): Fields {
  const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
  const route = {
    descriptor_key: 'route',
    metadata_key: { key: NAMESPACE, path: [{ key: 'route' }] },
    source: 'ROUTE_ENTRY',
    skip_if_absent: true,
  };
  return {
    stat_prefix: 'rate',
    filter_enabled: always,
    filter_enforced: always,
    enable_retry_after_header: true,
    rate_limits: [{ actions: [{ metadata: route }] }],
    descriptors: routes.flatMap(({ name, limits: { rate } }) =>
      rate === undefined
        ? []
        : [
            {
              entries: [{ key: 'route', value: name }],
              token_bucket: {
                max_tokens: rate.count,
                tokens_per_fill: rate.count,
                fill_interval: toDuration(rate.periodMs),
              },
            },
          ],
    ),
  };
}
