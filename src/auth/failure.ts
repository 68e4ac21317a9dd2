import { ProxyError } from '../errors.ts';
import { describeRequest } from './minted.ts';
import type { TokenRequest } from './token-source.ts';

/** What is known about a mint that failed, without anything that could be secret. */
export interface MintFailure {
  /** HTTP status of the answer, where there was one. */
  readonly status: number | undefined;
  /** `invalid_grant`, `PERMISSION_DENIED`, or a code such as `ECONNREFUSED`. */
  readonly reason: string | undefined;
  /** `invalid_rapt`: the organization wants people to log in again. */
  readonly subtype: string | undefined;
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
  /** A metadata server of Google's answered, and not something else in its place. */
  readonly isMetadataServer: boolean;
}

/** What a kind of credential has to say about a failure: the command or line that helps, or more than that. */
export type Advice =
  | string
  | {
      /** Said in place of what was answered. The failure then stands until somebody acts. */
      readonly because: string;
      readonly hint: string | undefined;
    };

export interface MintSubject {
  readonly request: TokenRequest;
  /** What the credential says of itself. */
  readonly credential: string;
  readonly advise: (failure: MintFailure) => Advice | undefined;
  readonly localNowMs: number;
}

/** Longest text taken over from Google. */
const MAX_DETAIL_LENGTH = 240;
/** A clock this far off makes Google refuse assertions. */
const MAX_CLOCK_OFFSET_MS = 60_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** What a client sent, in an answer that repeats it: as JSON, or as a form. */
const SECRET_FIELDS =
  /\b((?:client_secret|private_key|assertion|(?:access|id|refresh|subject)_token)["']?\s*[:=]\s*["']?)[^\s"',&}]+/g;
const API_DISABLED = /SERVICE_DISABLED|has not been used in project|it is disabled/;
/** A code of Node's, such as `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`. */
const CODE = /^E[A-Z0-9_]{1,80}$/;
/** What a TLS handshake says when a company's proxy looks into it. */
const CERTIFICATE_CODES = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/**
 * What google-auth-library threw, as a failure with a name. The original is left behind: its `config` holds the signed
 * assertion or the `Authorization` header, its message may be the whole answer.
 */
export function toMintError(thrown: unknown, subject: MintSubject): ProxyError {
  const failure = readFailure(thrown);
  const cause = toScrubbedCause(thrown, failure);
  const advice = adviseGenerally(failure, subject.localNowMs) ?? subject.advise(failure);
  if (typeof advice === 'object') return toStandingError(subject, advice.because, advice.hint, cause);
  const temporary = failure.unreachable || isTemporary(failure.status);
  return new ProxyError(
    temporary ? 'token_unavailable' : 'credentials_invalid',
    toSentence(subject, withoutStop(explain(failure))),
    { hint: advice, cause, retryAfterMs: failure.retryAfterMs },
  );
}

/** A mint that can't be, and stays so until somebody acts. `because` completes a sentence and quotes no secret. */
export function toStandingError(
  subject: Pick<MintSubject, 'request' | 'credential'>,
  because: string,
  hint?: string,
  cause?: Error,
): ProxyError {
  return new ProxyError('credentials_invalid', toSentence(subject, because), { hint, cause });
}

function toSentence(
  { request, credential }: Pick<MintSubject, 'request' | 'credential'>,
  because: string,
): string {
  return `Could not get ${describeRequest(request)} from ${credential}: ${because}.`;
}

/** One bounded line without anything that looks like a token, key or secret. */
export function scrub(text: string): string {
  const line = text
    .replace(/-----BEGIN[\s\S]*/g, '[removed]')
    .replace(SECRET_FIELDS, '$1[removed]')
    .replace(BASE64_RUN, (run) => (isRandom(run) ? '[removed]' : run))
    .replace(/\beyJ[\w-]*(\.[\w-]*)*|\bya29\.[\w.-]+|\b1\/\/[\w-]+|\bGOCSPX-[\w-]+|[\w-]{40,}/g, '[removed]')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length > MAX_DETAIL_LENGTH ? `${line.slice(0, MAX_DETAIL_LENGTH)}…` : line;
}

/** Long enough for a secret in base64 of either alphabet; names of resources look like it, too. */
const BASE64_RUN = /[\w+/-]{32,}=*/g;
const CLASSES = [/[a-z]/, /[A-Z]/, /\d/];

/**
 * Whether a text is random rather than made of words: its characters go from capitals to small letters to digits and back
 * more often than words in camel case do, or than numbers between words.
 */
function isRandom(run: string): boolean {
  const classes = [...run].map((character) => CLASSES.findIndex((one) => one.test(character)));
  const changes = classes.filter((one, index) => {
    const before = classes[index - 1] ?? -1;
    return one !== -1 && before !== -1 && one !== before;
  }).length;
  return changes > run.length * (/[\d+=]/.test(run) ? 0.2 : 0.45);
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
    isMetadataServer: readHeader(response, 'metadata-flavor') === 'Google',
  };
}

type Words = Pick<MintFailure, 'reason' | 'subtype' | 'detail'>;

/** An error as OAuth 2.0 (RFC 6749, section 5.2) or Google's APIs (https://google.aip.dev/193) word it. */
function readAnswer(body: unknown): Words {
  const error = read(body, 'error');
  const oauth = typeof error === 'string';
  return {
    reason: toText(oauth ? error : read(error, 'status')),
    subtype: toText(read(body, 'error_subtype')),
    detail: toText(oauth ? read(body, 'error_description') : read(error, 'message')),
  };
}

function readThrown(thrown: unknown): Words {
  const code = read(thrown, 'code');
  // These quote what they couldn't understand.
  const quoting = thrown instanceof TypeError || thrown instanceof SyntaxError;
  return {
    // Too long a word looks like a secret.
    reason: typeof code === 'string' && CODE.test(code) ? code : toText(code),
    subtype: undefined,
    detail: thrown instanceof Error && !quoting ? toText(thrown.message) : undefined,
  };
}

/** Google ends some of its sentences with a full stop. */
export function withoutStop(text: string): string {
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

function explain({ status, reason, detail, host = 'Google', unreachable }: MintFailure): string {
  if (unreachable) return `${host} can't be reached (${reason ?? detail ?? 'no answer'})`;
  const words = [reason, detail].filter((word) => word !== undefined).join(': ');
  if (status !== undefined) return `${host} answered ${status}${words === '' ? '' : ` ${words}`}`;
  return detail ?? 'the credential file or the answer could not be understood';
}

function adviseGenerally(
  { reason = '', detail = '', issuerNowMs, unreachable }: MintFailure,
  localNowMs: number,
): string | undefined {
  if (unreachable && CERTIFICATE_CODES.test(reason)) {
    return 'If your network inspects TLS, trust its root: caFile: /path/to/its-root.pem';
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
  // Not of the platform's class: the library's fetch brings its own.
  const headers = read(response, 'headers');
  const get = read(headers, 'get');
  const value: unknown = typeof get === 'function' ? Reflect.apply(get, headers, [name]) : undefined;
  return typeof value === 'string' ? value : undefined;
}

function read(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
