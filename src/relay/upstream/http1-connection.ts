import type { Socket } from 'node:net';
import type { CancelTimer } from '../../clock.ts';
import type { ProxyError } from '../../errors.ts';
import type { RequestBody } from '../request-body.ts';
import { type Connecting, connect } from './connect.ts';
import { ConnectionError, type ConnectionFault } from './connection-error.ts';
import type { SessionSlot } from './dial.ts';
import { Http1Upload, type Http1UploadListener } from './http1-upload.ts';
import type { Attempt, Carrier, LaneOptions, Reach } from './lane.ts';
import { BadResponseError, ResponseParser, type ResponseSink } from './response-parser.ts';
import { isIdempotent } from './retry.ts';
import type { UpstreamRequest } from './transport.ts';

export interface ConnectionOptions extends LaneOptions {
  /** How long an idle connection is kept unless the upstream wants less. */
  readonly keepAliveMs: number;
  /** How long a body waits for `100 Continue` before it is sent all the same (RFC 9110, section 10.1.1). */
  readonly continueMs: number;
  /** The response is complete and the connection is free for another request. */
  readonly onFree: (connection: Http1Connection) => void;
  readonly onClosed: (connection: Http1Connection) => void;
  readonly session: SessionSlot;
}

/** Taken off what the upstream says it keeps an idle connection, so that we close it first. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/** Methods whose requests say that they have no content; others say so by silence (RFC 9110, section 8.6). */
export const METHODS_WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH']);

