import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Answer } from './answers.ts';
import type { Client, ClientListener, ClientResponseHead } from './client.ts';
import type { RequestHead } from './decide.ts';
import { type FieldLines, findValue } from './field-lines.ts';
import { fromHttp2Fields, joinCookies, toHttp2Fields } from './http2-fields.ts';
import { type RequestBody, StreamedBody } from './request-body.ts';
import { toTrailers } from './trailers.ts';

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

/** A client that speaks HTTP/2: one stream of its connection (RFC 9113). */
export class Http2Client implements Client {
  readonly head: RequestHead;
  readonly expectsContinue: boolean;
  /** It carries other streams as well. */
  readonly connection = undefined;
  readonly #stream: ServerHttp2Stream;
  #sentStatus = 0;
  #trailers: FieldLines = [];
  #requestTrailers: FieldLines = [];
  #isRequestWhole: boolean;
  readonly #lingerMs: number;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    options: {
      readonly scheme: 'http' | 'https';
      /** How long it may go on sending a request that was answered before its end. */
      readonly lingerMs: number;
    },
  ) {
    this.#stream = stream;
    this.#lingerMs = options.lingerMs;
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
      scheme: options.scheme,
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

  openBody(length: number | undefined): RequestBody {
    const stream = this.#stream;
    return new StreamedBody(
      { stream, isComplete: () => !stream.aborted, trailers: () => this.#requestTrailers },
      length,
    );
  }

  sendInterim(status: number, lines: FieldLines): void {
    this.#stream.additionalHeaders({ ':status': status, ...toHttp2Fields(lines) });
  }

  sendHead({ status, lines }: ClientResponseHead): void {
    const stream = this.#stream;
    stream.on('wantTrailers', () => this.#sendTrailers());
    respond(stream, { ':status': status, ...toHttp2Fields(lines) });
    this.#sentStatus = status;
  }

  sendData(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(trailers: FieldLines): void {
    this.#trailers = trailers;
    const isBodiless = this.#stream.writableEnded;
    this.#stream.end();
    // Where the head was all, nobody asks for trailers.
    if (isBodiless) this.#linger();
  }

  sendAnswer({ status, lines, body }: Answer): void {
    const stream = this.#stream;
    this.#sentStatus = status;
    if (stream.destroyed || stream.closed) return;
    const isBodiless = body === '' || this.head.method === 'HEAD';
    stream.respond({ ':status': status, ...toHttp2Fields(lines) }, { endStream: isBodiless });
    if (!isBodiless) stream.end(body);
    this.#linger();
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(toHttp2Fields(this.#trailers));
    } catch {
      // What can't be put into HTTP/2 is not worth the response, which is whole.
      if (!this.#stream.destroyed) this.#stream.sendTrailers({});
    }
    this.#linger();
  }

  handOver(): void {}

  breakOff(): void {
    this.#stream.close(NGHTTP2_INTERNAL_ERROR);
  }

  /**
   * Reads on for a moment where the request isn't whole, then asks for no more of it (RFC 9113, section 8.1). Not at once: a reset takes
   * what is still to be sent of the response with it, its head included.
   */
  #linger(): void {
    const stream = this.#stream;
    if (this.#isRequestWhole || stream.closed) return;
    const stop = setTimeout(() => {
      if (!this.#isRequestWhole && !stream.closed) stream.close(NGHTTP2_NO_ERROR);
    }, this.#lingerMs);
    stop.unref();
    stream.on('close', () => clearTimeout(stop));
    stream.resume();
  }
}

/** As `Http2Stream.respond`. Versions of Node that take some fields only once are given their values as one (RFC 9110, section 5.3). */
function respond(stream: ServerHttp2Stream, fields: OutgoingHttpHeaders): void {
  const options = { waitForTrailers: true };
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
