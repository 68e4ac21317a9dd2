import type { Random } from '../faults/random.ts';
import { handshake } from '../support/handshakes.ts';
import {
  CONTENT_WORDS,
  LEAKING_LINES,
  METHODS,
  REQUEST_LINES,
  RESPONSE_LINES,
  SMUGGLED,
  STATUS_LINES,
  TARGETS,
  TOKEN,
  VERSIONS,
  WEBSOCKET_FRAMES,
} from './dictionary.ts';
import { mutate, toBytes } from './mutate.ts';

/** What `mutate` puts into messages of HTTP/1.1. */
const WORDS = [
  ...REQUEST_LINES.map((line) => `${line}\r\n`),
  ...CONTENT_WORDS,
  ...['HTTP/1.1 200 OK\r\n\r\n', 'GET / HTTP/1.1\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n', SMUGGLED],
];

const some = (random: Random, choices: readonly string[], most: number): readonly string[] =>
  Array.from({ length: random.between(0, most) }, () => random.pick(choices));

const toHead = (first: string, lines: readonly string[]): string =>
  `${[first, ...lines].join('\r\n')}\r\n\r\n`;

/** Content with the framing for it; at times they don't fit, or there is none. */
function toContent(random: Random): { readonly lines: readonly string[]; readonly text: string } {
  const dice = random.next();
  if (dice < 0.35) return { lines: [], text: '' };
  if (dice < 0.6) return { lines: ['Content-Length: 5'], text: 'hello' };
  if (dice < 0.85) {
    const text = `5\r\nhello\r\n${some(random, CONTENT_WORDS, 1).join('')}0\r\n\r\n`;
    return { lines: ['Transfer-Encoding: chunked'], text };
  }
  return { lines: some(random, ['Content-Length: 5', 'Transfer-Encoding: chunked'], 2), text: SMUGGLED };
}

function toRequest(random: Random): string {
  const method = random.pick(METHODS);
  const { lines, text } = method === 'GET' || method === 'HEAD' ? { lines: [], text: '' } : toContent(random);
  const first = `${method} ${random.next() < 0.8 ? '/a' : random.pick(TARGETS)} ${random.pick(VERSIONS)}`;
  return (
    toHead(first, [
      'Host: localhost',
      ...some(random, REQUEST_LINES, random.pick([0, 0, 1, 2, 4])),
      ...lines,
    ]) + text
  );
}

/** What a client of HTTP/1.1 sends on one connection. */
export function toRequests(random: Random): Buffer {
  const requests = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => toRequest(random));
  return mutate(toBytes(requests.join('')), random, WORDS);
}

/** What a client sends that asks for WebSocket, and frames behind. */
export function toHandshake(random: Random): Buffer {
  const lines = some(random, REQUEST_LINES, 2).map((line) => `${line}\r\n`);
  const text = handshake('/a', lines.join('')) + some(random, WEBSOCKET_FRAMES, 4).join('');
  return mutate(toBytes(text), random, [...WORDS, ...WEBSOCKET_FRAMES]);
}

function toResponse(random: Random, lines: readonly string[], isLeaking: boolean): string {
  const { lines: framing, text } = toContent(random);
  const trailers = isLeaking && text.endsWith('0\r\n\r\n') ? toLeakingTrailers(random) : '';
  const reason = isLeaking && random.next() < 0.1 ? `200 ${TOKEN}` : random.pick(STATUS_LINES);
  const head = toHead(`HTTP/1.1 ${reason}`, [...some(random, lines, random.pick([0, 1, 2, 4])), ...framing]);
  const content = trailers === '' ? text : text.slice(0, -2) + trailers;
  return head + content;
}

const toLeakingTrailers = (random: Random): string =>
  `${random.pick([`X-Sum: ${TOKEN}`, `X-${TOKEN}: 1`, 'X-Sum: 1'])}\r\n\r\n`;

/** What an upstream of HTTP/1.1 answers. `isLeaking`: in its heads it gives the token back, and then nothing is mutated. */
export function toResponses(random: Random, isLeaking: boolean): Buffer {
  const lines = isLeaking ? LEAKING_LINES : RESPONSE_LINES;
  const interim = random.next() < 0.2 ? [toHead('HTTP/1.1 103 Early Hints', some(random, lines, 3))] : [];
  const text = [...interim, toResponse(random, lines, isLeaking)].join('');
  if (isLeaking) return toBytes(text);
  const words = RESPONSE_LINES.map((line) => `${line}\r\n`);
  return mutate(toBytes(text), random, [...words, ...CONTENT_WORDS]);
}

/** What an upstream answers to a handshake: mostly a 101, and frames. */
export function toSwitches(random: Random, isLeaking: boolean): Buffer {
  const lines = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    ...some(random, isLeaking ? LEAKING_LINES : RESPONSE_LINES, 2),
  ];
  const text = toHead('HTTP/1.1 101 Switching Protocols', lines) + some(random, WEBSOCKET_FRAMES, 4).join('');
  return isLeaking ? toBytes(text) : mutate(toBytes(text), random, [...WORDS, ...WEBSOCKET_FRAMES]);
}
