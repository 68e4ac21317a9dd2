import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import type { Clock } from '../../clock.ts';
import { findValue } from '../field-lines.ts';
import { ConnectionError, type ConnectionFault } from './connection-error.ts';
import { parseHead, parseStatus, parseTrailers, toRequestError, toRequestHeaders } from './http2-head.ts';
import { type Http2Upload, startHttp2Upload } from './http2-upload.ts';
import type { Attempt, AttemptFailure, Carrier, Reach } from './lane.ts';
import { BadResponseError, MAX_INTERIM } from './response-parser.ts';

/** What a carrier needs of the connection it is on. */
export interface Road {
  readonly origin: URL;
  readonly session: ClientHttp2Session;
  /** Something of a response has arrived. */
  onHeard(): void;
  /** The stream has ended on both sides: its place is free. */
  onStreamEnded(carrier: Http2Carrier): void;
  /** The stream is gone. */
  onStreamClosed(carrier: Http2Carrier): void;
  /** How the connection stands as a request is sent. */
  depart(): Departure;
  toFailure(end: StreamEnd): AttemptFailure;
}

/** How a connection stood when a request was sent on it. */
export interface Departure {
  /** Something of the response to another had come on it. */
  readonly isReused: boolean;
  /** What had arrived on it, of any stream. */
  readonly bytesRead: number;
}

/** How a stream ended before its response was complete. */
export interface StreamEnd {
  /** Undefined when it never came to be one. */
  readonly streamId: number | undefined;
  /** What Node gives as the reason, if anything. */
  readonly error: unknown;
  /** As in RFC 9113, section 7. */
  readonly resetCode: number;
  /** Something of the response has come. */
  readonly hasAnswered: boolean;
  readonly departure: Departure;
}

/** How long the end of a stream may be in coming (END_STREAM) behind the last byte of a response that says how long it is. */
const END_MS = 500;

/** One attempt on a stream of an HTTP/2 connection. */
export class Http2Carrier implements Carrier {
  readonly #attempt: Attempt;
  readonly #clock: Clock;
  #stream: ClientHttp2Stream | undefined;
  #upload: Http2Upload | undefined;
  #isUploading = false;
  /** Nothing more is told. */
  #isOver = false;
  #isPaused = false;
  #interim = 0;
  /** The client was told to go on with its body, in the upstream's place. */
  #hasPressedOn = false;
  #hasHead = false;
  /** Bytes of the response's content that are still to come; undefined where it doesn't say. */
  #leftBytes: number | undefined;
  /** The upstream ended its side in order (END_STREAM). */
  #isEnded = false;
  /** All of it has been read from the stream. */
  #isRead = false;
  /** What was read after the upstream's end, while nobody wants it. */
  #held: Buffer[] = [];
  #trailers: string[] = [];
  /** Milliseconds without anything either way, as counted by `tick`. */
  #quietMs = 0;

  constructor(attempt: Attempt, clock: Clock) {
    this.#attempt = attempt;
    this.#clock = clock;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reset();
  }

