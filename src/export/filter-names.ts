import type { TokenHeader } from './input.ts';

/** What the filters are called, in Envoy's configuration and its statistics. */
export const FILTER = {
  cors: 'envoy.filters.http.cors',
  gate: 'gate',
  rules: 'route-rules',
  rate: 'envoy.filters.http.local_ratelimit',
  buffer: 'envoy.filters.http.buffer',
  clean: 'clean-authorization',
  token: 'token-required',
  router: 'envoy.filters.http.router',
} as const;

/** The filter that puts tokens into a header. */
export function toTokenFilterName(header: TokenHeader): string {
  return `gcp_authn ${header}`;
}
