import type { Readable } from 'node:stream';
import type { ProxyError } from '../errors.ts';

/** A request's body as it is sent upstream. */
export interface RequestBody {
  /** In bytes; undefined where it isn't known. */
  readonly length: number | undefined;
  /** Whether `open` would begin at the body's first byte: nothing was read yet, or all that was is remembered. */
  readonly isWhole: boolean;
  /** How much of it came so far. */
  readonly readBytes: number;
  /**
   * Gives the body to a sink, from its first byte, in place of the sink before. Calls nothing before it returns.
   */
  open(sink: BodySink): BodyReading;
  /** Remembers no more: the request will not be sent again. */
  forget(): void;
}

/** Called back in this order: `onPiece` any number of times, then `onEnd`; or at any point `onBroken`. */
export interface BodySink {
  /** @returns false to be given no more until `resume` */
  onPiece(piece: Buffer): boolean;
  /** @param trailers field lines of the trailer section; empty when there is none */
  onEnd(trailers: readonly string[]): void;
  /**
   * The rest will never come.
   * @param cause why it isn't wanted; undefined where the client broke off
   */
  onBroken(cause?: ProxyError): void;
}

/** A body under way to a sink. */
export interface BodyReading {
  /** Goes on after `onPiece` returned false. */
  resume(): void;
  /** Gives no more. Harmless when the body has ended. */
  close(): void;
}

/** Where a body comes from. */
export interface BodySource {
  readonly stream: Readable;
  /** Whether its end was reached as it was announced; asked once the stream has ended. */
  isComplete(): boolean;
  /** Field lines of the trailer section; asked once the stream has ended. */
  trailers(): readonly string[];
}

/** The most that a body may hold, and what it is to be refused with where it holds more. */
export interface BodyLimit {
  readonly bytes: number;
  toError(): ProxyError;
}

/** Most bytes of a body that are kept, so that its request can be sent again (R54). */
const REMEMBERED_BYTES = 65_536;
/** Most pieces of it: a piece takes hundreds of bytes, however little is in it. */
const REMEMBERED_PIECES = 512;

/** A client's body, read as fast as it is taken. What was read is remembered for a second attempt while it is small. */
export class StreamedBody implements RequestBody {
  readonly length: number | undefined;
  readonly #source: BodySource;
  readonly #limit: BodyLimit | undefined;
  #readBytes = 0;
  #cause: ProxyError | undefined;
  /** Everything read so far; undefined once that is too much. */
  #remembered: Buffer[] | undefined = [];
  #state: 'untouched' | 'open' | 'ended' | 'broken' = 'untouched';
  #reading: Reading | undefined;

  /** @param limit for one whose length isn't known beforehand */
  constructor(source: BodySource, length: number | undefined, limit?: BodyLimit) {
    this.#source = source;
    this.length = length;
    this.#limit = limit;
  }

  get isWhole(): boolean {
    return this.#remembered !== undefined;
  }

  get readBytes(): number {
    return this.#readBytes;
  }

  open(sink: BodySink): BodyReading {
    const reading = new Reading(sink, this.#remembered ?? []);
    this.#reading = reading;
    if (this.#state === 'open') this.#source.stream.pause();
    process.nextTick(() => this.#goOn(reading));
    return {
      resume: () => this.#goOn(reading),
      close: () => {
        if (this.#reading !== reading) return;
        this.#reading = undefined;
        if (this.#state === 'open') this.#source.stream.pause();
      },
    };
  }

  forget(): void {
    this.#remembered = undefined;
  }

  #goOn(reading: Reading): void {
    while (reading === this.#reading) {
      const piece = reading.pending.shift();
      if (piece === undefined) break;
      if (!reading.sink.onPiece(piece)) return;
    }
    if (reading !== this.#reading) return;
    if (this.#state === 'untouched') this.#listen();
    if (this.#state === 'open') this.#source.stream.resume();
    else this.#end();
  }

  #listen(): void {
    const { stream } = this.#source;
    this.#state = 'open';
    stream.on('data', (piece: Buffer) => this.#onPiece(piece));
    const onEnd = (): void => this.#onOver(this.#source.isComplete() ? 'ended' : 'broken');
    stream.on('end', onEnd);
    // An error may come late, when nobody waits for it any more: it has to have a listener all the same.
    stream.on('error', () => this.#onOver('broken'));
    stream.on('close', () => this.#onOver('broken'));
    // A stream of HTTP/2 that ends without content says so to nobody, and may be destroyed, before the upstream is there to be sent it.
    if (stream.readableEnded) onEnd();
    else if (stream.destroyed) this.#onOver('broken');
  }

  #onPiece(piece: Buffer): void {
    // What still comes of one that is too large is read for the sake of its answer alone.
    if (piece.length === 0 || this.#state !== 'open') return;
    this.#readBytes += piece.length;
    if (this.#limit !== undefined && this.#readBytes > this.#limit.bytes) {
      this.#cause = this.#limit.toError();
      this.#source.stream.pause();
      this.#onOver('broken');
      return;
    }
    this.#remember(piece);
    const reading = this.#reading;
    if (reading !== undefined && !reading.sink.onPiece(piece)) this.#source.stream.pause();
  }

  #remember(piece: Buffer): void {
    if (this.#remembered === undefined) return;
    const isTooMuch = this.#readBytes > REMEMBERED_BYTES || this.#remembered.length === REMEMBERED_PIECES;
    if (isTooMuch) this.#remembered = undefined;
    else this.#remembered.push(toOwned(piece));
  }

  #onOver(state: 'ended' | 'broken'): void {
    if (this.#state !== 'open') return;
    this.#state = state;
    if (this.#reading?.pending.length === 0) this.#end();
  }

  #end(): void {
    const reading = this.#reading;
    this.#reading = undefined;
    if (this.#state === 'ended') reading?.sink.onEnd(this.#source.trailers());
    else reading?.sink.onBroken(this.#cause);
  }
}

/** A small part of something large without the rest: over HTTP/2 that is all that was read along with it, of other requests as well. */
function toOwned(piece: Buffer): Buffer {
  return piece.length < piece.buffer.byteLength / 2 ? Buffer.from(piece) : piece;
}

/** One sink, and what it still has to be given of what was read before it came. */
class Reading {
  readonly sink: BodySink;
  readonly pending: Buffer[];

  constructor(sink: BodySink, remembered: readonly Buffer[]) {
    this.sink = sink;
    this.pending = [...remembered];
  }
}
