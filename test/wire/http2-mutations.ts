import type { Random } from '../faults/random.ts';
import { SMUGGLED } from './attack.ts';
import { type Field, HTTP2_ATTACKS } from './http2-attacks.ts';
import type { Http2Input } from './http2-reader.ts';

const POISON: readonly Field[] = [
  ['content-length', '0'],
  ['content-length', '5'],
  ['content-length', '48'],
  ['transfer-encoding', 'chunked'],
  ['transfer_encoding', 'chunked'],
  ['connection', 'authorization'],
  ['host', 'localhost'],
  ['host', 'evil.example'],
  ['authorization', 'Bearer evil'],
  ['x-serverless-authorization', 'Bearer evil'],
  ['te', 'trailers'],
  ['expect', '100-continue'],
  ['trailer', 'x-sum'],
  ['cookie', 'a=b'],
  ['x-a', 'b'],
  [':path', '/b'],
  [':authority', 'localhost'],
  ['upgrade', 'websocket'],
];
const BITS = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  '_',
  '\u00ff',
  '\u000b',
  '%2e',
  '/',
  '..',
  'X',
  `\r\n\r\n${SMUGGLED}`,
] as const;

type Edit = (fields: Field[], random: Random) => void;

const at = (fields: readonly Field[], random: Random): number =>
  random.between(0, Math.max(0, fields.length - 1));
const insert = (text: string, random: Random): string => {
  const place = random.between(0, text.length);
  return text.slice(0, place) + random.pick(BITS) + text.slice(place);
};

function onField(change: (field: Field, random: Random) => Field): Edit {
  return (fields, random) => {
    const place = at(fields, random);
    fields[place] = change(fields[place] ?? ['x', 'y'], random);
  };
}

const EDITS: readonly Edit[] = [
  (fields, random) => void fields.splice(random.between(4, fields.length), 0, random.pick(POISON)),
  (fields, random) => void fields.splice(random.between(0, fields.length), 0, random.pick(POISON)),
  (fields, random) =>
    void fields.splice(random.between(0, fields.length), 0, fields[at(fields, random)] ?? ['x', 'y']),
  (fields, random) => void fields.splice(at(fields, random), 1),
  (fields, random) =>
    void fields.splice(random.between(0, fields.length), 0, ...fields.splice(at(fields, random), 1)),
  onField(([name, value], random) => [name, insert(value, random)]),
  onField(([name, value], random) => [insert(name, random), value]),
  onField(([name, value]) => [name.toUpperCase(), value]),
  onField(([name, value]) => [name.replace('-', '_'), value]),
  onField(([name, value], random) => [name, value.slice(0, random.between(0, value.length))]),
];

/** An input changed in one or two places. */
export function mutateHttp2({ name, fields, data, trailers }: Http2Input, random: Random): Http2Input {
  const changed = [...fields];
  for (let edits = random.between(1, 2); edits > 0; edits -= 1) random.pick(EDITS)(changed, random);
  const changedTrailers = trailers === undefined ? undefined : [...trailers];
  if (changedTrailers !== undefined && random.next() < 0.5) random.pick(EDITS)(changedTrailers, random);
  const content =
    random.next() < 0.3 ? random.pick([undefined, [''], ['hello'], ['he', 'llo'], [SMUGGLED]]) : data;
  return {
    name: `a mutation of ${name}`,
    fields: changed,
    ...(content !== undefined && { data: content }),
    ...(content !== undefined && changedTrailers !== undefined && { trailers: changedTrailers }),
    ...(random.next() < 0.2 && { blockBytes: random.between(10, 60) }),
  };
}

/** So many mutations of all of them. */
export function* createHttp2Mutations(count: number, random: Random): Generator<Http2Input> {
  const proper = HTTP2_ATTACKS.filter(({ outcome }) => outcome === 'forwarded');
  for (let i = 0; i < count; i += 1)
    yield mutateHttp2(random.pick(i % 2 === 0 ? proper : HTTP2_ATTACKS), random);
}
