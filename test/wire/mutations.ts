import type { Random } from '../faults/random.ts';
import { SMUGGLED } from './attack.ts';
import type { WireInput } from './stage.ts';

const CONTROLS = [
  '\0',
  '\u0001',
  '\b',
  '\t',
  '\n',
  '\u000b',
  '\f',
  '\r',
  '\r\n',
  ' ',
  '  ',
  '\u001f',
  '\u007f',
  '\u0085',
  '\u00a0',
  '\u00ff',
  ';',
  ',',
  ':',
  '"',
  '\\',
  '%00',
  '%2e',
  '%0d%0a',
] as const;

const LENGTHS = [
  '0',
  '1',
  '5',
  '005',
  '+5',
  '-1',
  '0x5',
  '5, 5',
  '5 5',
  '',
  '48',
  '99999999999999999999',
  '9007199254740993',
  '1e1',
  '5\u000b',
] as const;

const CODINGS = [
  'chunked',
  'Chunked',
  'identity',
  'chunked, identity',
  'identity, chunked',
  'gzip, chunked',
  'chunked, chunked',
  'xchunked',
  '\u000bchunked',
  'chunked\u00a0',
  '\u00a0chunked',
  '',
  '"chunked"',
  'chunked;x',
] as const;

/** Lines that change what a request means. */
const POISON = [
  'Content-Length: 0',
  'Content-Length: 5',
  `Content-Length: ${SMUGGLED.length}`,
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'transfer_encoding: chunked',
  'Host: localhost',
  'Host: evil.example',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: authorization, x-serverless-authorization, host',
  'Connection: content-length, transfer-encoding',
  'Connection:',
  'Authorization: Bearer evil',
  'X-Serverless-Authorization: Bearer evil',
  'X_Serverless_Authorization: Bearer evil',
  'Proxy-Authorization: Basic ZXZpbA==',
  'X-Forwarded-For: 8.8.8.8',
  'Forwarded: for=8.8.8.8',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Expect: 100-continue',
  'TE: trailers',
  'Trailer: X-Sum',
  'Origin: http://localhost:3000',
  'Cookie: a=b; c=d',
  ' folded',
  'X-A : b',
  ': b',
  'X-A',
] as const;

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'get',
  'FROB',
  'GET\t',
] as const;
const TARGETS = [
  '/',
  '/b',
  '/b/x',
  '/x?y',
  '//x',
  '/%2e%2e/x',
  '/../x',
  '*',
  'http://localhost/x',
  'http://evil.example/x',
  '/%',
  '/x#y',
  '/\\x',
  'x',
  '/b/../x',
  '/..;/x',
] as const;
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/1.1',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/0.9',
  'http/1.1',
  '',
  'HTTP/1.1 ',
] as const;
const SIZES = [
  '0',
  '5',
  '05',
  '4',
  '6',
  '0x5',
  '+5',
  '-5',
  ' 5',
  '5 ',
  '5;a=b',
  '5;',
  '5;\n',
  'g',
  '',
  'ffffffffffffffff',
  '10000000000000005',
] as const;

type Edit = (text: string, random: Random) => string;

/** Lines of the head, and what is behind it. */
function taken(text: string): { lines: string[]; rest: string } {
  const end = text.indexOf('\r\n\r\n');
  return end === -1
    ? { lines: text.split('\r\n'), rest: '' }
    : { lines: text.slice(0, end).split('\r\n'), rest: text.slice(end) };
}

/** Changes the head's lines. */
function onLines(change: (lines: string[], random: Random) => void): Edit {
  return (text, random) => {
    const { lines, rest } = taken(text);
    change(lines, random);
    return lines.join('\r\n') + rest;
  };
}

/** Changes one field line. */
function onLine(change: (line: string, random: Random) => string): Edit {
  return onLines((lines, random) => {
    const at = random.between(1, Math.max(1, lines.length - 1));
    lines[at] = change(lines[at] ?? '', random);
  });
}

