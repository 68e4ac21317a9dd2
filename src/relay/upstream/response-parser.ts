import { joinValues, rememberByName, trim } from '../field-lines.ts';

/** What a parser tells, in this order: `onInterim` any number of times, `onHead` once, `onBody` any number of times, `onComplete`. */
export interface ResponseSink {
  /** The head of an interim response (1xx), but for 101: that is refused. */
  onInterim(status: number, lines: string[]): void;
  /** The head of the final response. */
  onHead(status: number, reason: string, lines: string[]): void;
  onBody(chunk: Buffer): void;
  /**
   * The response ended where its framing says.
   * @param trailers field lines of the trailer section; empty when there is none
   */
  onComplete(trailers: readonly string[]): void;
}

/** An upstream sent something that is not an HTTP/1.1 response; the message says what, and quotes nothing. */
export class BadResponseError extends Error {
  readonly code = 'BAD_RESPONSE';
}

const MAX_HEAD_BYTES = 65_536;
const MAX_TRAILER_BYTES = 16_384;
const MAX_TRAILERS = 256;
const MAX_CHUNK_LINE_BYTES = 1_024;
/** Interim responses (1xx) before the final one. */
export const MAX_INTERIM = 100;
/** And the bytes of their heads. */
const MAX_INTERIM_BYTES = MAX_HEAD_BYTES;
const NO_TRAILERS: readonly string[] = [];

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: (.*))?$/;
/** Control characters, and line ends that are not CRLF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const FORBIDDEN_IN_HEAD = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;
const CR = 0x0d;
const LF = 0x0a;
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?$/;
const START = 'HTTP/1.';

/** What a field's name means to framing; undefined for names that are no token (RFC 9110, section 5.6.2). */
const fieldRole = rememberByName(
  (name): 'plain' | 'length' | 'coding' | 'connection' | 'keep-alive' | 'invalid' => {
    if (!TOKEN.test(name)) return 'invalid';
    if (name === 'content-length') return 'length';
    if (name === 'transfer-encoding') return 'coding';
    if (name === 'connection' || name === 'keep-alive') return name;
    return 'plain';
  },
);

/** What the parser waits for. */
const State = {
  head: 0,
  /** Content of known length. */
  length: 1,
  chunkLine: 2,
  chunkData: 3,
  chunkEnd: 4,
  trailers: 5,
  /** Content up to the end of the connection. */
  untilClose: 6,
  complete: 7,
} as const;
type State = (typeof State)[keyof typeof State];

/**
 * Reads one response after another from the bytes of an HTTP/1.1 connection (RFC 9112), and refuses whatever two readers
 * could see differently: both framings at once, two lengths, codings other than `chunked`, bare line ends, folded lines,
 * space before a colon. Nothing is repaired.
 */
