/** A response as a client sees it. */
export interface SeenResponse {
  readonly status: number;
  /** The proxy's own name for what went wrong, if this is its own answer. */
  readonly code: string | undefined;
  /** Which exchange it belongs to, as the upstream said. */
  readonly exchange: string | undefined;
  readonly isComplete: boolean;
}

interface Head {
  readonly status: number;
  readonly code: string | undefined;
  readonly exchange: string | undefined;
  readonly framing: 'none' | 'chunks' | 'close' | 'switched' | number;
}

/**
 * Reads what a client of HTTP/1.x receives, by the rules of RFC 9112, section 6.3, and nothing more: a judge that shares no line
 * with the proxy.
 */
export class ResponseReader {
  readonly responses: SeenResponse[] = [];
  /** What is wrong with the bytes, if anything. */
  complaint: string | undefined;
  /** What came behind a 101; undefined without one. */
  opened: string | undefined;
  readonly #isHead: (index: number) => boolean;
  #head: Head | undefined;
  #text = '';
  /** Bytes of counted content that have come. */
  #skipped = 0;

  /** @param isHead whether HEAD was asked for; where requests differ, by their number */
  constructor(isHead: boolean | ((index: number) => boolean)) {
    this.#isHead = typeof isHead === 'boolean' ? () => isHead : isHead;
  }

  get hasHead(): boolean {
    return this.#head !== undefined || this.responses.length > 0;
  }

  read(text: string): void {
    this.#text += text;
    while (this.complaint === undefined && this.#step());
  }

  /** The connection is over. `wasReset`: not by FIN. */
  finish(wasReset: boolean): void {
    const head = this.#head;
    const isEndedByClose = head?.framing === 'close' || head?.framing === 'switched';
    if (head !== undefined) this.#take(head, isEndedByClose && !wasReset);
    else if (this.#text !== '') this.complaint ??= 'a head that breaks off';
  }

  #step(): boolean {
    if (this.#head === undefined) return this.#readHead();
    const { framing } = this.#head;
    if (framing === 'close' || framing === 'switched') {
      if (framing === 'switched') this.opened = (this.opened ?? '') + this.#text;
      this.#text = '';
      return false;
    }
    if (framing === 'chunks' ? !this.#readChunk() : !this.#skip(framing === 'none' ? 0 : framing))
      return false;
    this.#take(this.#head, true);
    return this.#text !== '';
  }

  #readHead(): boolean {
    const end = this.#text.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const text = this.#text.slice(0, end + 2);
    this.#text = this.#text.slice(end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(text)?.[1]);
    if (Number.isNaN(status)) {
      this.complaint = 'something that is no response';
      return false;
    }
    if (status >= 200 || status === 101) this.#head = this.#toHead(status, text);
    return true;
  }

  #toHead(status: number, text: string): Head {
    const fieldOf = (name: string): string | undefined =>
      new RegExp(`^${name}: (.*)\\r$`, 'im').exec(text)?.[1];
    const length = fieldOf('content-length');
    const isChunked = fieldOf('transfer-encoding') === 'chunked';
    if (isChunked && length !== undefined) this.complaint = 'a response with two framings';
    const plain = isChunked ? 'chunks' : length === undefined ? 'close' : Number(length);
    if (status === 101 && !/^upgrade: websocket\r$/im.test(text))
      this.complaint = 'a 101 that does not switch to WebSocket';
    const details = /error=\S+; details="(\w+)"/.exec(fieldOf('proxy-status') ?? '')?.[1];
    const isBare = this.#isHead(this.responses.length) || status === 204 || status === 304;
    const framing = status === 101 ? 'switched' : isBare ? 'none' : plain;
    return { status, code: details, exchange: fieldOf('x-exchange'), framing };
  }

  /** @returns whether so many bytes of content have come by now */
  #skip(bytes: number): boolean {
    const left = bytes - this.#skipped;
    if (this.#text.length < left) {
      this.#skipped += this.#text.length;
      this.#text = '';
      return false;
    }
    this.#text = this.#text.slice(left);
    this.#skipped = 0;
    return true;
  }

  /** @returns whether the last chunk and what follows it have come */
  #readChunk(): boolean {
    for (;;) {
      const lineEnd = this.#text.indexOf('\r\n');
      if (lineEnd === -1) return false;
      const size = Number.parseInt(this.#text.slice(0, lineEnd), 16);
      if (Number.isNaN(size)) {
        this.complaint = 'a chunk without a size';
        return false;
      }
      const end = size === 0 ? this.#text.indexOf('\r\n\r\n', lineEnd) + 4 : lineEnd + size + 4;
      if (end === 3 || this.#text.length < end) return false;
      this.#text = this.#text.slice(end);
      if (size === 0) return true;
    }
  }

  #take({ status, code, exchange }: Head, isComplete: boolean): void {
    this.#head = undefined;
    this.responses.push({ status, code, exchange, isComplete });
  }
}