/** Puts another value into the lines of a field; adds one where there is none. */
function setValue(name: string, values: readonly string[]): Edit {
  return onLines((lines, random) => {
    const at = lines.findIndex((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    const line = `${name}: ${random.pick(values)}`;
    if (at === -1) lines.push(line);
    else lines[at] = line;
  });
}

function onRequestLine(part: 0 | 1 | 2, values: readonly string[]): Edit {
  return onLines((lines, random) => {
    const parts = (lines[0] ?? '').split(' ');
    parts[part] = random.pick(values);
    lines[0] = parts.join(' ');
  });
}

const anywhere = (text: string, random: Random): number => random.between(0, text.length);
const splice = (text: string, at: number, cut: number, insert: string): string =>
  text.slice(0, at) + insert + text.slice(at + cut);

const EDITS: readonly Edit[] = [
  (text, random) => splice(text, anywhere(text, random), 0, random.pick(CONTROLS)),
  (text, random) => splice(text, anywhere(text, random), 1, String.fromCharCode(random.between(0, 255))),
  (text, random) => splice(text, anywhere(text, random), random.between(1, 3), ''),
  (text, random) => text.slice(0, anywhere(text, random)),
  (text, random) => {
    const at = anywhere(text, random);
    const letter = text[at] ?? '';
    return splice(text, at, 1, letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase());
  },
  // A line end that is none.
  (text, random) => {
    const ends = [...text.matchAll(/\r\n/g)].map(({ index }) => index);
    return ends.length === 0
      ? text
      : splice(text, random.pick(ends), 2, random.pick(['\n', '\r', '\n\r', '\r\r\n', '\r\n ', '\r\n\t']));
  },
  onLines((lines, random) => {
    const at = random.between(0, lines.length - 1);
    lines.splice(random.between(0, lines.length), 0, lines[at] ?? '');
  }),
  onLines((lines, random) => {
    const [line = ''] = lines.splice(random.between(0, lines.length - 1), 1);
    lines.splice(random.between(0, lines.length), 0, line);
  }),
  onLines((lines, random) => void lines.splice(random.between(0, lines.length - 1), 1)),
  onLines((lines, random) => void lines.splice(random.between(1, lines.length), 0, random.pick(POISON))),
  onLines((lines, random) => void lines.splice(random.between(1, lines.length), 0, random.pick(POISON))),
  onLine((line) => line.replace('-', '_')),
  onLine((line, random) =>
    line.replace(':', `${random.pick([' ', '\t', '\u000b', '\0', '\u00a0', '_', '-', '.'])}:`),
  ),
  onLine((line, random) => random.pick([' ', '\t', '\u0001', 'X-', '\u00a0', '_']) + line),
  onLine((line, random) =>
    line.replace(/: ?/, random.pick([':', ':\t', ': \t ', ':\u00a0', ':\u000b', ':\r\n ', '::'])),
  ),
  onLine((line, random) => line + random.pick([' ', '\t', ',', ', x', ';', '\u000b', '\u00a0', '\0', '\r'])),
  setValue('Content-Length', LENGTHS),
  setValue('Transfer-Encoding', CODINGS),
  setValue('Host', [
    'localhost',
    'evil.example',
    'localhost, evil.example',
    '',
    'localhost:80',
    '127.0.0.1',
    'localhost@evil.example',
    '[::1]',
  ]),
  onRequestLine(0, METHODS),
  onRequestLine(1, TARGETS),
  onRequestLine(2, VERSIONS),
  // Another request behind it, or in front.
  (text) => text + SMUGGLED,
  (text) => SMUGGLED + text,
  (text, random) => `${text}${random.pick(['\r\n', '\n', '0\r\n\r\n', ' ', 'X'])}${SMUGGLED}`,
  // A chunk's size.
  (text, random) => {
    const sizes = [...text.matchAll(/\r\n[0-9a-f]+(?=\r\n)/gi)];
    if (sizes.length === 0) return text;
    const size = random.pick(sizes);
    return splice(text, size.index + 2, size[0].length - 2, random.pick(SIZES));
  },
  (text, random) => text.replace(/\r\n0\r\n\r\n/, `\r\n0\r\n${random.pick(POISON)}\r\n\r\n`),
];

/** An input changed in one to four places, and cut into pieces. */
export function mutate({ name, segments }: WireInput, random: Random): WireInput {
  let text = segments.join('');
  for (let edits = random.between(1, 4); edits > 0; edits -= 1) text = random.pick(EDITS)(text, random);
  return { name: `a mutation of ${name}`, segments: cut(text, random) };
}

/** Half of them whole, the others in pieces; short ones byte by byte at times. */
function cut(text: string, random: Random): string[] {
  const way = random.between(0, 9);
  if (way < 5) return [text];
  if (way === 9 && text.length < 300) return [...text];
  const places = Array.from({ length: random.between(1, 4) }, () => anywhere(text, random)).sort(
    (a, b) => a - b,
  );
  return [0, ...places]
    .map((place, i) => text.slice(place, places[i] ?? text.length))
    .filter((piece) => piece !== '');
}

/** Requests that nothing is wrong with, so that mutations of them are close to passing. */
export const PROPER: readonly WireInput[] = [
  'GET /x?y=z HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n',
  'POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
  'POST /b/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n',
  'PUT /b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic b3du\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello',
  'HEAD /b/x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\nCookie: a=b\r\n\r\n',
  'DELETE /x HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 0\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n',
  'OPTIONS /x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\nAccess-Control-Request-Headers: x-a\r\n\r\n',
  'GET http://localhost/b/x HTTP/1.1\r\nHost: localhost\r\nProxy-Connection: keep-alive\r\n\r\n',
  'GET /x HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n',
  'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
].map((text, i) => ({ name: `proper request ${i}`, segments: [text] }));