/** One HTTP/1.1 connection to an upstream, carrying one request at a time. */
export class Http1Connection implements ResponseSink, Http1UploadListener, Carrier {
  readonly #options: ConnectionOptions;
  readonly #connecting: Connecting;
  readonly #parser = new ResponseParser(this);
  #isReady = false;
  #attempt: Attempt | undefined;
  #cause: unknown;
  #upload: Http1Upload | undefined;
  /** Sent once the upstream says `100 Continue`, or says nothing for too long. */
  #heldBody: RequestBody | undefined;
  #cancelHold: CancelTimer | undefined;
  /** The request will never be whole: nothing else can follow it. */
  #isCut = false;
  #hasHead = false;
  /** Milliseconds without a byte either way, as counted by `tick`. */
  #quietMs = 0;
  #requests = 0;
  #hasAnswered = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#connecting = connect(options, {
      onReady: (socket) => this.#onReady(socket),
      onFailed: (cause) => {
        this.#cause ??= cause;
        this.#onClose();
      },
    });
  }

  get #socket(): Socket {
    return this.#connecting.socket;
  }

  /** Whether another request can be tried on it. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** Sends a request, as soon as the connection stands. */
  send(attempt: Attempt): void {
    this.#attempt = attempt;
    this.#requests += 1;
    this.#hasHead = false;
    this.#hasAnswered = false;
    this.#isCut = false;
    this.#quietMs = 0;
    this.#parser.expect(attempt.request.method);
    if (this.#isReady) this.#write(attempt.request);
  }

  /** Closes the connection: there is no other way to stop a response of HTTP/1.1. */
  abort(): void {
    this.#attempt = undefined;
    this.close(new Error('the client went away'));
  }

  /** Goes on reading after `pause`. */
  resume(): void {
    this.#socket.resume();
  }

  /** Stops reading: the response's receiver is full. */
  pause(): void {
    this.#socket.pause();
  }

  /** Breaks the connection off, with the reason for whoever waits for a response. */
  close(cause: unknown): void {
    this.#cause ??= cause;
    this.#stopUpload();
    this.#socket.destroy();
  }

  /** Counts time without a byte, and closes the connection when it was too long. */
  tick(passedMs: number): void {
    if (!this.#isReady) return;
    this.#quietMs += passedMs;
    const attempt = this.#attempt;
    if (attempt === undefined) {
      const saidMs = this.#parser.keepAliveMs;
      const keptMs =
        saidMs === undefined ? this.#options.keepAliveMs : Math.max(0, saidMs - KEEP_ALIVE_MARGIN_MS);
      if (this.#quietMs >= Math.min(keptMs, this.#options.keepAliveMs)) this.#socket.destroy();
      return;
    }
    // Whoever doesn't read is not the upstream.
    if (this.#socket.isPaused()) {
      this.#quietMs = 0;
      return;
    }
    const silence = this.#toSilence(attempt.request);
    if (silence.limitMs === 0 || this.#quietMs < silence.limitMs) return;
    this.close(new ConnectionError(silence.fault, `silent for ${silence.limitMs} ms`));
  }

  /** Who is waited for, and how long. */
  #toSilence({ timeout: { headersMs, idleMs } }: UpstreamRequest): Silence {
    if (this.#upload !== undefined)
      return { limitMs: idleMs, fault: this.#upload.isBlocked ? 'UPLOAD_TIMEOUT' : 'REQUEST_TIMEOUT' };
    return this.#hasHead
      ? { limitMs: idleMs, fault: 'IDLE_TIMEOUT' }
      : { limitMs: headersMs, fault: 'HEADERS_TIMEOUT' };
  }

  onInterim(status: number, lines: string[]): void {
    if (status !== 100) this.#attempt?.onInterim(status, lines);
    else if (this.#heldBody !== undefined) this.#continue(this.#heldBody, lines);
  }

  onHead(status: number, reason: string, lines: string[]): void {
    this.#hasHead = true;
    this.#quietMs = 0;
    if (this.#heldBody !== undefined) this.#cut();
    // What isn't wanted isn't sent (RFC 9112, section 9.5); but a success may well be answered while the request goes on.
    else if (status >= 300 && this.#upload?.isOutstanding) this.#cut();
    this.#attempt?.onHead(status, reason, lines);
  }

  onBody(chunk: Buffer): void {
    this.#attempt?.onBody(chunk);
  }

  onComplete(trailers: readonly string[]): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (this.#upload?.isOutstanding) this.#cut();
    this.#stopUpload();
    this.#quietMs = 0;
    if (this.#parser.keepsAlive && !this.#isCut && !this.#socket.destroyed) {
      this.#socket.resume();
      this.#options.onFree(this);
    } else {
      this.#socket.destroy();
    }
    attempt?.onComplete(trailers);
  }

  onProgress(): void {
    this.#quietMs = 0;
  }

  onSent(): void {
    this.#upload = undefined;
    this.#quietMs = 0;
  }

  onBroken(cause?: ProxyError): void {
    this.close(cause ?? new ConnectionError('REQUEST_BROKEN', 'the request broke off'));
  }

  #onReady(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', (cause) => {
      this.#cause ??= cause;
    });
    socket.on('close', () => this.#onClose());
    this.#isReady = true;
    this.#quietMs = 0;
    this.#options.onConnected();
    if (this.#attempt !== undefined) this.#write(this.#attempt.request);
  }

  #onData(chunk: Buffer): void {
    // A head that comes byte by byte is waited for as long as one that doesn't come.
    if (this.#hasHead) this.#quietMs = 0;
    this.#hasAnswered = true;
    try {
      this.#parser.read(chunk);
    } catch (cause) {
      this.close(cause);
      // What the receiver threw is its own fault, not the upstream's.
      if (!(cause instanceof BadResponseError)) this.#fail();
    }
  }

  #onEnd(): void {
    if (!this.#parser.finish()) {
      this.#cause ??= new ConnectionError('CONNECTION_CLOSED', 'closed before the response was complete');
    }
    this.#socket.destroy();
  }

  #onClose(): void {
    this.#options.onClosed(this);
    this.#fail();
  }

  #fail(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#stopUpload();
    const cause = this.#cause ?? new ConnectionError('CONNECTION_CLOSED', 'closed');
    attempt?.onFailed({ cause, reach: this.#toReach() });
  }

  #toReach(): Reach {
    if (!this.#isReady) return 'unsent';
    return this.#requests > 1 && !this.#hasAnswered && isClosedByPeer(this.#cause) ? 'stale' : 'unknown';
  }

  #write({ method, target, lines, body, expectsContinue }: UpstreamRequest): void {
    // Node's parser, `parseTarget`, the configuration and the token's check have left no line end in any of these.
    let head = `${method} ${target} HTTP/1.1\r\n`;
    for (let i = 0; i + 1 < lines.length; i += 2) head += `${lines[i]}: ${lines[i + 1]}\r\n`;
    if (body === null) {
      head += METHODS_WITH_CONTENT.has(method) ? 'Content-Length: 0\r\n\r\n' : '\r\n';
      this.#socket.write(head, 'latin1');
      return;
    }
    if (expectsContinue) head += 'Expect: 100-continue\r\n';
    head +=
      body.length === undefined
        ? 'Transfer-Encoding: chunked\r\n\r\n'
        : `Content-Length: ${body.length}\r\n\r\n`;
    this.#socket.write(head, 'latin1');
    if (expectsContinue) this.#hold(body);
    else this.#openUpload(body);
  }

  /** Keeps the body back until the upstream asks for it; one that doesn't know how gets it after a while. */
  #hold(body: RequestBody): void {
    this.#heldBody = body;
    const { clock, continueMs } = this.#options;
    this.#cancelHold = clock.schedule(continueMs, () => this.#continue(body, []));
  }

  #continue(body: RequestBody, lines: readonly string[]): void {
    this.#release();
    this.#quietMs = 0;
    this.#attempt?.onInterim(100, lines);
    // Whoever was told may have given up.
    if (!this.#socket.destroyed) this.#openUpload(body);
  }

  #openUpload(body: RequestBody): void {
    this.#upload = new Http1Upload(this.#socket, body, this);
    // HTTP/1.1 has no word for "I did not look at it": what may not arrive twice is never sent again from here on.
    if (this.#attempt === undefined || !isIdempotent(this.#attempt.request.method)) body.forget();
  }

  #release(): void {
    this.#heldBody = undefined;
    this.#cancelHold?.();
    this.#cancelHold = undefined;
  }

  /** Sends nothing more of a request whose head promised it. */
  #cut(): void {
    this.#isCut = true;
    this.#stopUpload();
  }

  #stopUpload(): void {
    if (this.#heldBody !== undefined) this.#release();
    this.#upload?.stop();
    this.#upload = undefined;
  }
}

interface Silence {
  readonly limitMs: number;
  readonly fault: ConnectionFault;
}

/** Whether the upstream, or something on the way to it, ended the connection, rather than we. */
function isClosedByPeer(cause: unknown): boolean {
  if (cause instanceof ConnectionError) return cause.code === 'CONNECTION_CLOSED';
  return cause === undefined || (cause instanceof Error && 'syscall' in cause);
}
