import type { CorsConfig } from '../config/config.ts';
import type { Fields } from './yaml-text.ts';

/** Envoy can't echo what is asked for: those that relayed requests have. */
const USUAL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** The same for headers of requests. */
const USUAL_HEADERS = [
  'Accept',
  'Authorization',
  'Cache-Control',
  'Content-Type',
  'Grpc-Timeout',
  'If-Match',
  'If-None-Match',
  'Range',
  'X-Csrf-Token',
  'X-Grpc-Web',
  'X-Requested-With',
  'X-User-Agent',
  'X-Xsrf-Token',
];

/**
 * What pages of other origins may do, as Envoy's CORS filter has it; undefined where it has nothing to do with it.
 * @param origins those that may call, as an expression
 */
export function toCorsPolicy(cors: CorsConfig, origins: string): Fields | undefined {
  if (cors.kind !== 'proxy') return undefined;
  const { methods = USUAL_METHODS, headers = USUAL_HEADERS, exposeHeaders, credentials, maxAgeMs } = cors;
  return {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
    allow_origin_string_match: [{ safe_regex: { regex: origins } }],
    allow_methods: methods.join(', '),
    ...(headers.length > 0 && { allow_headers: headers.join(', ') }),
    ...(exposeHeaders !== undefined &&
      exposeHeaders.length > 0 && { expose_headers: exposeHeaders.join(', ') }),
    allow_credentials: credentials,
    allow_private_network_access: true,
    max_age: String(Math.floor(maxAgeMs / 1_000)),
    // To the gate, which refuses them.
    forward_not_matching_preflights: true,
  };
}