export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = State.complete;
  #isHead = false;
  #isConnect = false;
  /** Bytes of a head that is not whole yet. */
  #pending: Buffer | undefined;
  /** Text of a chunk line or trailer line that is not whole yet. */
  #line = '';
  #trailers: string[] | undefined;
  #trailerBytes = 0;
  #remaining = 0;
  #interim = 0;
  #interimBytes = 0;
  #keepsAlive = false;
  #keepAliveMs: number | undefined;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Expects the response to a request with this method. */
  expect(method: string): void {
    this.#state = State.head;
    this.#isHead = method === 'HEAD';
    this.#isConnect = method === 'CONNECT';
    this.#trailers = undefined;
    this.#interim = 0;
    this.#interimBytes = 0;
    this.#keepAliveMs = undefined;
  }

  /** Whether the connection may carry another request, once the response is complete. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  /** How long the upstream says it keeps an idle connection (`Keep-Alive: timeout`), in ms. */
  get keepAliveMs(): number | undefined {
    return this.#keepAliveMs;
  }

  /**
   * Takes what arrived.
   * @throws BadResponseError also for bytes beyond the end of the response
   */
  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case State.head:
          at = this.#readHead(chunk, at);
          break;
        case State.length:
        case State.chunkData:
          at = this.#readCounted(chunk, at);
          break;
        case State.untilClose:
          this.#sink.onBody(at === 0 ? chunk : chunk.subarray(at));
          return;
        case State.complete:
          throw new BadResponseError('there are bytes behind the response');
        default:
          at = this.#readLine(chunk, at);
      }
    }
  }

  /**
   * The upstream closed the connection.
   * @returns whether that is a proper end of the response
   */
  finish(): boolean {
    if (this.#state === State.complete) return true;
    if (this.#state !== State.untilClose) return false;
    this.#complete();
    return true;
  }

  #readHead(chunk: Buffer, at: number): number {
    const known = this.#pending?.length ?? 0;
    const rest = at === 0 ? chunk : chunk.subarray(at);
    const bytes = this.#pending === undefined ? rest : Buffer.concat([this.#pending, rest]);
    const end = bytes.indexOf('\r\n\r\n', Math.max(0, known - 3), 'latin1');
    if (end === -1 || end > MAX_HEAD_BYTES) {
      this.#checkPartialHead(bytes, known);
      this.#pending = bytes;
      return chunk.length;
    }
    this.#pending = undefined;
    this.#takeHead(bytes.toString('latin1', 0, end));
    return at + end + 4 - known;
  }

  /**
   * What can be told of a head before all of it is there, so that a stranger's protocol isn't waited for.
   * @param known how many of the bytes were looked at before
   */
  #checkPartialHead(bytes: Buffer, known: number): void {
    if (bytes.length > MAX_HEAD_BYTES)
      throw new BadResponseError(`its head is larger than ${MAX_HEAD_BYTES} bytes`);
    const start = bytes.toString('latin1', 0, START.length);
    if (!START.startsWith(start)) throw new BadResponseError('it does not begin with HTTP/1');
    for (let lf = bytes.indexOf(LF, known); lf !== -1; lf = bytes.indexOf(LF, lf + 1))
      if (bytes[lf - 1] !== CR) throw new BadResponseError('its head has line ends other than CRLF');
  }

  #takeHead(head: string): void {
    if (FORBIDDEN_IN_HEAD.test(head))
      throw new BadResponseError('its head has a control character or a bare line end');
    let lineEnd = head.indexOf('\r\n');
    const statusLine = STATUS_LINE.exec(lineEnd === -1 ? head : head.slice(0, lineEnd));
    if (statusLine === null) throw new BadResponseError('its status line is malformed');
    const [, minor, code, reason = ''] = statusLine;
    const status = Number(code);
    const lines: string[] = [];
    let length: string | undefined;
    let coding: string | undefined;
    let connection: string | undefined;
    while (lineEnd !== -1) {
      const begin = lineEnd + 2;
      lineEnd = head.indexOf('\r\n', begin);
      const stop = lineEnd === -1 ? head.length : lineEnd;
      const colon = head.indexOf(':', begin);
      if (colon === -1 || colon >= stop) throw new BadResponseError('a header line has no colon');
      const name = head.slice(begin, colon);
      const value = trim(head, colon + 1, stop);
      const role = fieldRole(name);
      if (role === 'invalid') throw new BadResponseError('a header line has a malformed name');
      if (role === 'length') length = joinValues(length, value);
      else if (role === 'coding') coding = joinValues(coding, value);
      else if (role === 'connection') connection = joinValues(connection, value);
      else if (role === 'keep-alive') this.#keepAliveMs = parseKeepAliveMs(value);
      lines.push(name, value);
    }
    if (status < 200) {
      this.#takeInterim(status, head.length, lines);
      return;
    }
    this.#keepsAlive = keepsAlive(minor === '1', connection);
    const hasNoContent = status === 204 || status === 304;
    // Whoever announces content where there can't be any might send it, and the next request would get it for its answer.
    if (hasNoContent && (coding !== undefined || (length ?? '0') !== '0')) this.#keepsAlive = false;
    const bodyless = this.#isHead || hasNoContent;
    // Behind the head of an open tunnel comes what is sent through it, whatever length was announced.
    const isTunnel = this.#isConnect && status < 300;
    this.#state = isTunnel ? State.untilClose : this.#toFraming(minor === '1', length, coding, bodyless);
    this.#sink.onHead(status, reason, lines);
    if (this.#state === State.complete) this.#complete();
  }

  #takeInterim(status: number, bytes: number, lines: string[]): void {
    if (status === 101) throw new BadResponseError('it switches protocols, which nobody asked for');
    this.#interim += 1;
    this.#interimBytes += bytes;
    if (this.#interim > MAX_INTERIM || this.#interimBytes > MAX_INTERIM_BYTES)
      throw new BadResponseError('it never comes to its final status');
    this.#sink.onInterim(status, lines);
  }

  /** How the content is framed (RFC 9112, section 6.3), and what comes next. */
  #toFraming(
    isVersion11: boolean,
    length: string | undefined,
    coding: string | undefined,
    bodyless: boolean,
  ): State {
    if (coding !== undefined) {
      if (length !== undefined)
        throw new BadResponseError('it has both a Content-Length and a Transfer-Encoding');
      if (!isVersion11) throw new BadResponseError('it has a Transfer-Encoding and is HTTP/1.0');
      if (coding.toLowerCase() !== 'chunked')
        throw new BadResponseError('its Transfer-Encoding is not "chunked"');
      if (bodyless) return State.complete;
      this.#trailerBytes = 0;
      return State.chunkLine;
    }
    if (length !== undefined) {
      if (!/^[0-9]{1,15}$/.test(length)) throw new BadResponseError('its Content-Length is not one number');
      this.#remaining = Number(length);
      return bodyless || this.#remaining === 0 ? State.complete : State.length;
    }
    if (bodyless) return State.complete;
    this.#keepsAlive = false;
    return State.untilClose;
  }

  #readCounted(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= end - at;
    this.#sink.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (this.#remaining === 0) {
      if (this.#state === State.length) this.#complete();
      else this.#state = State.chunkEnd;
    }
    return end;
  }

  /** A line of chunked framing (RFC 9112, section 7.1): a chunk's size, the end of its data, a trailer. */
  #readLine(chunk: Buffer, at: number): number {
    const lf = chunk.indexOf(LF, at);
    const end = lf === -1 ? chunk.length : lf + 1;
    this.#line += chunk.toString('latin1', at, end);
    if (this.#line.length > MAX_CHUNK_LINE_BYTES && this.#state !== State.trailers) {
      throw new BadResponseError('a chunk has too long a size line');
    }
    if (this.#line.length + this.#trailerBytes > MAX_TRAILER_BYTES)
      throw new BadResponseError('its trailers are too large');
    if (lf === -1) return end;
    if (!this.#line.endsWith('\r\n')) throw new BadResponseError('its chunks have line ends other than CRLF');
    const line = this.#line.slice(0, -2);
    this.#line = '';
    this.#takeLine(line);
    return end;
  }

  #takeLine(line: string): void {
    if (this.#state === State.chunkEnd) {
      if (line !== '') throw new BadResponseError('a chunk is longer than it says');
      this.#state = State.chunkLine;
    } else if (this.#state === State.chunkLine) {
      const size = CHUNK_LINE.exec(line)?.[1];
      if (size === undefined) throw new BadResponseError('a chunk has a malformed size');
      this.#remaining = Number.parseInt(size, 16);
      this.#state = this.#remaining === 0 ? State.trailers : State.chunkData;
    } else if (line === '') {
      this.#complete();
    } else {
      this.#takeTrailer(line);
    }
  }

  #takeTrailer(line: string): void {
    if (FORBIDDEN_IN_HEAD.test(line)) throw new BadResponseError('a trailer has a control character');
    const colon = line.indexOf(':');
    if (colon === -1) throw new BadResponseError('a trailer has no colon');
    const name = line.slice(0, colon);
    if (fieldRole(name) === 'invalid') throw new BadResponseError('a trailer has a malformed name');
    this.#trailerBytes += line.length + 2;
    this.#trailers ??= [];
    this.#trailers.push(name, trim(line, colon + 1, line.length));
    if (this.#trailers.length > 2 * MAX_TRAILERS) throw new BadResponseError('it has too many trailers');
  }

  #complete(): void {
    this.#state = State.complete;
    this.#sink.onComplete(this.#trailers ?? NO_TRAILERS);
  }
}

/** RFC 9112, section 9.3. */
function keepsAlive(isVersion11: boolean, connection: string | undefined): boolean {
  if (connection === undefined) return isVersion11;
  const options = connection
    .toLowerCase()
    .split(',')
    .map((option) => trim(option));
  return !options.includes('close') && (isVersion11 || options.includes('keep-alive'));
}

function parseKeepAliveMs(value: string): number | undefined {
  const seconds = /(?:^|[,\s])timeout=([0-9]{1,6})/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
