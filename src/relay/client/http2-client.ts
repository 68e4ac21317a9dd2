import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2';
import type { Answer } from '../answers.ts';
import type { RequestHead } from '../decide.ts';
import { type FieldLines, findValue } from '../field-lines.ts';
import { fromHttp2Fields, joinCookies, toHttp2Fields } from '../http2-fields.ts';
import { type BodyLimit, type RequestBody, StreamedBody } from '../request-body.ts';
import { toTrailers } from '../trailers.ts';
import type { Client, ClientListener, ClientResponseHead } from './client.ts';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

/**
 * How long after an early answer its upload is stopped, and how often it is looked whether a client that is slow to take the answer has
 * it: curl 7.88 loses what comes in one read with the reset, and many a client stops by itself.
 */
const STOP_DELAY_MS = 100;

/** A client that speaks HTTP/2: one stream of its connection (RFC 9113). */
export class Http2Client implements Client {
  readonly head: RequestHead;
  readonly expectsContinue: boolean;
  /** It carries other streams as well. */
  readonly connection = undefined;
  readonly #stream: ServerHttp2Stream;
  #sentStatus = 0;
  /** The head of a response that most likely has nothing else, kept back until that is known. */
  #heldHead: OutgoingHttpHeaders | undefined;
  #trailers: FieldLines = [];
  #requestTrailers: FieldLines = [];
  #isRequestWhole: boolean;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    scheme: 'http' | 'https',
  ) {
    this.#stream = stream;
    this.#isRequestWhole = stream.endAfterHeaders;
    const lines = joinCookies(fromHttp2Fields(rawHeaders));
    this.expectsContinue = findValue(lines, 'expect')?.toLowerCase() === '100-continue';
    this.head = {
      method: headers[':method'] ?? '',
      // CONNECT has none (RFC 9113, section 8.5), and is refused for what it is.
      target: headers[':path'] ?? '/',
      httpMajor: 2,
      httpMinor: 0,
      lines,
      http2: { authority: headers[':authority'], hasBody: !stream.endAfterHeaders },
      peer: stream.session?.socket.remoteAddress ?? '',
      scheme,
    };
    // Told by 'close' as well; without a listener it would end the process.
    stream.on('error', () => {});
    stream.on('trailers', (_fields: unknown, _flags: unknown, raw?: readonly string[]) => {
      this.#requestTrailers = toTrailers(fromHttp2Fields(raw ?? []));
    });
    stream.on('end', () => {
      this.#isRequestWhole = !stream.aborted;
    });
  }

  get sentStatus(): number {
    return this.#sentStatus;
  }

  listen(listener: ClientListener): void {
    this.#stream.on('close', () => listener.onClose());
    this.#stream.on('drain', () => listener.onDrain());
  }

  openBody(length: number | undefined, limit?: BodyLimit): RequestBody {
    const stream = this.#stream;
    return new StreamedBody(
      { stream, isComplete: () => !stream.aborted, trailers: () => this.#requestTrailers },
      length,
      limit,
    );
  }

  sendInterim(status: number, lines: FieldLines): void {
    this.#stream.additionalHeaders({ ':status': status, ...toHttp2Fields(lines) });
  }

  sendHead({ status, lines }: ClientResponseHead): void {
    const head: OutgoingHttpHeaders = { ':status': status, ...toHttp2Fields(lines) };
    // gRPC's "Trailers-Only", which clients take for a response only if it ends with its head.
    if (status === 200 && 'grpc-status' in head) this.#heldHead = head;
    else this.#respond(head);
    this.#sentStatus = status;
  }

  #respond(head: OutgoingHttpHeaders): void {
    this.#stream.on('wantTrailers', () => this.#sendTrailers());
    respond(this.#stream, head, { waitForTrailers: true });
  }

  sendData(chunk: Buffer): boolean {
    const head = this.#heldHead;
    if (head !== undefined) {
      if (!this.#orBreakOff(() => this.#respond(head))) return true;
      this.#heldHead = undefined;
    }
    return this.#stream.write(chunk);
  }

  end(trailers: FieldLines): void {
    this.#trailers = trailers;
    if (this.#heldHead === undefined) this.#stream.end();
    else {
      const head = { ...this.#heldHead, ...toHttp2Fields(trailers) };
      this.#orBreakOff(() => respond(this.#stream, head, { endStream: true }));
    }
    this.#stopUpload();
  }

  /** Sends a head that was kept back, if the stream still takes one. */
  #orBreakOff(send: () => void): boolean {
    try {
      send();
      return true;
    } catch {
      this.breakOff();
      return false;
    }
  }

  sendAnswer({ status, lines, body }: Answer): void {
    const stream = this.#stream;
    this.#sentStatus = status;
    if (stream.destroyed || stream.closed) return;
    const isBodiless = body === '' || this.head.method === 'HEAD';
    stream.respond({ ':status': status, ...toHttp2Fields(lines) }, { endStream: isBodiless });
    if (!isBodiless) stream.end(body);
    this.#stopUpload();
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(toHttp2Fields(this.#trailers));
    } catch {
      // What can't be put into HTTP/2 is not worth the response, which is whole.
      if (!this.#stream.destroyed) this.#stream.sendTrailers({});
    }
  }

  handOver(): void {}

  breakOff(): void {
    const stream = this.#stream;
    // Not in the midst of what Node does with bytes that arrived: a stream closed there that may still want trailers can be destroyed
    // before its reset is out, and then Node ends the process.
    setImmediate(() => {
      if (!stream.closed) stream.close(NGHTTP2_INTERNAL_ERROR);
    });
  }

  /**
   * Asks a client that was answered before its request's end to send no more of it (RFC 9113, section 8.1): once the answer's last
   * frame has gone out, as a reset takes the place of what still waits.
   */
  #stopUpload(): void {
    const stream = this.#stream;
    const stop = (): void => {
      if (this.#isRequestWhole || stream.closed || stream.destroyed) return;
      if (stream.state.localClose === 1) stream.close(NGHTTP2_NO_ERROR);
      else stopLater();
    };
    const stopLater = (): void => void setTimeout(stop, STOP_DELAY_MS).unref();
    if (this.#isRequestWhole) return;
    stream.resume();
    stopLater();
  }
}

/** As `Http2Stream.respond`. Versions of Node that take some fields only once are given their values as one (RFC 9110, section 5.3). */
function respond(
  stream: ServerHttp2Stream,
  fields: OutgoingHttpHeaders,
  options: ServerStreamResponseOptions,
): void {
  try {
    stream.respond(fields, options);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_HTTP2_HEADER_SINGLE_VALUE'))
      throw error;
    const joined = Object.entries(fields).map(([name, value]) => [
      name,
      Array.isArray(value) && name !== 'set-cookie' ? value.join(', ') : value,
    ]);
    stream.respond(Object.fromEntries(joined), options);
  }
}
