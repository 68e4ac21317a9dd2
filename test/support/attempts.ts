import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { type RequestBody, StreamedBody } from '../../src/relay/request-body.ts';
import type { AttemptFailure, Carrier, Lane, Reach } from '../../src/relay/upstream/lane.ts';
import type { UpstreamRequest } from '../../src/relay/upstream/transport.ts';

/** What an attempt was told, and a hold on it. */
export interface Attempted extends Carrier {
  readonly interim: readonly number[];
  readonly status: number | undefined;
  readonly lines: readonly string[];
  readonly body: string;
  readonly bodyBytes: number;
  readonly trailers: readonly string[] | undefined;
  readonly failure: AttemptFailure | undefined;
  /** The code of the failure's cause. */
  readonly code: string | undefined;
  readonly reach: Reach | undefined;
  /** Resolves once it is complete or has failed. */
  readonly over: Promise<Attempted>;
  /** Resolves with the next thing told: `interim`, `head`, `body`. */
  next(event: 'interim' | 'head' | 'body'): Promise<void>;
}

export interface AttemptChange extends Partial<UpstreamRequest> {
  /** Keeps no body, only counts it. */
  readonly countsOnly?: boolean;
  readonly onTold?: (event: 'interim' | 'head' | 'body', carrier: Carrier) => void;
}

export const NO_LIMITS = { connectMs: 0, headersMs: 0, idleMs: 0 };

/** Has a lane carry a `GET /`, or what is changed of it. */
export function attempt(lane: Lane, change: AttemptChange = {}): Attempted {
  const { countsOnly = false, onTold, ...request } = change;
  const told = new EventEmitter();
  const state = {
    interim: [] as number[],
    status: undefined as number | undefined,
    lines: [] as readonly string[],
    body: '',
    bodyBytes: 0,
    trailers: undefined as readonly string[] | undefined,
    failure: undefined as AttemptFailure | undefined,
  };
  let resolveOver = (): void => {};
  let hasReturned = false;
  const tell = (event: 'interim' | 'head' | 'body'): void => {
    if (!hasReturned) throw new Error('told before carry returned');
    if (state.failure !== undefined || state.trailers !== undefined) throw new Error('told after the end');
    told.emit(event);
    onTold?.(event, carrier);
  };
  const carrier = lane.carry({
    wantsNewConnection: false,
    request: {
      method: 'GET',
      target: '/',
      lines: ['Host', 'upstream.example'],
      body: null,
      expectsContinue: false,
      wantsHttp2: true,
      mayRetry: true,
      timeout: NO_LIMITS,
      ...request,
    },
    onInterim(status) {
      state.interim.push(status);
      tell('interim');
    },
    onHead(status, _reason, lines) {
      state.status = status;
      state.lines = lines;
      tell('head');
    },
    onBody(chunk) {
      state.bodyBytes += chunk.length;
      if (!countsOnly) state.body += chunk.toString('latin1');
      tell('body');
    },
    onComplete(trailers) {
      state.trailers = trailers;
      resolveOver();
    },
    onFailed(failure) {
      if (!hasReturned) throw new Error('failed before carry returned');
      state.failure = failure;
      resolveOver();
    },
  });
  hasReturned = true;
  const attempted: Attempted = Object.assign(Object.create(state), {
    abort: () => carrier.abort(),
    pause: () => carrier.pause(),
    resume: () => carrier.resume(),
    next: async (event: string) => {
      await once(told, event);
    },
  });
  Object.defineProperties(attempted, {
    code: { get: () => (state.failure?.cause as { code?: string } | undefined)?.code },
    reach: { get: () => state.failure?.reach },
    over: {
      value: new Promise<Attempted>((resolve) => {
        resolveOver = () => resolve(attempted);
      }),
    },
  });
  return attempted;
}

/** A body of these pieces. */
export function toBody(
  pieces: readonly string[],
  length?: number,
  trailers: readonly string[] = [],
): RequestBody {
  return toStreamedBody(Readable.from(pieces.map((text) => Buffer.from(text))), length, trailers);
}

export function toStreamedBody(
  stream: Readable,
  length?: number,
  trailers: readonly string[] = [],
): RequestBody {
  return new StreamedBody({ stream, isComplete: () => true, trailers: () => trailers }, length);
}
