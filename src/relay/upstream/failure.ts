import { type ErrorCode, ProxyError } from '../../errors.ts';
import { TunnelError } from './tunnel.ts';

interface Failure {
  readonly code: ErrorCode;
  /** The sentence, after the upstream's origin; `code` is the system's or library's own name for the fault. */
  say(code: string, cause: unknown): string;
  readonly hint?: string;
  /** When to try again. */
  readonly retryAfterMs?: number;
  /** Whether another attempt right away would fail alike, or take as long again. */
  readonly lasts?: boolean;
}

const REFUSED: Failure = {
  code: 'upstream_refused',
  say: () => 'refused the connection',
  hint: 'Is the service running, and is the port right?',
};
const DNS: Failure = {
  code: 'upstream_dns',
  say: (code) => `has a host name that could not be resolved (${code})`,
  hint: 'Check the upstream in the configuration, and the network.',
};
const CONNECT_TIMEOUT: Failure = {
  code: 'connect_timeout',
  say: () => 'did not accept a connection in time',
  lasts: true,
};
const UNREACHABLE: Failure = { code: 'upstream_unreachable', say: (code) => `can't be reached (${code})` };
const RESET: Failure = {
  code: 'upstream_reset',
  say: () => 'closed the connection before its response was complete',
};
const BAD_RESPONSE: Failure = {
  code: 'bad_upstream_response',
  say: (_code, cause) => `sent a response that is not valid HTTP: ${toText(cause)}`,
};
const BAD_HTTP2: Failure = {
  code: 'bad_upstream_response',
  say: (_code, cause) => `sent a response that is not valid HTTP/2: ${toText(cause)}`,
};
const NO_HTTP2: Failure = {
  code: 'upstream_protocol',
  say: () => "doesn't speak HTTP/2",
  hint: 'Set `protocol: http1` on the route; gRPC needs an upstream with HTTP/2.',
  lasts: true,
};
const TLS: Failure = {
  code: 'tls_error',
  // It may come after the request, as a refusal of TLS 1.3 does.
  say: (code) => `broke off over TLS (${code})`,
  hint: 'For a private certificate authority, or a forward proxy that looks into TLS, name the CA certificate in `caFile`.',
};
const CERTIFICATE: Failure = {
  ...TLS,
  say: (code) => `could not be trusted over TLS (${code}); nothing was sent`,
  lasts: true,
};
const OVERLOADED = { code: 'overloaded', retryAfterMs: 1_000, lasts: true } as const;
const TOO_MANY_FILES: Failure = {
  ...OVERLOADED,
  say: (code) => `can't be connected to: too many files and sockets are open (${code})`,
  hint: 'Raise the limit of open files (ulimit -n).',
};
const INTERNAL: Failure = {
  code: 'internal',
  say: () => 'could not be asked: the proxy failed inside',
  lasts: true,
};

const FAILURES: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: REFUSED,
  ENOTFOUND: DNS,
  EAI_AGAIN: DNS,
  EAI_FAIL: DNS,
  EAI_NODATA: DNS,
  EAI_NONAME: DNS,
  CONNECT_TIMEOUT,
  ETIMEDOUT: CONNECT_TIMEOUT,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EADDRNOTAVAIL: UNREACHABLE,
  EACCES: UNREACHABLE,
  EPERM: UNREACHABLE,
  HEADERS_TIMEOUT: {
    code: 'upstream_timeout',
    say: () => "did not answer within the route's headers timeout",
    hint: 'Raise timeout.headers of the route if the service needs longer.',
  },
  IDLE_TIMEOUT: {
    code: 'upstream_timeout',
    say: () => "stopped sending for longer than the route's idle timeout",
    hint: 'Raise timeout.idle of the route if the service may be silent for longer.',
  },
  UPLOAD_TIMEOUT: {
    code: 'upstream_timeout',
    say: () => "took no more of the request's body for longer than the route's idle timeout",
    hint: 'Raise timeout.idle of the route if the service may take longer.',
  },
  REQUEST_TIMEOUT: {
    code: 'request_timeout',
    say: () =>
      "got only a part of the request: the client sent no more for longer than the route's idle timeout",
    hint: 'Raise timeout.idle of the route if the client may pause for longer.',
  },
  REQUEST_BROKEN: {
    code: 'bad_request',
    say: () => 'got only a part of the request: its body broke off, or is not as long as its Content-Length',
  },
  BAD_RESPONSE,
  ECONNRESET: RESET,
  EPIPE: RESET,
  ECONNABORTED: RESET,
  CONNECTION_CLOSED: RESET,
  NO_HTTP2,
  ALL_BUSY: { ...OVERLOADED, say: (_code, cause) => `can't take more: ${toText(cause)}` },
  EMFILE: TOO_MANY_FILES,
  ENFILE: TOO_MANY_FILES,
};

