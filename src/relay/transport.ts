import type { Readable } from 'node:stream';
import { Client, type Dispatcher } from 'undici';
import type { TimeoutConfig } from '../config/config.ts';
import { ProxyError } from '../errors.ts';

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
    this.fail(toProxyError(error, this.#origin));
  }

  fail(error: ProxyError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#release();
    this.#receiver.onError(error);
  }
}

const DNS_CODES = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME']);
const ROUTING_CODES = new Set([
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
]);
const RESET_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'UND_ERR_SOCKET',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_ERR_ABORTED',
]);
const BAD_RESPONSE_CODES = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/;

/** Names a transport's failure. What undici says is kept as the cause, never shown to clients. */
function toProxyError(cause: unknown, origin: string): ProxyError {
  const code = codeOf(cause);
  if (code === 'ECONNREFUSED') {
    return new ProxyError('upstream_refused', `${origin} refused the connection.`, {
      hint: 'Is the service running, and is the port right?',
      cause,
    });
  }
  if (DNS_CODES.has(code)) {
    return new ProxyError('upstream_dns', `The host name of ${origin} could not be resolved (${code}).`, {
      hint: 'Check the upstream in the configuration, and the network.',
      cause,
    });
  }
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return new ProxyError('connect_timeout', `${origin} did not accept a connection in time.`, { cause });
  }
  if (ROUTING_CODES.has(code)) {
    return new ProxyError('upstream_unreachable', `${origin} can't be reached (${code}).`, { cause });
  }
  if (TLS_CODE.test(code)) {
    return new ProxyError(
      'tls_error',
      `The TLS connection to ${origin} failed (${code}); nothing was sent.`,
      {
        hint: 'For a private certificate authority, name its certificate in NODE_EXTRA_CA_CERTS.',
        cause,
      },
    );
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new ProxyError(
      'upstream_timeout',
      `${origin} did not answer within the route's headers timeout.`,
      {
        hint: 'Raise timeout.headers of the route if the service needs longer.',
        cause,
      },
    );
  }
  if (code === 'UND_ERR_BODY_TIMEOUT') {
    return new ProxyError(
      'upstream_timeout',
      `${origin} stopped sending for longer than the route's idle timeout.`,
      { cause },
    );
  }
  if (BAD_RESPONSE_CODES.has(code) || code.startsWith('HPE_')) {
    return new ProxyError(
      'bad_upstream_response',
      `${origin} sent a response that is not valid HTTP/1.1 (${code}).`,
      { cause },
    );
  }
  if (RESET_CODES.has(code)) {
    return new ProxyError(
      'upstream_reset',
      `${origin} closed the connection before its response was complete.`,
      { cause },
    );
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    return new ProxyError('bad_request', `The request can't be sent to ${origin} as HTTP/1.1.`, { cause });
  }
  return new ProxyError('internal', `The request to ${origin} failed inside the proxy.`, { cause });
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
