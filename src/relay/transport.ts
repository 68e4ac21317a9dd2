import type { TimeoutConfig } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import type { SessionSlot } from './dial.ts';
import type { RequestBody } from './request-body.ts';
import { type Errand, UpstreamConnection } from './upstream-connection.ts';
import { toUpstreamError } from './upstream-failure.ts';

/** Carries requests to one upstream origin. */
export interface Transport {
  /** Sends a request; what comes of it is told to the receiver, which gets `onEnd` or `onError` unless it aborts. */
  send(request: UpstreamRequest, receiver: Receiver): Sending;
  /** Closes every connection, and breaks off what is in flight. */
  destroy(): void;
}

export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  /** All field lines but those that frame the body: these are added here. */
  readonly lines: readonly string[];
  /** Null for a request without a body. */
  readonly body: RequestBody | null;
  /** The client waits for `100 Continue`: the body is sent once the upstream asks for it, or answers otherwise. */
  readonly expectsContinue: boolean;
  readonly timeout: TimeoutConfig;
}

/** A request under way. */
export interface Sending {
  /** Gives up: the upstream connection is closed, and nothing more is told. Harmless when all is over. */
  abort(): void;
  /** Goes on reading after `onData` returned false. */
  resume(): void;
}

/**
 * Called back in this order: `onInterim` any number of times, `onHead` once, `onData` any number of times, then `onEnd`; or
 * at any point `onError`.
 */
export interface Receiver {
  /** `100 Continue`, `103 Early Hints` and others below 200 but 101 (RFC 9110, section 15.2). */
  onInterim(status: number, lines: readonly string[]): void;
  onHead(status: number, reason: string, lines: readonly string[]): void;
  /** @returns false to be sent no more until `resume` */
  onData(chunk: Buffer): boolean;
  /** @param trailers field lines of the trailer section; empty when there is none */
  onEnd(trailers: readonly string[]): void;
  onError(error: ProxyError): void;
}

export interface TransportOptions {
  /** `https://host[:port]`, or `http:` on loopback. */
  readonly origin: string;
  /** Until requests can be sent: through the forward proxy and TLS, too. */
  readonly connectTimeoutMs: number;
  /** Where the connections go through, as `findForwardProxy` gives it; only for an `https:` origin. */
  readonly forwardProxy?: URL | undefined;
}

/** Connections to one upstream at most; a request that would need one more is answered 503. */
const MAX_CONNECTIONS = 1_024;
/** Google's front end keeps idle connections for minutes; a server that wants less says so in `Keep-Alive`. */
const KEEP_ALIVE_MS = 60_000;
/** How often silence is looked at, at most and at least. */
const SLOWEST_TICK_MS = 1_000;
const FASTEST_TICK_MS = 10;

/**
 * A transport over HTTP/1.1. Free connections wait on a stack, so that the warmest is used first and the others may
 * close. No pipelining, no redirects, no decoding; one thing is tried again: a request without a body, by a safe method, whose
 * reused connection turned out to be closed before any byte of a response (RFC 9110, section 9.2.2).
 */
export function createTransport(options: TransportOptions): Transport {
  const { connectTimeoutMs, forwardProxy } = options;
  const origin = new URL(options.origin);
  const session: SessionSlot = { current: undefined };
  const free: UpstreamConnection[] = [];
  const all = new Set<UpstreamConnection>();
  let tickMs = SLOWEST_TICK_MS;
  let ticker: NodeJS.Timeout | undefined;

  const tick = (): void => {
    for (const connection of all) connection.tick(tickMs);
  };
  const tickEvery = (ms: number): void => {
    clearInterval(ticker);
    tickMs = ms;
    ticker = setInterval(tick, ms);
    ticker.unref();
  };
  /** Fast enough to keep a limit to about a quarter. */
  const tickFor = (limitMs: number): void => {
    const wantedMs = Math.max(FASTEST_TICK_MS, Math.min(SLOWEST_TICK_MS, limitMs / 4));
    if (ticker === undefined || (limitMs > 0 && wantedMs < tickMs))
      tickEvery(limitMs > 0 ? wantedMs : SLOWEST_TICK_MS);
  };

  const open = (): UpstreamConnection => {
    const connection = new UpstreamConnection({
      origin,
      forwardProxy,
      connectTimeoutMs,
      keepAliveMs: KEEP_ALIVE_MS,
      session,
      onFree: (freed) => free.push(freed),
      onClosed: (closed) => {
        all.delete(closed);
        const index = free.indexOf(closed);
        if (index !== -1) free.splice(index, 1);
        if (all.size > 0) return;
        clearInterval(ticker);
        ticker = undefined;
        tickMs = SLOWEST_TICK_MS;
      },
    });
    all.add(connection);
    return connection;
  };
  /** The warmest free connection that still stands. */
  const takeFree = (): UpstreamConnection | undefined => {
    let connection = free.pop();
    while (connection !== undefined && !connection.isOpen) connection = free.pop();
    return connection;
  };
  const dispatch = (carriage: Carriage): void => {
    const connection =
      (carriage.isRetry ? undefined : takeFree()) ?? (all.size < MAX_CONNECTIONS ? open() : undefined);
    if (connection === undefined) {
      const message = `All ${MAX_CONNECTIONS} connections to ${options.origin} are busy.`;
      carriage.refuse(new ProxyError('overloaded', message, { retryAfterMs: 1_000 }));
      return;
    }
    const { headersMs, idleMs } = carriage.request.timeout;
    tickFor(headersMs === 0 || idleMs === 0 ? headersMs + idleMs : Math.min(headersMs, idleMs));
    carriage.connection = connection;
    connection.send(carriage);
  };

  return {
    send(request, receiver) {
      const carriage = new Carriage(request, receiver, options, dispatch);
      dispatch(carriage);
      return carriage;
    },
    destroy() {
      clearInterval(ticker);
      for (const connection of all) connection.close(new Error('the proxy stops'));
    },
  };
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** One request on its way, between a connection and whoever wants the response. */
class Carriage implements Errand, Sending {
  readonly request: UpstreamRequest;
  connection: UpstreamConnection | undefined;
  isRetry = false;
  readonly #receiver: Receiver;
  readonly #options: TransportOptions;
  readonly #dispatch: (carriage: Carriage) => void;
  #isOver = false;

  constructor(
    request: UpstreamRequest,
    receiver: Receiver,
    options: TransportOptions,
    dispatch: (carriage: Carriage) => void,
  ) {
    this.request = request;
    this.#receiver = receiver;
    this.#options = options;
    this.#dispatch = dispatch;
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.connection?.close(new Error('the client went away'));
  }

  resume(): void {
    if (!this.#isOver) this.connection?.resume();
  }

  refuse(error: ProxyError): void {
    this.#isOver = true;
    this.#receiver.onError(error);
  }

  onHead(status: number, reason: string, lines: string[]): void {
    if (!this.#isOver) this.#receiver.onHead(status, reason, lines);
  }

  onBody(chunk: Buffer): void {
    if (!this.#isOver && !this.#receiver.onData(chunk)) this.connection?.pause();
  }

  onComplete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver.onEnd([]);
  }

  failed(cause: unknown, connection: UpstreamConnection): void {
    if (this.#isOver) return;
    const { method, body } = this.request;
    if (
      connection.isReused &&
      !connection.hasAnswered &&
      !this.isRetry &&
      body === null &&
      SAFE_METHODS.has(method)
    ) {
      this.isRetry = true;
      this.#dispatch(this);
      return;
    }
    this.refuse(toUpstreamError(cause, this.#options.origin, this.#options.forwardProxy));
  }
}