/** What OpenSSL and Node find wrong with a certificate, or the host it is for. */
const CERTIFICATE_CODE =
  /^(?:ERR_TLS_CERT_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA)/;
const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO)/;
/** Answered by a server that was offered only `h2` (RFC 7301, section 3.2). */
const NO_COMMON_PROTOCOL = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
/** Node's names for a stream or session that ended early, and nghttp2's for the error code of a frame. */
const HTTP2_CODE = /^(?:ERR_HTTP2_|NGHTTP2_)/;
/** Node's for frames that can't be read; also nghttp2's names of error codes for them, which Node puts into messages (RFC 9113, section 7). */
const HTTP2_GARBAGE =
  /^ERR_HTTP2_(?:ERROR|TOO_MANY_INVALID_FRAMES|INVALID_|HEADER)|NGHTTP2_(?:PROTOCOL|FRAME_SIZE|COMPRESSION|FLOW_CONTROL)_ERROR/;
/** They only say that the session is over. */
const HTTP2_OVER = /^ERR_HTTP2_INVALID_(?:SESSION|STREAM)$/;

/**
 * Names what went wrong between the proxy and an upstream.
 * @param cause what ended the attempt; a `ProxyError` stays as it is, anything else is kept as the error's cause, never shown to clients
 * @param origin the upstream's
 * @param forwardProxy the one that was between, if any; its user name and password stay unsaid
 */
export function toUpstreamError(cause: unknown, origin: string, forwardProxy?: URL): ProxyError {
  if (cause instanceof ProxyError) return cause;
  const way = forwardProxy === undefined ? '' : ` (behind the forward proxy ${forwardProxy.host})`;
  if (cause instanceof TunnelError) {
    const message = `${origin} can't be reached: the forward proxy ${forwardProxy?.host} ${cause.message}.`;
    return new ProxyError(cause.code, message, { hint: cause.hint, cause });
  }
  const code = codeOf(cause);
  const { code: name, say, hint, retryAfterMs } = findFailure(code, cause);
  return new ProxyError(name, `${origin}${way} ${say(code, cause)}.`, { hint, cause, retryAfterMs });
}

function toText(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'unreadable';
}

/**
 * Whether another attempt right away would fail alike: a certificate stays as it is, a proxy out of files needs no further connection,
 * and whoever waited for a connection has waited enough.
 */
export function isLastingFailure(cause: unknown): boolean {
  if (cause instanceof ProxyError) return true;
  if (cause instanceof TunnelError) return cause.code === 'forward_proxy_refused';
  return findFailure(codeOf(cause), cause).lasts === true;
}

function findFailure(code: string, cause: unknown): Failure {
  if (code === NO_COMMON_PROTOCOL) return NO_HTTP2;
  if (CERTIFICATE_CODE.test(code)) return CERTIFICATE;
  if (TLS_CODE.test(code)) return TLS;
  if (HTTP2_CODE.test(code)) {
    const isGarbage = HTTP2_GARBAGE.test(code) || HTTP2_GARBAGE.test(toText(cause));
    return isGarbage && !HTTP2_OVER.test(code) ? BAD_HTTP2 : RESET;
  }
  return (Object.hasOwn(FAILURES, code) ? FAILURES[code] : undefined) ?? INTERNAL;
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
