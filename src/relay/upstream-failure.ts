import { type ErrorCode, ProxyError } from '../errors.ts';
import { TunnelError } from './tunnel.ts';

interface Failure {
  readonly code: ErrorCode;
  /** The sentence, after the upstream's origin; `code` is the system's or library's own name for the fault. */
  say(code: string, cause: unknown): string;
  readonly hint?: string;
  /** When to try again. */
  readonly retryAfterMs?: number;
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
};
const UNREACHABLE: Failure = { code: 'upstream_unreachable', say: (code) => `can't be reached (${code})` };
const RESET: Failure = {
  code: 'upstream_reset',
  say: () => 'closed the connection before its response was complete',
};
const BAD_RESPONSE: Failure = {
  code: 'bad_upstream_response',
  say: (_code, cause) => `sent a response that is not valid HTTP/1.1: ${toText(cause)}`,
};
const TLS: Failure = {
  code: 'tls_error',
  say: (code) => `could not be trusted over TLS (${code}); nothing was sent`,
  hint: 'For a private certificate authority, or a forward proxy that looks into TLS, name the CA certificate in `caFile`.',
};
const OVERLOADED = { code: 'overloaded', retryAfterMs: 1_000 } as const;
const TOO_MANY_FILES: Failure = {
  ...OVERLOADED,
  say: (code) => `can't be connected to: too many files and sockets are open (${code})`,
  hint: 'Raise the limit of open files (ulimit -n).',
};
const INTERNAL: Failure = { code: 'internal', say: () => 'could not be asked: the proxy failed inside' };

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
  BAD_RESPONSE,
  ECONNRESET: RESET,
  EPIPE: RESET,
  ECONNABORTED: RESET,
  CONNECTION_CLOSED: RESET,
  ALL_BUSY: { ...OVERLOADED, say: (_code, cause) => `can't take more: ${toText(cause)}` },
  EMFILE: TOO_MANY_FILES,
  ENFILE: TOO_MANY_FILES,
};

const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

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
  const { code: name, say, hint, retryAfterMs } = findFailure(code);
  return new ProxyError(name, `${origin}${way} ${say(code, cause)}.`, { hint, cause, retryAfterMs });
}

function toText(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'unreadable';
}

function findFailure(code: string): Failure {
  if (TLS_CODE.test(code)) return TLS;
  return (Object.hasOwn(FAILURES, code) ? FAILURES[code] : undefined) ?? INTERNAL;
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
