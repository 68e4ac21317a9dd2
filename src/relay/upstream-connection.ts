import type { Socket } from 'node:net';
import { type Connecting, ConnectionError, connect } from './connect.ts';
import type { SessionSlot } from './dial.ts';
import type { RequestBody } from './request-body.ts';
import { BadResponseError, ResponseParser, type ResponseSink } from './response-parser.ts';
import type { UpstreamRequest } from './transport.ts';

/** What becomes of a request on a connection; `failed` ends it at any point. */
export interface Errand extends ResponseSink {
  readonly request: UpstreamRequest;
  failed(cause: unknown, connection: UpstreamConnection): void;
}

export interface ConnectionOptions {
  readonly origin: URL;
  /** Between us and the origin, if there is one. */
  readonly forwardProxy: URL | undefined;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept unless the upstream wants less. */
  readonly keepAliveMs: number;
  /** The response is complete and the connection is free for another request. */
  readonly onFree: (connection: UpstreamConnection) => void;
  readonly onClosed: (connection: UpstreamConnection) => void;
  readonly session: SessionSlot;
}

/** Taken off what the upstream says it keeps an idle connection, so that we close it first. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/** Methods whose requests say that they have no content; others say so by silence (RFC 9110, section 8.6). */
export const METHODS_WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH']);

/** One HTTP/1.1 connection to an upstream, carrying one request at a time. */
export class UpstreamConnection implements ResponseSink {
  readonly #options: ConnectionOptions;
  readonly #connecting: Connecting;
  readonly #parser = new ResponseParser(this);
  #isReady = false;
  #errand: Errand | undefined;
  #cause: unknown;
  #stopBody: (() => void) | undefined;
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

  /** Whether it carried a request before the present one: then the upstream may have closed it in between. */
  get isReused(): boolean {
    return this.#requests > 1;
  }

  /** Whether any byte of the present response has arrived. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Sends a request, as soon as the connection stands. */
  send(errand: Errand): void {
    this.#errand = errand;
    this.#requests += 1;
    this.#hasHead = false;
    this.#hasAnswered = false;
    this.#quietMs = 0;
    this.#parser.expect(errand.request.method);
    if (this.#isReady) this.#write(errand.request);
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
    this.#socket.destroy();
  }

  /** Counts time without a byte, and closes the connection when it was too long. */
  tick(passedMs: number): void {
    if (!this.#isReady) return;
    this.#quietMs += passedMs;
    const errand = this.#errand;
    if (errand === undefined) {
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
    const { headersMs, idleMs } = errand.request.timeout;
    const isWaiting = !this.#hasHead && this.#stopBody === undefined;
    const limitMs = isWaiting ? headersMs : idleMs;
    if (limitMs === 0 || this.#quietMs < limitMs) return;
    this.close(
      new ConnectionError(isWaiting ? 'HEADERS_TIMEOUT' : 'IDLE_TIMEOUT', `silent for ${limitMs} ms`),
    );
  }

  onHead(status: number, reason: string, lines: string[]): void {
    this.#hasHead = true;
    this.#errand?.onHead(status, reason, lines);
  }

  onBody(chunk: Buffer): void {
    this.#errand?.onBody(chunk);
  }

  onComplete(): void {
    const errand = this.#errand;
    this.#errand = undefined;
    const isUploading = this.#stopBody !== undefined;
    this.#stopBody?.();
    this.#quietMs = 0;
    if (this.#parser.keepsAlive && !isUploading && !this.#socket.destroyed) {
      this.#socket.resume();
      this.#options.onFree(this);
    } else {
      this.#socket.destroy();
    }
    errand?.onComplete();
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
    if (this.#errand !== undefined) this.#write(this.#errand.request);
  }

  #onData(chunk: Buffer): void {
    this.#quietMs = 0;
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
    const errand = this.#errand;
    this.#errand = undefined;
    this.#stopBody?.();
    errand?.failed(this.#cause ?? new ConnectionError('CONNECTION_CLOSED', 'closed'), this);
  }

  #write({ method, target, lines, body }: UpstreamRequest): void {
    // Node's parser, `parseTarget`, the configuration and the token's check have left no line end in any of these.
    let head = `${method} ${target} HTTP/1.1\r\n`;
    for (let i = 0; i + 1 < lines.length; i += 2) head += `${lines[i]}: ${lines[i + 1]}\r\n`;
    if (body === null) {
      head += METHODS_WITH_CONTENT.has(method) ? 'Content-Length: 0\r\n\r\n' : '\r\n';
      this.#socket.write(head, 'latin1');
      return;
    }
    head +=
      body.length === undefined
        ? 'Transfer-Encoding: chunked\r\n\r\n'
        : `Content-Length: ${body.length}\r\n\r\n`;
    this.#socket.write(head, 'latin1');
    this.#writeBody(body);
  }

  /**
   * Sends a body piece by piece, no faster than the upstream takes it. One that isn't as long as its head said breaks the
   * connection: what is missing or left over would be taken for the next request.
   */
  #writeBody(body: RequestBody): void {
    const socket = this.#socket;
    const { length } = body;
    let sentBytes = 0;
    const onBroken = (): void =>
      this.close(new ConnectionError('CONNECTION_CLOSED', 'the request broke off'));
    const reading = body.open({
      onPiece: (piece) => {
        this.#quietMs = 0;
        sentBytes += piece.length;
        if (length === undefined) return writeChunk(socket, piece);
        if (sentBytes <= length) return socket.write(piece);
        onBroken();
        return false;
      },
      onEnd: () => {
        stop();
        if (length === undefined) socket.write('0\r\n\r\n', 'latin1');
        else if (sentBytes !== length) onBroken();
      },
      onBroken,
    });
    const onDrain = (): void => {
      this.#quietMs = 0;
      reading.resume();
    };
    const stop = (): void => {
      this.#stopBody = undefined;
      socket.off('drain', onDrain);
      reading.close();
    };
    this.#stopBody = stop;
    socket.on('drain', onDrain);
  }
}

/** One piece in chunked framing (RFC 9112, section 7.1), in one write. */
function writeChunk(socket: Socket, piece: Buffer): boolean {
  socket.cork();
  socket.write(`${piece.length.toString(16)}\r\n`, 'latin1');
  socket.write(piece);
  const isTaken = socket.write('\r\n', 'latin1');
  socket.uncork();
  return isTaken;
}
