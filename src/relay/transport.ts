import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
// Not the package's index: that also loads fetch, WebSocket and the caches, an eighth of our start-up time.
import Client from 'undici/lib/dispatcher/client.js';
import type { TimeoutConfig } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import { toUpstreamError } from './upstream-failure.ts';

/** Carries requests to one upstream origin. */
export interface Transport {
  /** Sends a request; everything that comes of it is told to the receiver, which always gets `onEnd` or `onError`. */
  send(request: UpstreamRequest, receiver: Receiver): Sending;
  /** Lets what is in flight finish, then closes every connection. */
  close(): Promise<void>;
  /** Breaks off what is in flight. */
  destroy(): Promise<void>;
}

export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  readonly lines: string[];
  /** Null for a request without a body. */
  readonly body: Readable | null;
  readonly timeout: TimeoutConfig;
}

/** A request under way. */
export interface Sending {
  /** Gives up: the upstream connection is closed, and `onError` follows. Harmless when all is over. */
  abort(): void;
  /** Goes on reading after `onData` returned false. */
  resume(): void;
}

/** Called back in this order: `onHead` once, `onData` any number of times, then `onEnd` or at any point `onError`. */
export interface Receiver {
  onHead(status: number, reason: string, lines: readonly (Buffer | string)[]): void;
  /** @returns false to be sent no more until `resume` */
  onData(chunk: Buffer): boolean;
  onEnd(): void;
  onError(error: ProxyError): void;
}

export interface TransportOptions {
  /** `https://host[:port]`, or `http:` on loopback. */
  readonly origin: string;
  readonly connectTimeoutMs: number;
}

/** Connections to one upstream at most; a request that would need one more is answered 503. */
const MAX_CONNECTIONS = 1_024;
/** Idle connections kept as objects; their sockets close by themselves after `KEEP_ALIVE_MS`. */
const MAX_IDLE_CLIENTS = 256;
/** Google's front end keeps idle connections for minutes; a server that wants less says so in `Keep-Alive`. */
const KEEP_ALIVE_MS = 60_000;
const MAX_RESPONSE_HEAD_BYTES = 65_536;

/**
 * A transport over HTTP/1.1: one undici client is one connection, taken from a stack so that the warmest is used first.
 * No pipelining, no redirects, no retries, no decoding.
 */
export function createTransport(options: TransportOptions): Transport {
  const idle: Client[] = [];
  const all = new Set<Client>();

  const open = (): Client => {
    const client = new Client(options.origin, {
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
      connect: { timeout: options.connectTimeoutMs },
    });
    all.add(client);
    return client;
  };
  const release = (client: Client): void => {
    if (idle.length < MAX_IDLE_CLIENTS) idle.push(client);
    else {
      all.delete(client);
      void client.close();
    }
  };

  return {
    send(request, receiver) {
      const client = idle.pop() ?? (all.size < MAX_CONNECTIONS ? open() : undefined);
      const carriage = new Carriage(receiver, options.origin, () => client && release(client));
      if (client === undefined) {
        carriage.fail(
          new ProxyError('overloaded', `All ${MAX_CONNECTIONS} connections to ${options.origin} are busy.`, {
            retryAfterMs: 1_000,
          }),
        );
        return carriage;
      }
      try {
        client.dispatch(
          {
            method: request.method as Dispatcher.HttpMethod,
            path: request.target,
            headers: request.lines,
            body: request.body,
            headersTimeout: request.timeout.headersMs,
            bodyTimeout: request.timeout.idleMs,
            // Without it undici closes the connection after every HEAD.
            reset: false,
          },
          carriage,
        );
      } catch (error) {
        carriage.onResponseError(undefined, error);
      }
      return carriage;
    },
    async close() {
      await Promise.allSettled([...all].map((client) => client.close()));
    },
    async destroy() {
      await Promise.allSettled([...all].map((client) => client.destroy()));
    },
  };
}

/** One request on one connection, between undici's handler interface and ours. */
class Carriage implements Dispatcher.DispatchHandler, Sending {
  readonly #receiver: Receiver;
  readonly #origin: string;
  readonly #release: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #aborted = false;
  #settled = false;

  constructor(receiver: Receiver, origin: string, release: () => void) {
    this.#receiver = receiver;
    this.#origin = origin;
    this.#release = release;
  }

  abort(): void {
    if (this.#aborted || this.#settled) return;
    this.#aborted = true;
    this.#controller?.abort(new Error('the client went away'));
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(new Error('the client went away'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    reason = '',
  ): void {
    if (status < 200) return;
    this.#receiver.onHead(status, reason, (controller.rawHeaders ?? []) as readonly (Buffer | string)[]);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#receiver.onData(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.#settled = true;
    this.#release();
    this.#receiver.onEnd();
  }

  onResponseError(_controller: unknown, error: unknown): void {
    this.fail(toUpstreamError(error, this.#origin));
  }

  fail(error: ProxyError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#release();
    this.#receiver.onError(error);
  }
}
