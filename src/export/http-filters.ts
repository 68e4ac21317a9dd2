import type { Config } from '../config/config.ts';
import { METADATA_CLUSTER, toDuration } from './clusters.ts';
import { FILTER, toTokenFilterName } from './filter-names.ts';
import type { TokenHeader } from './input.ts';
import { toRateLimits } from './rate.ts';
import type { Fields } from './yaml-text.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http';

/** Tokens kept by one thread: as many audiences as one proxy may well have. */
const CACHED_TOKENS = 100;

/**
 * The way of every request, in Envoy's order: preflights, the gate, what its route lets through, and then the token. What a route says
 * of them is in `route-filters.ts`.
 * @param gateRules as `toGateRules` makes them
 */
export function toHttpFilters(
  config: Config,
  gateRules: Fields,
  tokenHeaders: readonly TokenHeader[],
): readonly Fields[] {
  const rates = config.routes.filter(({ limits }) => limits.rate !== undefined);
  return [
    toFilter(FILTER.cors, 'cors.v3.Cors'),
    toFilter(FILTER.gate, 'rbac.v3.RBAC', { rules: gateRules }),
    toFilter(FILTER.rules, 'rbac.v3.RBAC'),
    ...(rates.length === 0
      ? []
      : [toFilter(FILTER.rate, 'local_ratelimit.v3.LocalRateLimit', toRateLimits(rates))]),
    ...(config.routes.every(({ limits }) => limits.bodyBytes === undefined)
      ? []
      : [{ ...toFilter(FILTER.buffer, 'buffer.v3.Buffer', { max_request_bytes: 1 }), disabled: true }]),
    toFilter(FILTER.clean, 'header_mutation.v3.HeaderMutation'),
    ...tokenHeaders.map((header) => toTokenFilter(header, config)),
    toFilter(FILTER.token, 'rbac.v3.RBAC'),
    toFilter(FILTER.router, 'router.v3.Router', { suppress_envoy_headers: true }),
  ];
}

function toFilter(name: string, type: string, settings: Fields = {}): Fields {
  return { name, typed_config: { '@type': `${TYPE}.${type}`, ...settings } };
}

function toTokenFilter(header: TokenHeader, { google }: Config): Fields {
  return toFilter(toTokenFilterName(header), 'gcp_authn.v3.GcpAuthnFilterConfig', {
    cluster: METADATA_CLUSTER,
    timeout: toDuration(google.tokenTimeoutMs),
    retry_policy: { num_retries: 1 },
    cache_config: { cache_size: CACHED_TOKENS },
    token_header: { name: header, value_prefix: 'Bearer ' },
  });
}
