import { ProxyError } from '../errors.ts';
import { describeRequest } from './minted.ts';
import type { TokenRequest } from './token-source.ts';

/** What is known about a mint that failed, without anything that could be secret. */
export interface MintFailure {
  /** HTTP status of the answer, where there was one. */
  readonly status: number | undefined;
  /** `invalid_grant`, `PERMISSION_DENIED`, or a code such as `ECONNREFUSED`. */
  readonly reason: string | undefined;
  /** One line of explanation, where there is one. */
  readonly detail: string | undefined;
  /** Who answered, or didn't. */
  readonly host: string | undefined;
  /** The issuer's clock, where it answered. */
  readonly issuerNowMs: number | undefined;
  /** Of a `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  /** There was no answer at all. */
  readonly unreachable: boolean;
}

export interface MintSubject {
  readonly request: TokenRequest;
  /** What the credential says of itself. */
  readonly credential: string;
  /** What to do about it, as far as the kind of credential knows. */
  readonly advise: (failure: MintFailure) => string | undefined;
  readonly localNowMs: number;
}

/** Longest text taken over from Google. */
const MAX_DETAIL_LENGTH = 240;
/** A clock this far off makes Google refuse assertions. */
const MAX_CLOCK_OFFSET_MS = 60_000;
const MAX_RETRY_AFTER_MS = 60_000;

const NO_DEFAULT_CREDENTIALS = /^Could not load the default credentials/;
const API_DISABLED = /SERVICE_DISABLED|has not been used in project|it is disabled/;
/** What a TLS handshake says when a company's proxy looks into it. */
const CERTIFICATE_CODES = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/**
 * What google-auth-library threw, as a failure with a name. The original is left behind: its `config` holds the signed
 * assertion or the `Authorization` header, its message may be the whole answer.
 */
export function toMintError(thrown: unknown, subject: MintSubject): ProxyError {
  const failure = readFailure(thrown);
  const temporary = failure.unreachable || isTemporary(failure.status);
  const message = `Could not get ${describeRequest(subject.request)} from ${subject.credential}: ${withoutStop(explain(failure))}.`;
  return new ProxyError(temporary ? 'token_unavailable' : 'credentials_invalid', message, {
    hint: adviseGenerally(failure, subject.localNowMs) ?? subject.advise(failure),
    cause: toScrubbedCause(thrown, failure),
    retryAfterMs: failure.retryAfterMs,
  });
}

/** One bounded line without anything that looks like a token, key or secret. */
export function scrub(text: string): string {
  const line = text
    .replace(/-----BEGIN[\s\S]*/g, '[removed]')
    .replace(/\beyJ[\w-]*(\.[\w-]*)*|\bya29\.[\w.-]+|\b1\/\/[\w-]+|\bGOCSPX-[\w-]+|[\w-]{40,}/g, '[removed]')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length > MAX_DETAIL_LENGTH ? `${line.slice(0, MAX_DETAIL_LENGTH)}…` : line;
}

function readFailure(thrown: unknown): MintFailure {
  const response = read(thrown, 'response');
  const url = read(read(thrown, 'config'), 'url');
  const status = read(response, 'status');
  const answered = typeof status === 'number';
  return {
    status: answered ? status : undefined,
    ...(answered ? readAnswer(read(response, 'data')) : readThrown(thrown)),
    host: url instanceof URL ? url.hostname : undefined,
    issuerNowMs: parseDateMs(readHeader(response, 'date')),
    retryAfterMs: parseRetryAfterMs(readHeader(response, 'retry-after')),
    unreachable: !answered && url !== undefined,
  };
}

type Words = Pick<MintFailure, 'reason' | 'detail'>;

/** An error as OAuth 2.0 (RFC 6749, section 5.2) or Google's APIs (https://google.aip.dev/193) word it. */
function readAnswer(body: unknown): Words {
  const error = read(body, 'error');
  const oauth = typeof error === 'string';
  return {
    reason: toText(oauth ? error : read(error, 'status')),
    detail: toText(oauth ? read(body, 'error_description') : read(error, 'message')),
  };
}

function readThrown(thrown: unknown): Words {
  const code = read(thrown, 'code');
  // These quote what they couldn't understand.
  const quoting = thrown instanceof TypeError || thrown instanceof SyntaxError;
  return {
    reason: typeof code === 'string' ? toText(code) : undefined,
    detail: thrown instanceof Error && !quoting ? toText(thrown.message) : undefined,
  };
}

/** Google ends some of its sentences with a full stop. */
function withoutStop(text: string): string {
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

function explain({ status, reason, detail, host = 'Google', unreachable }: MintFailure): string {
  if (unreachable) return `${host} can't be reached (${reason ?? detail ?? 'no answer'})`;
  const words = [reason, detail].filter((word) => word !== undefined).join(': ');
  if (status !== undefined) return `${host} answered ${status}${words === '' ? '' : ` ${words}`}`;
  if (detail !== undefined && NO_DEFAULT_CREDENTIALS.test(detail)) return 'there are none on this machine';
  return detail ?? 'the credential file or the answer could not be understood';
}

function adviseGenerally(
  { reason = '', detail = '', issuerNowMs, unreachable }: MintFailure,
  localNowMs: number,
): string | undefined {
  if (unreachable && CERTIFICATE_CODES.test(reason)) {
    return 'If your network inspects TLS, start with NODE_EXTRA_CA_CERTS=/path/to/its-root.pem';
  }
  if (API_DISABLED.test(`${reason} ${detail}`)) return 'gcloud services enable iamcredentials.googleapis.com';
  const offsetMs = issuerNowMs === undefined ? 0 : localNowMs - issuerNowMs;
  if (reason === 'invalid_grant' && Math.abs(offsetMs) > MAX_CLOCK_OFFSET_MS) {
    const minutes = Math.round(Math.abs(offsetMs) / 60_000);
    return `Set this machine's clock: it is ${minutes} min ${offsetMs > 0 ? 'ahead of' : 'behind'} Google's.`;
  }
  return undefined;
}

function isTemporary(status: number | undefined): boolean {
  return status !== undefined && (status >= 500 || status === 408 || status === 429);
}

/** Name, code and stack frames of what was thrown; of an answer nothing, as the message says it all. */
function toScrubbedCause(thrown: unknown, { status, reason, detail }: MintFailure): Error | undefined {
  if (!(thrown instanceof Error) || status !== undefined) return undefined;
  const cause = new Error(detail ?? reason ?? thrown.name);
  const frames = (thrown.stack ?? '').split('\n').filter((line) => /^\s+at \S/.test(line));
  cause.stack = [`${thrown.name}: ${cause.message}`, ...frames].join('\n');
  return cause;
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? scrub(value) : undefined;
}

function parseDateMs(header: string | undefined): number | undefined {
  const ms = header === undefined ? Number.NaN : Date.parse(header);
  return Number.isNaN(ms) ? undefined : ms;
}

function parseRetryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header)
    ? Math.min(Number(header) * 1000, MAX_RETRY_AFTER_MS)
    : undefined;
}

function readHeader(response: unknown, name: string): string | undefined {
  const headers = read(response, 'headers');
  const value = headers instanceof Headers ? headers.get(name) : null;
  return value ?? undefined;
}

function read(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
