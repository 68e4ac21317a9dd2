import { PassThrough, Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import type { ProxyError } from '../../src/errors.ts';
import { type RequestBody, StreamedBody } from '../../src/relay/request-body.ts';
import type { Attempt, AttemptFailure, Lane, LaneOptions } from '../../src/relay/upstream/lane.ts';
import {
  createTransport,
  type Sending,
  type Transport,
  type TransportOptions,
  type UpstreamRequest,
} from '../../src/relay/upstream/transport.ts';

/** What came of a request. */
export interface Outcome {
  readonly status: number | undefined;
  readonly lines: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly interim: readonly (readonly [number, readonly string[]])[];
  readonly error: ProxyError | undefined;
}

export const NO_LIMITS = { connectMs: 0, headersMs: 0, idleMs: 0 };

/** A request without a body or limits. */
export const GET: UpstreamRequest = {
  method: 'GET',
  target: '/',
  lines: ['Host', 'upstream'],
  body: null,
  expectsContinue: false,
  wantsHttp2: false,
  mayRetry: true,
  timeout: NO_LIMITS,
};

/** A transport that is destroyed after the test. */
export function startTransport(
  t: TestContext,
  origin: string,
  options: Partial<TransportOptions> = {},
): Transport {
  const transport = createTransport({ origin, connectTimeoutMs: 5_000, ...options });
  t.after(() => transport.destroy());
  return transport;
}

/** A request that is under way, and what will come of it. */
export interface Sent {
  readonly sending: Sending;
  readonly outcome: Promise<Outcome>;
  /** Resolves with the next interim response's status. */
  nextInterim(): Promise<number>;
}

/** Sends a GET without a body, or what `change` makes of it. */
export function begin(transport: Transport, change: Partial<UpstreamRequest> = {}): Sent {
  const { promise: outcome, resolve } = Promise.withResolvers<Outcome>();
  const interim: [number, readonly string[]][] = [];
  let onNextInterim: ((status: number) => void) | undefined;
  let head: { readonly status: number; readonly lines: readonly string[] } | undefined;
  let body = '';
  const end = (trailers: readonly string[], error?: ProxyError): void =>
    resolve({ status: head?.status, lines: head?.lines ?? [], body, trailers, interim, error });
  const sending = transport.send(
    { ...GET, ...change },
    {
      onInterim: (status, lines) => {
        interim.push([status, lines]);
        onNextInterim?.(status);
      },
      onHead: (status, _reason, lines) => {
        head = { status, lines };
      },
      onData: (chunk) => {
        body += chunk.toString('latin1');
        return true;
      },
      onEnd: (trailers) => end(trailers),
      onError: (error) => end([], error),
    },
  );
  const nextInterim = (): Promise<number> =>
    new Promise((onNext) => {
      onNextInterim = onNext;
    });
  return { sending, outcome, nextInterim };
}

export function send(transport: Transport, change: Partial<UpstreamRequest> = {}): Promise<Outcome> {
  return begin(transport, change).outcome;
}

/** A body that is there from the start, in these pieces. */
export function toBody(
  pieces: readonly string[],
  length?: number,
  trailers: readonly string[] = [],
): RequestBody {
  const stream = Readable.from(pieces.map((text) => Buffer.from(text)));
  return new StreamedBody({ stream, isComplete: () => true, trailers: () => trailers }, length);
}

/** A body whose pieces are written while it is sent. */
export function toOpenBody(length?: number): { body: RequestBody; stream: PassThrough } {
  const stream = new PassThrough();
  const body = new StreamedBody({ stream, isComplete: () => true, trailers: () => [] }, length);
  return { body, stream };
}

/** A lane that does what the test tells it to. */
export interface FakeLane {
  readonly make: (options: LaneOptions) => Lane;
  /** Every attempt so far. */
  readonly attempts: Attempt[];
  /** As if a connection stood. */
  connect(): void;
  /** Fails an attempt, the latest if not said otherwise. */
  fail(failure: AttemptFailure, attempt?: Attempt): void;
  /** Answers one, the latest if not said otherwise. */
  answer(status?: number, attempt?: Attempt): void;
  /** How many attempts were aborted. */
  aborted: number;
}

export function createFakeLane(): FakeLane {
  const attempts: Attempt[] = [];
  let options: LaneOptions | undefined;
  const latest = (): Attempt => {
    const attempt = attempts.at(-1);
    if (attempt === undefined) throw new Error('no attempt was made');
    return attempt;
  };
  const lane: FakeLane = {
    attempts,
    aborted: 0,
    make(given) {
      options = given;
      return {
        carry(attempt) {
          attempts.push(attempt);
          return {
            abort() {
              lane.aborted += 1;
            },
            pause() {},
            resume() {},
          };
        },
        state: () => ({ protocol: 'http1', open: 0, idle: 0 }),
        retire() {},
        destroy() {},
      };
    },
    connect: () => options?.onConnected(),
    fail: (failure, attempt = latest()) => attempt.onFailed(failure),
    answer(status = 200, attempt = latest()) {
      attempt.onHead(status, '', []);
      attempt.onComplete([]);
    },
  };
  return lane;
}

/** A fault as a system call reports it. */
export function toSystemError(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: 'connect' });
}
