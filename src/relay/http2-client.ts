import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
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
    stream.on('wantTrailers', () => stream.sendTrailers(toHttp2Fields(this.#trailers)));
    stream.respond({ ':status': status, ...toHttp2Fields(lines) }, { waitForTrailers: true });
    this.#sentStatus = status;
  }

  sendData(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(trailers: FieldLines): void {
    this.#trailers = trailers;
    this.#stream.end();
    this.#stopUpload();
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

  handOver(): void {}

  breakOff(): void {
    this.#stream.close(NGHTTP2_INTERNAL_ERROR);
  }

  /** Asks a client that was answered before its request's end to send no more of it (RFC 9113, section 8.1). */
  #stopUpload(): void {
    if (this.#isRequestWhole) return;
    const stream = this.#stream;
    const stop = (): void => {
      if (!this.#isRequestWhole && !stream.closed) stream.close(NGHTTP2_NO_ERROR);
    };
    if (stream.writableFinished) stop();
    else stream.once('finish', stop);
  }
}
