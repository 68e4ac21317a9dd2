import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Answer } from '../answers.ts';
import { breakOff } from '../break-off.ts';
import type { RequestHead } from '../decide.ts';
import type { FieldLines } from '../field-lines.ts';
import { type BodyLimit, type RequestBody, StreamedBody } from '../request-body.ts';
import { toTrailers } from '../trailers.ts';
import type { Client, ClientListener, ClientResponseHead } from './client.ts';
import { isLast, makeLast, onceTurn } from './pipeline.ts';

/** A body this small that came in one piece goes out together with its head, in one write. */
const SINGLE_WRITE_BYTES = 16_384;

/** A client that speaks HTTP/1.0 or HTTP/1.1. */
export class Http1Client implements Client {
  readonly head: RequestHead;
  readonly expectsContinue: boolean;
  readonly connection: Socket | undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #isDraining: () => boolean;
  readonly #lingerMs: number;
  readonly #release: (() => void) | undefined;
  #contentLength: number | undefined;
  #hasData = false;
  #isHandedOver = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    options: {
      readonly scheme: 'http' | 'https';
      /** Which of the listeners took its connection. */
      readonly listener: number;
      readonly expectsContinue: boolean;
      /** The connection, where the request is for another protocol on it. */
      readonly connection?: Socket;
      /** Makes that ready for whoever speaks the other protocol. */
      readonly release?: () => void;
      /** Whether each response has to be the last of its connection. */
      readonly isDraining: () => boolean;
      /** How long it may go on sending a request that was answered before its end. */
      readonly lingerMs: number;
    },
  ) {
    this.#request = request;
    this.#response = response;
    this.#isDraining = options.isDraining;
    this.#lingerMs = options.lingerMs;
    this.#release = options.release;
    this.expectsContinue = options.expectsContinue;
    this.connection = options.connection;
    this.head = {
      method: request.method ?? '',
      target: request.url ?? '',
      httpMajor: request.httpVersionMajor,
      httpMinor: request.httpVersionMinor,
      lines: request.rawHeaders,
      http2: undefined,
      peer: request.socket.remoteAddress ?? '',
      scheme: options.scheme,
      listener: options.listener,
      canUpgrade: options.connection !== undefined,
    };
  }

  get sentStatus(): number {
    return this.#response.headersSent || this.#isHandedOver ? this.#response.statusCode : 0;
  }

  listen(listener: ClientListener): void {
    this.#response.on('close', () => listener.onClose());
    this.#response.on('drain', () => listener.onDrain());
  }

  openBody(length: number | undefined, limit?: BodyLimit): RequestBody {
    const stream = this.#request;
    return new StreamedBody(
      { stream, isComplete: () => stream.complete, trailers: () => toTrailers(stream.rawTrailers) },
      length,
      limit,
    );
  }

  sendInterim(status: number, lines: FieldLines): void {
    if (this.head.httpMinor < 1) return;
    if (status === 100) this.#response.writeContinue();
    else sendInformation(this.#response, status, lines);
  }

  sendHead({ status, reason, lines, contentLength }: ClientResponseHead): void {
    const response = this.#response;
    if (this.#isDraining() || isLast(this.#request)) response.shouldKeepAlive = false;
    const isInChunks = this.head.method !== 'HEAD' && this.head.httpMinor > 0;
    const fitting = isInChunks ? lines : withoutTrailer(lines);
    response.writeHead(status, reason === '' ? STATUS_CODES[status] : reason, fitting);
    this.#contentLength = contentLength;
    // A small body of known length comes along or right behind, and then both go out in one write. Anything else may be
    // long in coming, and the client of an event stream waits for the head.
    if (contentLength === undefined || contentLength > SINGLE_WRITE_BYTES) process.nextTick(flushHead, this);
  }

  /** Sends a head whose content is not there yet: an event stream's client waits for it. */
  flushHead(): void {
    if (!this.#hasData && !this.#response.writableEnded && !this.#response.destroyed)
      this.#response.flushHeaders();
  }

  sendData(chunk: Buffer): boolean {
    if (!this.#hasData) {
      this.#hasData = true;
      if (this.#contentLength === chunk.length && chunk.length <= SINGLE_WRITE_BYTES) {
        this.#response.end(chunk.toString('latin1'), 'latin1');
        return true;
      }
    }
    return this.#response.write(chunk);
  }

  end(trailers: FieldLines): void {
    const response = this.#response;
    // Content that came in one piece has ended it already.
    if (!response.writableEnded) {
      // Only in chunks is there a place for trailers.
      if (trailers.length > 0 && response.chunkedEncoding) response.addTrailers(toPairs(trailers));
      response.end();
    }
    this.#linger();
  }

  sendAnswer({ status, reason, lines, body, isLast: endsConnection = false }: Answer): void {
    if (endsConnection) makeLast(this.#request);
    if (this.#isDraining() || isLast(this.#request)) this.#response.shouldKeepAlive = false;
    // With its reason, as Node keeps one that it refused before.
    this.#response.writeHead(status, reason ?? STATUS_CODES[status], lines);
    this.#response.end(body);
    this.#linger();
  }

  handOver(): void {
    this.#isHandedOver = true;
    this.#response.statusCode = 101;
    if (this.connection !== undefined) this.#response.detachSocket(this.connection);
    this.#release?.();
  }

  breakOff(): void {
    const { socket } = this.#request;
    const response = this.#response;
    onceTurn(socket, response, () => {
      const isEndedByClose = !response.chunkedEncoding && this.#contentLength === undefined;
      // To HTTP/1.0 the end of the connection is the end of the content: only a reset says that there was more to come. Over TLS
      // that is said by the closing alert that is missing.
      if (isEndedByClose) breakOff(socket);
      response.destroy();
    });
  }

  /**
   * Reads on for a moment where the request isn't whole: a connection closed with bytes unread is reset, and the client might never see
   * its answer (RFC 9112, section 9.6). Then an upload that nobody wants is stopped.
   */
  #linger(): void {
    const request = this.#request;
    if (request.complete) return;
    const { socket } = request;
    // What Node calls after a last response would close both sides at once.
    socket.destroySoon = () => socket.end();
    const stop = setTimeout(() => {
      if (!request.complete) request.destroy();
    }, this.#lingerMs);
    stop.unref();
    const settle = (): void => {
      clearTimeout(stop);
      Reflect.deleteProperty(socket, 'destroySoon');
      if (socket.writableEnded) socket.destroySoon();
    };
    request.on('end', settle).on('close', settle);
    request.resume();
  }
}

function flushHead(client: Http1Client): void {
  client.flushHead();
}

/** Trailers that can't come may not be announced. */
function withoutTrailer(lines: string[]): string[] {
  // A value may say the same.
  const at = lines.findIndex((text, i) => i % 2 === 0 && text === 'Trailer');
  return at === -1 ? lines : lines.toSpliced(at, 2);
}

type Informing = ServerResponse & { writeInformation?(status: number, lines: FieldLines): void };

/** Older versions of Node can only send 103 as early hints, with a `Link` in it. */
function sendInformation(response: Informing, status: number, lines: FieldLines): void {
  if (response.writeInformation !== undefined) {
    response.writeInformation(status, lines);
    return;
  }
  if (status === 102) response.writeProcessing();
  if (status !== 103) return;
  const hints: Record<string, string | string[]> = { link: [] };
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [name, value] = [(lines[i] as string).toLowerCase(), lines[i + 1] as string];
    const seen = hints[name];
    hints[name] = seen === undefined ? value : [seen, value].flat();
  }
  if (hints.link?.length !== 0) response.writeEarlyHints(hints);
}

/** Trailers as `addTrailers` takes them: pairs, which its types don't know. */
function toPairs(lines: FieldLines): readonly [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) pairs.push([lines[i] as string, lines[i + 1] as string]);
  return pairs;
}
