/**
 * Every failure this project names, in one table: what HTTP clients see, what the shell sees, and how RFC 9209
 * `Proxy-Status` calls it.
 */

interface CodeEntry {
  /** HTTP status of the proxy-made answer. */
  readonly status: number;
  /** Exit code when the failure ends the process (0 success, 1 runtime, 2 usage, 3 configuration, 4 credentials, 5 address in use; 126 and 127 as shells have them). */
  readonly exitCode: number;
  /** `error` parameter of `Proxy-Status` (RFC 9209, section 2.3). */
  readonly proxyStatus: string;
}

const denied = (status: number): CodeEntry => ({ status, exitCode: 1, proxyStatus: 'http_request_denied' });
const badRequest = (status: number): CodeEntry => ({
  status,
  exitCode: 1,
  proxyStatus: 'http_request_error',
});
const upstream = (status: number, proxyStatus: string): CodeEntry => ({ status, exitCode: 1, proxyStatus });
const startUp = (exitCode: number): CodeEntry => ({
  status: 500,
  exitCode,
  proxyStatus: 'proxy_configuration_error',
});

/** The single list of error codes. A code never changes its meaning once released. */
export const ERROR_CODES = {
  // gate
  bad_host: badRequest(400),
  host_not_allowed: denied(403),
  origin_not_allowed: denied(403),
  cross_site_request: denied(403),
  client_not_authenticated: denied(401),
  sign_in_refused: denied(403),
  // the admin port
  admin_token_required: denied(403),
  no_endpoint: badRequest(404),
  // request target, method, framing
  bad_request: badRequest(400),
  bad_path: badRequest(400),
  method_not_allowed: denied(405),
  http_version_not_supported: badRequest(505),
  transfer_coding_not_supported: badRequest(501),
  head_too_large: badRequest(431),
  target_too_long: badRequest(414),
  request_timeout: badRequest(408),
  expectation_failed: badRequest(417),
  // routing
  no_route: upstream(404, 'destination_not_found'),
  // what a route lets through
  method_denied: denied(403),
  path_denied: denied(403),
  body_too_large: denied(413),
  rate_limited: denied(429),
  // tokens
  token_unavailable: { status: 503, exitCode: 4, proxyStatus: 'proxy_internal_error' },
  credentials_invalid: { status: 502, exitCode: 4, proxyStatus: 'proxy_configuration_error' },
  // upstream
  upstream_refused: upstream(502, 'connection_refused'),
  upstream_dns: upstream(502, 'dns_error'),
  upstream_unreachable: upstream(502, 'destination_ip_unroutable'),
  tls_error: upstream(502, 'tls_certificate_error'),
  connect_timeout: upstream(504, 'connection_timeout'),
  upstream_timeout: upstream(504, 'http_response_timeout'),
  upstream_reset: upstream(502, 'connection_terminated'),
  bad_upstream_response: upstream(502, 'http_protocol_error'),
  upstream_protocol: upstream(502, 'http_protocol_error'),
  circuit_open: upstream(503, 'destination_unavailable'),
  // the forward proxy before it (HTTPS_PROXY)
  forward_proxy_unavailable: upstream(502, 'destination_unavailable'),
  forward_proxy_refused: upstream(502, 'connection_refused'),
  // the process
  overloaded: upstream(503, 'connection_limit_reached'),
  shutting_down: upstream(503, 'proxy_internal_error'),
  internal: upstream(500, 'proxy_internal_error'),
  usage: startUp(2),
  config_invalid: startUp(3),
  config_not_found: startUp(3),
  restart_needed: { status: 409, exitCode: 3, proxyStatus: 'proxy_configuration_error' },
  unsafe_environment: startUp(3),
  discovery_failed: startUp(1),
  not_ready: startUp(1),
  command_not_found: startUp(127),
  command_not_run: startUp(126),
  token_file_unusable: startUp(3),
  address_in_use: startUp(5),
  address_unavailable: startUp(1),
} as const satisfies Record<string, CodeEntry>;

/** Stable name of a failure. */
export type ErrorCode = keyof typeof ERROR_CODES;

export interface ProxyErrorOptions {
  /** What to do about it: a command to run or a line to change. */
  readonly hint?: string | undefined;
  /** The failure underneath; never shown to clients. */
  readonly cause?: unknown;
  /** When to try again, for `Retry-After`. */
  readonly retryAfterMs?: number | undefined;
  /** The methods that are taken, for `Allow`. */
  readonly allow?: string | undefined;
}

const BRAND = Symbol.for('gcp-bearer-proxy.ProxyError');

/**
 * A failure with a name. `message` is one sentence: what could not be done, for which route and host, and why.
 * Neither `message` nor `hint` may hold a token, a cookie, a query value or an upstream body: both reach clients and logs.
 */
export class ProxyError extends Error {
  override readonly name = 'ProxyError' as const;
  readonly code: ErrorCode;
  readonly status: number;
  readonly exitCode: number;
  readonly proxyStatus: string;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly allow: string | undefined;

  constructor(code: ErrorCode, message: string, options: ProxyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const entry = ERROR_CODES[code];
    this.code = code;
    this.status = entry.status;
    this.exitCode = entry.exitCode;
    this.proxyStatus = entry.proxyStatus;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    this.allow = options.allow;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Whether a value is a ProxyError, also one made by another copy of this package. */
export function isProxyError(value: unknown): value is ProxyError {
  return typeof value === 'object' && value !== null && BRAND in value;
}
