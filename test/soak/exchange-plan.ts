import { createRandom } from '../faults/random.ts';

/** One request and the response to it, which its target says all of: both sides know what has to arrive. */
export interface ExchangePlan {
  /** A route of the proxy, without its slash. */
  readonly route: string;
  /** The number of the request; the response bears it. */
  readonly number: number;
  readonly status: number;
  /** The response's content: so many bytes of the pool from there on. */
  readonly at: number;
  readonly bytes: number;
  /** 1: with a length. More: piece by piece, in chunks. */
  readonly pieces: number;
  /** Between two pieces. */
  readonly gapMs: number;
  /** Before the head. */
  readonly waitMs: number;
  /** The upstream closes its connection afterwards. */
  readonly isLast: boolean;
  /** The request's content, of the same pool; -1 for none. */
  readonly sentAt: number;
  readonly sentBytes: number;
}

/** Nothing out of the ordinary, and a request without content. */
export const PLAIN = {
  status: 200,
  pieces: 1,
  gapMs: 0,
  waitMs: 0,
  isLast: false,
  sentAt: -1,
  sentBytes: 0,
} as const;

/** The field that a response bears its request's number in. */
export const NUMBER_FIELD = 'x-soak-number';
/** The field in which an upstream says what was wrong with the request. */
export const FAULT_FIELD = 'x-soak-fault';

/** The longest content there is. */
export const MOST_BYTES = 524_288;
/** Content begins at any of so many places. */
export const PLACES = 524_288;

/** What all content is made of. As good as random, so that a byte too many, too few or of another response shows. */
const POOL = createPool();

function createPool(): Buffer {
  const random = createRandom(69);
  const pool = Buffer.alloc(MOST_BYTES + PLACES);
  for (let at = 0; at < pool.length; at += 4) pool.writeUInt32LE(random.between(0, 0xffffffff), at);
  return pool;
}

/** A view of the pool, not to be written to. */
export function toContent(at: number, bytes: number): Buffer {
  return POOL.subarray(at, at + bytes);
}

export function toTarget(plan: ExchangePlan): string {
  const { route, number, status, at, bytes, pieces, gapMs, waitMs, isLast, sentAt, sentBytes } = plan;
  const numbers = [number, status, at, bytes, pieces, gapMs, waitMs, Number(isLast), sentAt, sentBytes];
  return `/${route}/${numbers.join('/')}`;
}

/** @returns undefined for what `toTarget` can't have made */
export function readTarget(target: string): ExchangePlan | undefined {
  const [, route = '', ...texts] = target.split('/');
  const numbers = texts.map(Number);
  if (numbers.length !== 10 || !numbers.every(Number.isInteger)) return undefined;
  const [number, status, at, bytes, pieces, gapMs, waitMs, isLast, sentAt, sentBytes] = numbers as [
    ...(readonly [number, number, number, number, number]),
    ...(readonly [number, number, number, number, number]),
  ];
  return { route, number, status, at, bytes, pieces, gapMs, waitMs, isLast: isLast === 1, sentAt, sentBytes };
}

/** Compares content with what it has to be, as it comes. */
export class ContentCheck {
  readonly #expected: Buffer;
  #seen = 0;
  #isWrong = false;

  constructor(at: number, bytes: number) {
    this.#expected = toContent(at, bytes);
  }

  add(chunk: Buffer): void {
    const end = this.#seen + chunk.length;
    if (end > this.#expected.length || chunk.compare(this.#expected, this.#seen, end) !== 0)
      this.#isWrong = true;
    this.#seen = end;
  }

  /** @returns what is wrong with the whole of it */
  end(): string | undefined {
    const { length } = this.#expected;
    if (this.#seen !== length) return `${this.#seen} bytes of content instead of ${length}`;
    return this.#isWrong ? `content of the right length (${length}), but another one` : undefined;
  }
}
