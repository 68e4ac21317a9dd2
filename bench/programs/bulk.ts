import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** A body as far as it has to arrive whole. */
export interface Sum {
  readonly bytes: number;
  readonly crc: number;
}

export const NOTHING: Sum = { bytes: 0, crc: 0 };

/** The sum of a body that has one more piece. */
export function add({ bytes, crc }: Sum, piece: Buffer): Sum {
  return { bytes: bytes + piece.length, crc: crc32(piece, crc) };
}

const BLOCK_BYTES = 65_536;

/** Bytes without a pattern: what is lost, doubled or out of place shows. */
const block = Buffer.concat(
  Array.from({ length: BLOCK_BYTES / 64 }, (_, index) => createHash('sha512').update(`${index}`).digest()),
);

/** What a long body is written to. */
interface Sink {
  write(piece: Buffer): boolean;
  once(event: 'drain', listener: () => void): unknown;
  end(): unknown;
}

/** Writes this many bytes, no faster than they are taken, and gives their sum. */
export async function writeBulk(sink: Sink, bytes: number): Promise<Sum> {
  let sum = NOTHING;
  while (sum.bytes < bytes) {
    const piece = block.subarray(0, Math.min(BLOCK_BYTES, bytes - sum.bytes));
    sum = add(sum, piece);
    if (!sink.write(piece)) await new Promise<void>((resolve) => sink.once('drain', resolve));
  }
  sink.end();
  return sum;
}

/** Reads to the end, and gives the sum. */
export async function readBulk(source: AsyncIterable<Buffer>): Promise<Sum> {
  let sum = NOTHING;
  for await (const piece of source) sum = add(sum, piece);
  return sum;
}
