import { randomBytes } from 'node:crypto';

const OPCODE = 0x0f;
const CLOSE = 0x08;
const MASKED = 0x80;
const LENGTH = 0x7f;
/** Opcode and length, the longest extended length, a masking key (RFC 6455, section 5.2). */
const LONGEST_HEAD = 2 + 8 + 4;

/** Follows one direction of a WebSocket, only to know where a frame may begin: nothing of it is kept. */
export class FrameFollower {
  readonly #head = new Uint8Array(LONGEST_HEAD);
  #headBytes = 0;
  #payloadLeft = 0;
  #hasClose = false;

  /** Whether a frame of ours would be understood: the last one is whole, and none said that it was the last. */
  get mayEnd(): boolean {
    return this.#headBytes === 0 && this.#payloadLeft === 0 && !this.#hasClose;
  }

  /** Whether a close frame has begun. */
  get hasClose(): boolean {
    return this.#hasClose;
  }

  read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const passed = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= passed;
        at += passed;
        continue;
      }
      this.#head[this.#headBytes] = chunk[at] as number;
      this.#headBytes += 1;
      at += 1;
      if (this.#headBytes >= 2 && this.#headBytes === toHeadLength(this.#head)) this.#begin();
    }
  }

  #begin(): void {
    const [first = 0, second = 0] = this.#head;
    if ((first & OPCODE) === CLOSE) this.#hasClose = true;
    this.#payloadLeft = toPayloadLength(this.#head, second & LENGTH);
    this.#headBytes = 0;
  }
}

function toHeadLength([, second = 0]: Uint8Array): number {
  const length = second & LENGTH;
  const extended = length === 127 ? 8 : length === 126 ? 2 : 0;
  return 2 + extended + (second & MASKED ? 4 : 0);
}

function toPayloadLength(head: Uint8Array, length: number): number {
  const view = new DataView(head.buffer);
  if (length === 126) return view.getUint16(2);
  // What doesn't fit a number exactly doesn't end in anybody's lifetime.
  return length === 127 ? Number(view.getBigUint64(2)) : length;
}

/** 1001: the endpoint is going away (RFC 6455, section 7.4.1). */
const GOING_AWAY = 1_001;

/**
 * A close frame that says so.
 * @param isMasked as clients have to (RFC 6455, section 5.3)
 */
export function toGoingAwayFrame(isMasked: boolean): Buffer {
  const reason = Buffer.from([GOING_AWAY >> 8, GOING_AWAY & 0xff]);
  if (!isMasked) return Buffer.from([0x80 | CLOSE, reason.length, ...reason]);
  const key = randomBytes(4);
  const masked = reason.map((byte, i) => byte ^ (key[i] as number));
  return Buffer.from([0x80 | CLOSE, MASKED | reason.length, ...key, ...masked]);
}
