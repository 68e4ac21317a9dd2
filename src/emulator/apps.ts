import { createHash } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { HeaderLine } from './header-lines.ts';
import type { VerifiedIdToken } from './issuer.ts';
import type { ServiceName } from './service-names.ts';

/** A request as the application behind the front end sees it. */
export interface AppRequest {
  readonly service: string;
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** Header lines as they came, the token's signature removed and the front end's own lines at the end. */
  readonly headers: readonly HeaderLine[];
  readonly body: IncomingMessage;
  /** Who called, as Google knows; undefined where nobody had to say. */
  readonly verified: VerifiedIdToken | undefined;
  readonly clock: Clock;
}

/** Takes over a connection for another protocol; `head` is what has come of it already. */
export type UpgradeApp = (
  request: Pick<AppRequest, 'method' | 'target' | 'headers'>,
  socket: Duplex,
  head: Buffer,
) => void;

export type App = (request: AppRequest, response: ServerResponse) => Promise<void>;

/** The longest anything waits here. */
const LONGEST_MS = 60_000;

/** The application behind each service. */
export const APPS: Readonly<Record<ServiceName, App>> = {
  hello: answerHello,
  echo: answerEcho,
  slow: answerSlow,
  stream: answerStream,
  status: answerStatus,
};

/** Says who was verified. */
async function answerHello(
  { service, verified, clock }: AppRequest,
  response: ServerResponse,
): Promise<void> {
  if (verified === undefined) {
    const message = 'Hello! I am a public service. I let everybody in, and nobody verified who you are.';
    return sendJson(response, 200, { message, service, verified: null });
  }
  const { email } = verified.claims;
  const who = typeof email === 'string' ? email : verified.account.id;
  sendJson(response, 200, {
    message: `Hello! I am a private service. I let you in because Google says you are ${who}.`,
    service,
    verified: {
      email: email ?? null,
      audience: verified.audience,
      expiresInSeconds: Math.floor((verified.expiresAtMs - clock.now().wallMs) / 1000),
    },
  });
}

/** Says what reached it, down to the order and case of header lines; the body as a digest. */
async function answerEcho(
  { service, method, target, headers, body }: AppRequest,
  response: ServerResponse,
): Promise<void> {
  const hash = createHash('sha256');
  let bodyBytes = 0;
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) continue;
    hash.update(chunk);
    bodyBytes += chunk.length;
  }
  const bodySha256 = hash.digest('hex');
  sendJson(response, 200, { service, method, path: target, headers, bodyBytes, bodySha256 });
}

/** Answers after `?ms=` (1000 unless given). */
async function answerSlow({ service, target, clock }: AppRequest, response: ServerResponse): Promise<void> {
  const waitedMs = readNumber(target, 'ms', { preset: 1000, most: LONGEST_MS });
  if (waitedMs === undefined) return refuseQuery(response, `ms is a whole number from 0 to ${LONGEST_MS}`);
  if (await pause(waitedMs, clock, response)) sendJson(response, 200, { service, waitedMs });
}

const MOST_CHUNKS = 1_000_000;
const MOST_CHUNK_BYTES = 1_048_576;

/**
 * Sends `?chunks=` (10) pieces of `?bytes=` (1024), `?intervalMs=` (0) apart, as fast as the client takes them;
 * `?sse=1` sends each as a server-sent event.
 */
async function answerStream({ target, clock }: AppRequest, response: ServerResponse): Promise<void> {
  const chunks = readNumber(target, 'chunks', { preset: 10, most: MOST_CHUNKS });
  const bytes = readNumber(target, 'bytes', { preset: 1024, most: MOST_CHUNK_BYTES });
  const intervalMs = readNumber(target, 'intervalMs', { preset: 0, most: LONGEST_MS });
  if (chunks === undefined || bytes === undefined || intervalMs === undefined) {
    const bounds = `chunks at most ${MOST_CHUNKS}, bytes at most ${MOST_CHUNK_BYTES}, intervalMs at most ${LONGEST_MS}`;
    return refuseQuery(response, `all are whole numbers: ${bounds}`);
  }
  const sse = readQuery(target).get('sse') === '1';
  const type = sse ? 'text/event-stream' : 'application/octet-stream';
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.flushHeaders();
  for (let index = 0; index < chunks; index += 1) {
    if (index > 0 && intervalMs > 0 && !(await pause(intervalMs, clock, response))) return;
    const piece = toPiece(index, bytes);
    if (!response.write(sse ? `id: ${index}\ndata: ${piece}\n\n` : piece) && !(await drained(response)))
      return;
  }
  response.end();
}

/** Letters, another one for each piece, so that a lost or swapped piece shows. */
function toPiece(index: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, 0x61 + (index % 26));
}

/** Answers with the status its path ends in: `/status/418` or `/418`. */
async function answerStatus({ service, target }: AppRequest, response: ServerResponse): Promise<void> {
  const status = Number(/^\/(?:status\/)?([2-5]\d\d)$/.exec(target.split('?', 1)[0] ?? '')?.[1] ?? 0);
  if (status === 0) return refuseQuery(response, 'the path is /status/N or /N, with N from 200 to 599');
  // 204 and 304 have no body, 205 has an empty one (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
  if (status === 204 || status === 304) return void response.writeHead(status).end();
  if (status === 205) return void response.writeHead(status, { 'Content-Length': 0 }).end();
  sendJson(response, status, { service, status, reason: STATUS_CODES[status] ?? null });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = `${JSON.stringify(value, undefined, 2)}\n`;
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

function refuseQuery(response: ServerResponse, rule: string): void {
  sendJson(response, 400, { error: `Bad request: ${rule}.` });
}

function readQuery(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : target.slice(start + 1));
}

/** A whole number from 0 to `most` in the query, or the preset where there is none; undefined for anything else. */
function readNumber(
  target: string,
  name: string,
  { preset, most }: { preset: number; most: number },
): number | undefined {
  const text = readQuery(target).get(name);
  if (text === null) return preset;
  return /^\d{1,9}$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

/** Waits; false as soon as the client goes away. */
function pause(delayMs: number, clock: Clock, response: ServerResponse): Promise<boolean> {
  return unlessClosed(response, (proceed) => clock.schedule(delayMs, proceed));
}

/** Waits until the client has taken what was written; false when it goes away instead. */
function drained(response: ServerResponse): Promise<boolean> {
  return unlessClosed(response, (proceed) => {
    response.once('drain', proceed);
    return () => response.off('drain', proceed);
  });
}

/** Waits until `proceed` is called; false when the connection closes first. Leaves no listener behind. */
function unlessClosed(response: ServerResponse, wait: (proceed: () => void) => () => void): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve(false);
    const proceed = (): void => {
      response.off('close', leave);
      resolve(true);
    };
    const leave = (): void => {
      cancel();
      resolve(false);
    };
    response.once('close', leave);
    const cancel = wait(proceed);
  });
}
