import { Readable } from 'node:stream';
import type { TokenSource } from '../auth/token-source.ts';
import type { Clock } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { findValue } from '../relay/field-lines.ts';
import { StreamedBody } from '../relay/request-body.ts';
import type { Sending, Transport } from '../relay/upstream/transport.ts';
import type { ApiName } from './api-origin.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { ApiRefusal } from './refusal.ts';

/** One of Google's REST APIs, asked as one identity. */
export interface GoogleApi {
  /** As messages name it. */
  readonly host: string;
  /** @throws ApiRefusal, ProxyError when no token can be had or nobody answers */
  get(path: string, query?: Readonly<Record<string, string>>): Promise<JsonObject>;
  /** Only for what changes nothing: it may be sent again. Throws as `get`. */
  post(path: string, body: object): Promise<JsonObject>;
}

export interface GoogleApiOptions {
  readonly name: ApiName;
  readonly origin: URL;
  /** To that origin. */
  readonly transport: Transport;
  /** Access tokens. */
  readonly tokens: Pick<TokenSource, 'obtain'>;
  readonly clock: Clock;
  readonly userAgent: string;
  /** For one answer. */
  readonly timeoutMs: number;
}

/** Much more than any page of a list. */
const LONGEST_ANSWER_BYTES = 67_108_864;
/** One request is sent so often at most, where the API says that it is busy or broken. */
const MOST_ATTEMPTS = 3;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

interface ApiRequest {
  readonly method: 'GET' | 'POST';
  readonly target: string;
  readonly body: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly lines: readonly string[];
  readonly text: string;
}

export function createGoogleApi(options: GoogleApiOptions): GoogleApi {
  const { name, origin, clock } = options;
  const ask = async (request: ApiRequest): Promise<JsonObject> => {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await send(request, options);
      if (answer.status === 200) return parseAnswer(answer, origin);
      const refusal = new ApiRefusal(name, answer.status, parseJson(answer.text));
      if (!refusal.isTemporary || attempt === MOST_ATTEMPTS) throw refusal;
      await clock.wait(toWaitMs(answer, attempt));
    }
  };
  return {
    host: origin.host,
    get(path, query = {}) {
      const search = new URLSearchParams(query).toString();
      return ask({ method: 'GET', target: search === '' ? path : `${path}?${search}`, body: undefined });
    },
    post: (path, body) => ask({ method: 'POST', target: path, body: JSON.stringify(body) }),
  };
}

function toWaitMs({ lines }: Answer, attempt: number): number {
  const asked = findValue(lines, 'retry-after') ?? '';
  const waitMs = /^\d{1,6}$/.test(asked) ? Number(asked) * 1_000 : FIRST_WAIT_MS * 2 ** (attempt - 1);
  return Math.min(waitMs, LONGEST_WAIT_MS);
}

function parseAnswer({ text }: Answer, { host }: URL): JsonObject {
  const value = parseJson(text);
  if (isJsonObject(value)) return value;
  throw new ProxyError('bad_upstream_response', `${host} answered something that is no JSON object.`, {
    hint: 'Is there something between this machine and Google that answers in its place?',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One request, and its whole answer. */
async function send({ method, target, body }: ApiRequest, options: GoogleApiOptions): Promise<Answer> {
  const { origin, transport, tokens, clock, userAgent, timeoutMs } = options;
  const { bearer, quotaProject } = await tokens.obtain();
  const lines = ['Host', origin.host, 'User-Agent', userAgent, 'Accept', 'application/json'];
  lines.push('Authorization', bearer);
  if (quotaProject !== undefined) lines.push('X-Goog-User-Project', quotaProject);
  if (body !== undefined) lines.push('Content-Type', 'application/json');
  return new Promise((resolve, reject) => {
    let sending: Sending | undefined;
    let head: Pick<Answer, 'status' | 'lines'> | undefined;
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    const end = (settle: () => void): void => {
      cancel();
      settle();
    };
    const giveUp = (error: ProxyError): void => {
      sending?.abort();
      end(() => reject(error));
    };
    const cancel = clock.schedule(timeoutMs, () => giveUp(toTimeout(origin, timeoutMs)));
    sending = transport.send(
      {
        method,
        target,
        lines,
        body: body === undefined ? null : toBody(body),
        expectsContinue: false,
        wantsHttp2: false,
        mayRetry: true,
        timeout: { connectMs: timeoutMs, headersMs: timeoutMs, idleMs: timeoutMs },
      },
      {
        onInterim() {},
        onHead(status, _reason, answered) {
          head = { status, lines: answered };
        },
        onData(chunk) {
          chunks.push(chunk);
          sizeBytes += chunk.length;
          if (sizeBytes > LONGEST_ANSWER_BYTES) giveUp(toTooLong(origin));
          return true;
        },
        onEnd() {
          const { status = 0, lines: answered = [] } = head ?? {};
          const text = Buffer.concat(chunks).toString('utf8');
          end(() => resolve({ status, lines: answered, text }));
        },
        onError: (error) => end(() => reject(error)),
      },
    );
  });
}

function toBody(text: string): StreamedBody {
  const piece = Buffer.from(text);
  const source = { stream: Readable.from([piece]), isComplete: () => true, trailers: () => [] };
  return new StreamedBody(source, piece.length);
}

function toTimeout({ host }: URL, timeoutMs: number): ProxyError {
  const message = `${host} did not answer within ${timeoutMs / 1_000} s.`;
  return new ProxyError('upstream_timeout', message, { hint: 'Try again in a minute.' });
}

function toTooLong({ host }: URL): ProxyError {
  return new ProxyError('bad_upstream_response', `${host} answered more than any list is long.`);
}