  pause(): void {
    if (this.#isOver) return;
    this.#isPaused = true;
    // What has come to its end is read to its end, so that it can't be lost with the connection.
    if (this.#hasHead && !this.#isEnded) this.#stream?.pause();
  }

  resume(): void {
    if (this.#isOver || !this.#isPaused) return;
    this.#isPaused = false;
    this.#quietMs = 0;
    while (!this.#isPaused && !this.#isOver) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      this.#giveBody(chunk);
    }
    if (this.#isPaused || this.#isOver) return;
    if (this.#isRead) this.#complete();
    else if (this.#hasHead) this.#stream?.resume();
  }

  /** Gives up, and tells why. Harmless when it is over. */
  fail(cause: unknown, reach: Reach): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reset();
    this.#attempt.onFailed({ cause, reach });
  }

  /** Counts time without anything either way, and gives up when it was too long. */
  tick(passedMs: number): void {
    if (this.#stream === undefined || this.#isOver) return;
    this.#quietMs += passedMs;
    // Whoever doesn't read is not the upstream.
    if (this.#isPaused) this.#quietMs = 0;
    const { headersMs, idleMs } = this.#attempt.request.timeout;
    const isWaiting = !this.#hasHead && !this.#isSending;
    const limitMs = isWaiting ? headersMs : idleMs;
    if (limitMs === 0 || this.#quietMs < limitMs) return;
    this.fail(new ConnectionError(this.#toFault(), `silent for ${limitMs} ms`), 'unknown');
  }

  /** A body that is held back until the upstream asks for it waits for nobody else. */
  get #isSending(): boolean {
    return this.#isUploading && this.#upload?.isHeld !== true;
  }

  /** Whose silence it is. */
  #toFault(): ConnectionFault {
    // What was handed over and not taken waits for the upstream, however little it is.
    if (this.#isSending) return this.#stream?.writableLength ? 'UPLOAD_TIMEOUT' : 'REQUEST_TIMEOUT';
    return this.#hasHead ? 'IDLE_TIMEOUT' : 'HEADERS_TIMEOUT';
  }

  /**
   * Sends the request.
   * @returns false when it can't be sent, which is told in the next turn
   */
  start(road: Road): boolean {
    const { body } = this.#attempt.request;
    let stream: ClientHttp2Stream;
    try {
      const headers = toRequestHeaders(this.#attempt.request, road.origin);
      stream = road.session.request(headers, { endStream: body === null, waitForTrailers: body !== null });
    } catch (cause) {
      process.nextTick(() => this.fail(toRequestError(cause), 'unsent'));
      return false;
    }
    this.#stream = stream;
    this.#quietMs = 0;
    this.#watchEnd(stream);
    this.#watch(stream, road);
    if (body !== null) this.#send(stream);
    return true;
  }

  /**
   * Learns whether the upstream ended its side: Node's `end` event comes also after a reset with NO_ERROR or CANCEL, and nothing
   * else tells the two apart. Node pushes the end before it closes the stream where the upstream sent END_STREAM, and after it otherwise.
   */
  #watchEnd(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    stream.push = (chunk, encoding) => {
      if (chunk !== null || stream.closed) return push(chunk, encoding);
      this.#isEnded = true;
      const wantsMore = push(null);
      if (this.#hasHead) stream.resume();
      return wantsMore;
    };
  }

  #watch(stream: ClientHttp2Stream, road: Road): void {
    const departure = road.depart();
    const { id: streamId } = stream;
    let error: unknown;
    const onHeard = (): void => {
      this.#quietMs = 0;
      road.onHeard();
    };
    stream.on('headers', (_headers, _flags, raw) => {
      onHeard();
      this.#onInterim(raw);
    });
    stream.on('response', (_headers, _flags, raw) => {
      onHeard();
      this.#onHead(stream, raw);
    });
    stream.on('trailers', (_headers, _flags, raw) => {
      onHeard();
      this.#guard(() => {
        this.#trailers = parseTrailers(raw);
      });
    });
    // Nothing of the body comes before the head.
    stream.pause();
    stream.on('data', (chunk: Buffer) => {
      onHeard();
      if (this.#leftBytes !== undefined) this.#leftBytes -= chunk.length;
      if (this.#isPaused && this.#isEnded) this.#held.push(chunk);
      else this.#giveBody(chunk);
    });
    stream.on('end', () => {
      if (!this.#isEnded) return;
      this.#isRead = true;
      if (!this.#isUploading) road.onStreamEnded(this);
      if (!this.#isPaused) this.#complete();
    });
    stream.on('error', (cause) => {
      error ??= cause;
    });
    stream.on('close', () => {
      road.onStreamClosed(this);
      if (this.#isOver || this.#isRead) return;
      const hasAnswered = this.#hasHead || this.#interim > 0;
      const end = { streamId, error, resetCode: stream.rstCode, hasAnswered, departure };
      const { cause, reach } = road.toFailure(end);
      this.fail(cause, reach);
    });
  }

  #send(stream: ClientHttp2Stream): void {
    const { body, expectsContinue } = this.#attempt.request;
    if (body === null) return;
    this.#isUploading = true;
    this.#upload = startHttp2Upload(
      stream,
      { body, isHeld: expectsContinue, clock: this.#clock },
      {
        onProgress: () => {
          this.#quietMs = 0;
        },
        onPatienceOver: () => {
          this.#hasPressedOn = true;
          this.#guard(() => this.#attempt.onInterim(100, []));
        },
        onSent: () => {
          this.#isUploading = false;
          this.#quietMs = 0;
        },
        onBroken: (cause) =>
          this.fail(cause ?? new ConnectionError('REQUEST_BROKEN', 'the request broke off'), 'unknown'),
      },
    );
  }

  #onInterim(raw: readonly string[]): void {
    if (this.#isOver) return;
    this.#guard(() => {
      const status = parseStatus(raw);
      if (this.#hasHead) throw new BadResponseError('it has a second head');
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) throw new BadResponseError('it never comes to its final status');
      const lines = parseHead(raw);
      if (status !== 100 || !this.#hasPressedOn) this.#attempt.onInterim(status, lines);
      if (status === 100) this.#upload?.release();
    });
  }

  #onHead(stream: ClientHttp2Stream, raw: readonly string[]): void {
    if (this.#isOver) return;
    this.#guard(() => {
      const status = parseStatus(raw);
      if (status < 200 || this.#hasHead) throw new BadResponseError('it has no final status');
      const lines = parseHead(raw);
      this.#hasHead = true;
      const length = findValue(lines, 'content-length');
      if (length !== undefined) this.#leftBytes = Number(length);
      // A client that isn't refused may send its body without being asked for it.
      if (status < 300) this.#upload?.release();
      this.#attempt.onHead(status, '', lines);
    });
    if (!this.#isOver && (!this.#isPaused || this.#isEnded)) stream.resume();
  }

  #giveBody(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#attempt.onBody(chunk);
    } catch (cause) {
      this.fail(cause, 'unknown');
    }
  }

  #complete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // An answer that came early: nobody wants the rest of the request (RFC 9113, section 8.1).
    if (this.#isUploading) this.#reset();
    this.#attempt.onComplete(this.#trailers);
  }

  /**
   * Gives the stream back, whatever is left of it. A client of HTTP/1.1 is done with the last byte of content, and here the stream's end is
   * still to come: that is waited for, as an upstream which is sent many resets takes them for an attack, and gives up the connection with
   * all that is on it (CVE-2023-44487).
   */
  #reset(): void {
    this.#upload?.stop();
    this.#held = [];
    const stream = this.#stream;
    if (stream === undefined) return;
    // Not in the midst of what Node does with bytes that arrived: a stream closed there, with trailers perhaps to be sent, can be
    // destroyed before the reset is out, and then Node ends the process (an assertion in its `OnTrailers`).
    setImmediate(() => {
      // Node destroys what it closes. What the upstream has closed it may keep for the sake of what is unread.
      if (stream.closed) stream.destroy();
      else if (this.#leftBytes === 0 && !this.#isUploading) this.#awaitEnd(stream);
      else stream.close(constants.NGHTTP2_CANCEL);
    });
  }

  #awaitEnd(stream: ClientHttp2Stream): void {
    stream.resume();
    const cancel = this.#clock.schedule(END_MS, () => stream.close(constants.NGHTTP2_CANCEL));
    stream.once('close', cancel);
  }

  /** What the upstream sent wrong, and what the receiver throws, ends this stream and nothing else. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.fail(cause, 'unknown');
    }
  }
}
