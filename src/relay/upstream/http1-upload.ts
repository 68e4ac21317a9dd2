import type { Socket } from 'node:net';
import type { ProxyError } from '../../errors.ts';
import type { BodyReading, BodySink, RequestBody } from '../request-body.ts';

export interface Http1UploadListener {
  /** A piece went out, or all that waited was taken. */
  onProgress(): void;
  /** All of the body is sent; nothing follows. */
  onSent(): void;
  /** The body broke off, or is not as long as its head said, or `cause` says why it isn't sent; nothing follows. */
  onBroken(cause?: ProxyError): void;
}

/** A trailer's name (a token, RFC 9110, section 5.6.2) and value that can't end its line. */
const TRAILER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Sends a request's body after its head over HTTP/1.1, piece by piece, no faster than the upstream takes it. */
export class Http1Upload implements BodySink {
  readonly #socket: Socket;
  readonly #length: number | undefined;
  readonly #listener: Http1UploadListener;
  readonly #reading: BodyReading;
  #sentBytes = 0;
  #isBlocked = false;

  constructor(socket: Socket, body: RequestBody, listener: Http1UploadListener) {
    this.#socket = socket;
    this.#length = body.length;
    this.#listener = listener;
    socket.on('drain', this.#onDrain);
    this.#reading = body.open(this);
  }

  /** Whether it waits for the upstream to take what was sent, rather than for the client to send more. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Whether the upstream still has to be sent something, as far as the head said. */
  get isOutstanding(): boolean {
    return this.#sentBytes !== this.#length;
  }

  /** Reads no more of the body. */
  stop(): void {
    this.#socket.off('drain', this.#onDrain);
    this.#reading.close();
  }

  onPiece(piece: Buffer): boolean {
    this.#sentBytes += piece.length;
    if (this.#length !== undefined && this.#sentBytes > this.#length) {
      this.#break();
      return false;
    }
    const isTaken = this.#length === undefined ? writeChunk(this.#socket, piece) : this.#socket.write(piece);
    this.#isBlocked = !isTaken;
    this.#listener.onProgress();
    return isTaken;
  }

  /** What is missing or left over would be taken for the next request: then the body is as good as broken. */
  onEnd(trailers: readonly string[]): void {
    const isWhole = this.#length === undefined || this.#sentBytes === this.#length;
    const lastChunk = this.#length === undefined ? toLastChunk(trailers) : '';
    if (!isWhole || lastChunk === undefined) {
      this.#break();
      return;
    }
    this.stop();
    if (lastChunk !== '') this.#socket.write(lastChunk, 'latin1');
    this.#listener.onSent();
  }

  onBroken(cause?: ProxyError): void {
    this.#break(cause);
  }

  #break(cause?: ProxyError): void {
    this.stop();
    this.#listener.onBroken(cause);
  }

  readonly #onDrain = (): void => {
    this.#isBlocked = false;
    this.#listener.onProgress();
    this.#reading.resume();
  };
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

/** The last chunk and the trailer section; undefined where a field line would be read as something else. */
function toLastChunk(trailers: readonly string[]): string | undefined {
  let text = '0\r\n';
  for (let i = 0; i + 1 < trailers.length; i += 2) {
    const name = trailers[i] ?? '';
    const value = trailers[i + 1] ?? '';
    if (!TRAILER_NAME.test(name) || FORBIDDEN_IN_VALUE.test(value)) return undefined;
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
