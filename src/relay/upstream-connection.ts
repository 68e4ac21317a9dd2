import type { Socket } from 'node:net';
import type { CancelTimer } from '../clock.ts';
import { dial, type SessionSlot, toReadyEvent } from './dial.ts';
import type { Attempt, Carrier, LaneOptions, Reach } from './lane.ts';
import type { RequestBody } from './request-body.ts';
import { BadResponseError, ResponseParser, type ResponseSink } from './response-parser.ts';
import type { UpstreamRequest } from './transport.ts';
import { openTunnel } from './tunnel.ts';

/** A fault of the connection that no system call reports. */
export class ConnectionError extends Error {
  readonly code: 'CONNECT_TIMEOUT' | 'HEADERS_TIMEOUT' | 'IDLE_TIMEOUT' | 'CONNECTION_CLOSED' | 'ALL_BUSY';

  constructor(code: ConnectionError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface ConnectionOptions extends LaneOptions {
  /** How long an idle connection is kept unless the upstream wants less. */
  readonly keepAliveMs: number;
  /** The response is complete and the connection is free for another request. */
  readonly onFree: (connection: UpstreamConnection) => void;
  readonly onClosed: (connection: UpstreamConnection) => void;
  readonly session: SessionSlot;
}

/** Taken off what the upstream says it keeps an idle connection, so that we close it first. */
const KEEP_ALIVE_MARGIN_MS = 1_000;
/** TCP's own probes find peers that vanished without a word. */
const PROBE_DELAY_MS = 60_000;

/** Methods whose requests say that they have no content; others say so by silence (RFC 9110, section 8.6). */
const METHODS_WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH']);

/** One HTTP/1.1 connection to an upstream, carrying one request at a time. */
export class UpstreamConnection implements ResponseSink, Carrier {
  readonly #options: ConnectionOptions;
  /** Where there is a forward proxy, first the one to it, then the one inside its tunnel. */
  #socket: Socket;
  readonly #parser = new ResponseParser(this);
  #cancelConnectTimer: CancelTimer | undefined;
  #isReady = false;
  #attempt: Attempt | undefined;
  #cause: unknown;
  #stopBody: (() => void) | undefined;
  #hasHead = false;
  /** Milliseconds without a byte either way, as counted by `tick`. */
  #quietMs = 0;
  #requests = 0;
  #hasAnswered = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { origin, forwardProxy, connectTimeoutMs, session, clock } = options;
    if (forwardProxy === undefined) {
      this.#socket = this.#carryOver(dial(origin, { session }));
    } else {
      this.#socket = openTunnel(forwardProxy, origin, {
        onOpen: (tunnel) => {
          this.#socket = this.#carryOver(dial(origin, { session, tunnel }));
        },
        onFailed: (cause) => {
          this.#cause ??= cause;
          this.#onClose();
        },
      });
    }
    if (connectTimeoutMs > 0) {
      this.#cancelConnectTimer = clock.schedule(connectTimeoutMs, () => {
        this.close(new ConnectionError('CONNECT_TIMEOUT', `no connection within ${connectTimeoutMs} ms`));
      });
    }
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
    const { headersMs, idleMs } = attempt.request.timeout;
    const isWaiting = !this.#hasHead && this.#stopBody === undefined;
    const limitMs = isWaiting ? headersMs : idleMs;
    if (limitMs === 0 || this.#quietMs < limitMs) return;
    this.close(
      new ConnectionError(isWaiting ? 'HEADERS_TIMEOUT' : 'IDLE_TIMEOUT', `silent for ${limitMs} ms`),
    );
  }

  onInterim(status: number, lines: string[]): void {
    this.#attempt?.onInterim(status, lines);
  }

  onHead(status: number, reason: string, lines: string[]): void {
    this.#hasHead = true;
    this.#attempt?.onHead(status, reason, lines);
  }

  onBody(chunk: Buffer): void {
    this.#attempt?.onBody(chunk);
  }

  onComplete(trailers: readonly string[]): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    const isUploading = this.#stopBody !== undefined;
    this.#stopBody?.();
    this.#quietMs = 0;
    if (this.#parser.keepsAlive && !isUploading && !this.#socket.destroyed) {
      this.#socket.resume();
      this.#options.onFree(this);
    } else {
      this.#socket.destroy();
    }
    attempt?.onComplete(trailers);
  }

  #carryOver(socket: Socket): Socket {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, PROBE_DELAY_MS);
    socket.once(toReadyEvent(this.#options.origin), () => this.#onReady());
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    socket.on('error', (cause) => {
      this.#cause ??= cause;
    });
    socket.on('close', () => this.#onClose());
    return socket;
  }

  #onReady(): void {
    this.#cancelConnectTimer?.();
    this.#isReady = true;
    this.#quietMs = 0;
    this.#options.onConnected();
    if (this.#attempt !== undefined) this.#write(this.#attempt.request);
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
    this.#cancelConnectTimer?.();
    this.#options.onClosed(this);
    this.#fail();
  }

  #fail(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#stopBody?.();
    const cause = this.#cause ?? new ConnectionError('CONNECTION_CLOSED', 'closed');
    attempt?.onFailed({ cause, reach: this.#toReach() });
  }

  #toReach(): Reach {
    if (!this.#isReady) return 'unsent';
    return this.#requests > 1 && !this.#hasAnswered ? 'stale' : 'unknown';
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
