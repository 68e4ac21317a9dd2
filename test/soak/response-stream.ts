/** What a response is read by. */
export interface ResponseReader {
  head(status: number, find: (name: string) => string | undefined): void;
  data(chunk: Buffer): void;
  /** @param mayGoOn the connection stays for another request */
  end(mayGoOn: boolean): void;
  /** These bytes are no response. */
  fail(fault: string): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const MOST_HEAD_BYTES = 32_768;

type State = 'head' | 'content' | 'size' | 'chunk' | 'behind chunk' | 'trailers';

/**
 * Reads responses of HTTP/1.1, one after the other (RFC 9112). As little as a client needs that is sent proper responses; it shares no line with
 * what the proxy reads them by.
 */
export class ResponseStream {
  readonly #reader: ResponseReader;
  #state: State = 'head';
  #pending: Buffer | undefined;
  #left = 0;
  #isHead = false;
  #mayGoOn = true;

  constructor(reader: ResponseReader) {
    this.#reader = reader;
  }

  /** @param isHead the response to come is to a HEAD */
  expect(isHead: boolean): void {
    this.#isHead = isHead;
  }

  add(arrived: Buffer): void {
    let chunk = this.#pending === undefined ? arrived : Buffer.concat([this.#pending, arrived]);
    this.#pending = undefined;
    while (chunk.length > 0) {
      const used = this.#take(chunk);
      if (used === 0) {
        if (chunk.length > MOST_HEAD_BYTES) this.#reader.fail('a line or head without end');
        this.#pending = chunk;
        return;
      }
      chunk = chunk.subarray(used);
    }
  }

  /** @returns how many bytes were used; 0: more have to come */
  #take(chunk: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(chunk);
      case 'content':
      case 'chunk':
        return this.#takeContent(chunk);
      default:
        return this.#takeLine(chunk);
    }
  }

  #takeHead(chunk: Buffer): number {
    const end = chunk.indexOf(HEAD_END);
    if (end === -1) return 0;
    const head = chunk.toString('latin1', 0, end + 2);
    const status = Number(head.slice(9, 12));
    if (!head.startsWith('HTTP/1.1 ') || !(status >= 100))
      this.#reader.fail(`no status line: ${head.slice(0, 40)}`);
    const find = (name: string): string | undefined => findField(head, name);
    if (status < 200) return end + 4;
    this.#reader.head(status, find);
    this.#mayGoOn = find('connection')?.toLowerCase() !== 'close';
    const length = find('content-length');
    if (this.#isHead || status === 204 || status === 304 || length === '0') this.#end();
    else if (length !== undefined) [this.#state, this.#left] = ['content', Number(length)];
    else if (find('transfer-encoding') === 'chunked') this.#state = 'size';
    else this.#reader.fail('content without a length');
    return end + 4;
  }

  #takeContent(chunk: Buffer): number {
    const used = Math.min(this.#left, chunk.length);
    this.#left -= used;
    this.#reader.data(used === chunk.length ? chunk : chunk.subarray(0, used));
    if (this.#left > 0) return used;
    if (this.#state === 'chunk') this.#state = 'behind chunk';
    else this.#end();
    return used;
  }

  #takeLine(chunk: Buffer): number {
    const end = chunk.indexOf(LINE_END);
    if (end === -1) return 0;
    const line = chunk.toString('latin1', 0, end);
    if (this.#state === 'size') {
      this.#left = Number.parseInt(line, 16);
      if (!/^[\da-f]+$/i.test(line)) this.#reader.fail(`no size of a chunk: ${line.slice(0, 40)}`);
      this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    } else if (this.#state === 'behind chunk') {
      if (line !== '') this.#reader.fail('a chunk longer than it says');
      this.#state = 'size';
    } else if (line === '') this.#end();
    return end + 2;
  }

  #end(): void {
    this.#state = 'head';
    this.#reader.end(this.#mayGoOn);
  }
}

function findField(head: string, name: string): string | undefined {
  const start = head.toLowerCase().indexOf(`\r\n${name}:`);
  if (start === -1) return undefined;
  const from = start + name.length + 3;
  return head.slice(from, head.indexOf('\r\n', from)).trim();
}
