import type { Random } from '../faults/random.ts';
import { Flag, Frame, PREFACE, toFieldBlock, toFrame, toUint32 } from '../support/http2-frames.ts';
import { LEAKING_LINES, METHODS, REQUEST_LINES, RESPONSE_LINES, TARGETS } from './dictionary.ts';
import { mutate } from './mutate.ts';

type Field = readonly [name: string, value: string];

/** What `mutate` puts into frames: whole ones, some of them malformed. */
const WORDS = [
  toFrame(Frame.settings, 0, 0),
  toFrame(Frame.settings, Flag.ack, 0),
  toFrame(Frame.settings, 0, 0, Buffer.from([0, 4, 0xff, 0xff, 0xff, 0xff])),
  toFrame(Frame.settings, 0, 0, Buffer.from([0, 1, 0, 0, 0, 0])),
  toFrame(Frame.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 0])),
  toFrame(Frame.settings, 0, 0, Buffer.alloc(7)),
  toFrame(Frame.ping, 0, 0, Buffer.alloc(8)),
  toFrame(Frame.ping, 0, 1, Buffer.alloc(3)),
  toFrame(Frame.goAway, 0, 0, Buffer.alloc(8)),
  toFrame(Frame.goAway, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
  toFrame(Frame.rstStream, 0, 1, toUint32(7)),
  toFrame(Frame.rstStream, 0, 1, toUint32(8)),
  toFrame(Frame.rstStream, 0, 99, toUint32(0)),
  toFrame(Frame.windowUpdate, 0, 0, toUint32(0)),
  toFrame(Frame.windowUpdate, 0, 1, toUint32(0x7f_ff_ff_ff)),
  toFrame(Frame.priority, 0, 1, Buffer.alloc(5)),
  toFrame(Frame.pushPromise, Flag.endHeaders, 1, Buffer.from([0, 0, 0, 2, 0x82])),
  toFrame(Frame.continuation, Flag.endHeaders, 1, Buffer.from([0x88])),
  toFrame(Frame.data, 0, 0, Buffer.from('x')),
  toFrame(Frame.data, 8, 1, Buffer.from([9, 1])),
  toFrame(200, 0xff, 1, Buffer.from('unknown')),
  Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
  Buffer.from([0, 0, 0x0a, 1, 0x24, 0, 0, 0, 1]),
  Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
].map((bytes) => bytes.toString('latin1'));

/** A field line as HTTP/2 has it, mostly in lower case. */
function toField(line: string, random: Random): Field {
  const colon = line.indexOf(':', 1);
  const name = colon === -1 ? line : line.slice(0, colon);
  const value = colon === -1 ? '' : line.slice(colon + 1).trimStart();
  return [random.next() < 0.95 ? name.toLowerCase() : name, value];
}

const some = (random: Random, lines: readonly string[], most: number): readonly Field[] =>
  Array.from({ length: random.between(0, most) }, () => toField(random.pick(lines), random));

/** A head in one frame, or in several. */
function toHead(streamId: number, fields: readonly Field[], isEnd: boolean, random: Random): Buffer {
  const block = toFieldBlock(fields);
  const end = isEnd ? Flag.endStream : 0;
  if (random.next() < 0.8) return toFrame(Frame.headers, end | Flag.endHeaders, streamId, block);
  const at = random.between(0, block.length);
  return Buffer.concat([
    toFrame(Frame.headers, end, streamId, block.subarray(0, at)),
    toFrame(Frame.continuation, Flag.endHeaders, streamId, block.subarray(at)),
  ]);
}

/** Content in two frames, and perhaps trailers. */
function toContent(streamId: number, trailers: readonly Field[] | undefined, random: Random): Buffer {
  const isLast = trailers === undefined;
  return Buffer.concat([
    toFrame(Frame.data, 0, streamId, Buffer.from('he')),
    toFrame(Frame.data, isLast && random.next() < 0.9 ? Flag.endStream : 0, streamId, Buffer.from('llo')),
    ...(isLast ? [] : [toHead(streamId, trailers, true, random)]),
  ]);
}

function toRequest(streamId: number, random: Random): Buffer {
  const method = random.pick([...METHODS, 'CONNECT']);
  const path = random.next() < 0.8 ? '/a' : random.pick(TARGETS);
  const pseudo: Field[] = [
    [':method', method],
    [':scheme', random.pick(['http', 'http', 'https', 'ftp'])],
    [':path', path],
    [':authority', random.pick(['localhost', 'localhost', 'localhost', 'evil.example', ''])],
  ];
  if (random.next() < 0.1) pseudo.splice(random.between(0, 3), 1);
  const fields = some(random, REQUEST_LINES, random.pick([0, 0, 1, 2, 4]));
  const hasBody = random.next() < 0.4;
  const trailers = random.next() < 0.3 ? some(random, REQUEST_LINES, 2) : undefined;
  const all = random.next() < 0.95 ? [...pseudo, ...fields] : [...fields, ...pseudo];
  const head = toHead(streamId, all, !hasBody, random);
  return hasBody ? Buffer.concat([head, toContent(streamId, trailers, random)]) : head;
}

/** What a client of HTTP/2 sends on one connection. */
export function toRequests(random: Random): Buffer {
  const preface = random.next() < 0.95 ? Buffer.from(PREFACE) : mutate(Buffer.from(PREFACE), random, WORDS);
  const count = random.pick([1, 1, 2, 3, 6]);
  const requests = Array.from({ length: count }, (_, at) =>
    toRequest(random.next() < 0.9 ? at * 2 + 1 : random.between(0, 9), random),
  );
  const frames = [toFrame(Frame.settings, 0, 0), ...requests];
  return Buffer.concat([preface, mutate(Buffer.concat(frames), random, WORDS)]);
}

/** What an upstream of HTTP/2 answers; stream 1 is that of a new connection's first request. `isLeaking` as in HTTP/1.1. */
export function toResponses(random: Random, isLeaking: boolean): Buffer {
  const lines = isLeaking ? LEAKING_LINES : RESPONSE_LINES;
  const status = random.pick([
    '200',
    '200',
    '200',
    '204',
    '304',
    '401',
    '403',
    '404',
    '500',
    '101',
    '99',
    'x',
  ]);
  const interim: Field[] = [[':status', random.pick(['103', '100', '101'])], ...some(random, lines, 2)];
  const hasBody = random.next() < 0.7;
  const trailers = random.next() < 0.4 ? some(random, lines, 2) : undefined;
  const frames = [
    ...(random.next() < 0.15 ? [toHead(1, interim, false, random)] : []),
    toHead(1, [[':status', status], ...some(random, lines, random.pick([0, 1, 2, 4]))], !hasBody, random),
    ...(hasBody ? [toContent(1, trailers, random)] : []),
  ];
  return isLeaking ? Buffer.concat(frames) : mutate(Buffer.concat(frames), random, WORDS);
}

/** What such an upstream says first: it takes the connection. */
export function toGreeting(random: Random): Buffer {
  const greeting = Buffer.concat([toFrame(Frame.settings, 0, 0), toFrame(Frame.settings, Flag.ack, 0)]);
  return random.next() < 0.9 ? greeting : mutate(greeting, random, WORDS);
}
