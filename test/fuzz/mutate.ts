import type { Random } from '../faults/random.ts';

/** Text as bytes, one a character: all inputs are made of such text. */
export const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Bytes that mean something to some parser. */
const TELLING_BYTES = [0x00, 0x09, 0x0a, 0x0b, 0x0d, 0x20, 0x2c, 0x2d, 0x30, 0x3a, 0x3b, 0x7f, 0x80, 0xff];
const LONGEST_RUN = 40;
const MOST_REPEATS = 400;

type Mutation = (bytes: Buffer, random: Random, words: readonly string[]) => Buffer;

const cutRange = (bytes: Buffer, random: Random): readonly [from: number, to: number] => {
  const from = random.between(0, bytes.length);
  return [from, Math.min(bytes.length, from + random.between(1, LONGEST_RUN))];
};

const insert = (bytes: Buffer, at: number, ...pieces: readonly Buffer[]): Buffer =>
  Buffer.concat([bytes.subarray(0, at), ...pieces, bytes.subarray(at)]);

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    return Buffer.from(bytes).fill((bytes[at] ?? 0) ^ (1 << random.between(0, 7)), at, at + 1);
  },
  function replaceByte(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    const byte = random.next() < 0.5 ? random.pick(TELLING_BYTES) : random.between(0, 255);
    return Buffer.from(bytes).fill(byte, at, at + 1);
  },
  (bytes, random) =>
    insert(bytes, random.between(0, bytes.length), Buffer.from([random.pick(TELLING_BYTES)])),
  (bytes, random, words) => insert(bytes, random.between(0, bytes.length), toBytes(random.pick(words))),
  function insertWordAtLine(bytes, random, words) {
    const at = bytes.indexOf('\n', random.between(0, bytes.length));
    return insert(bytes, at === -1 ? 0 : at + 1, toBytes(random.pick(words)));
  },
  function remove(bytes, random) {
    const [from, to] = cutRange(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  function double(bytes, random) {
    const [from, to] = cutRange(bytes, random);
    return insert(bytes, to, bytes.subarray(from, to));
  },
  function move(bytes, random) {
    const [from, to] = cutRange(bytes, random);
    const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    return insert(rest, random.between(0, rest.length), bytes.subarray(from, to));
  },
  function repeat(bytes, random) {
    const [from, to] = cutRange(bytes, random);
    const run = bytes.subarray(from, to);
    return insert(bytes, to, ...Array.from({ length: random.between(2, MOST_REPEATS) }, () => run));
  },
  (bytes, random) => bytes.subarray(0, random.between(0, bytes.length)),
];

/** How many mutations an input gets: most few, so that what is behind the first check is reached, too. */
const COUNTS = [0, 0, 1, 1, 1, 1, 2, 2, 3, 5, 9];

/** The bytes with some of them changed, more often few than many, and sometimes none. `words` are what may be put in. */
export function mutate(bytes: Buffer, random: Random, words: readonly string[]): Buffer {
  let mutated = bytes;
  for (let left = random.pick(COUNTS); left > 0 && mutated.length > 0; left -= 1)
    mutated = random.pick(MUTATIONS)(mutated, random, words);
  return mutated;
}

/** Shortest input that is sent byte by byte no more. */
const TRICKLED_BYTES = 300;

/** The bytes in the pieces they are sent in. */
export function split(bytes: Buffer, random: Random): readonly Buffer[] {
  const dice = random.next();
  if (dice < 0.4 || bytes.length < 2) return [bytes];
  if (dice < 0.5 && bytes.length < TRICKLED_BYTES)
    return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  const cuts = Array.from({ length: random.between(1, 4) }, () => random.between(1, bytes.length - 1));
  const sorted = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((to, i) => bytes.subarray(sorted[i], to));
}
