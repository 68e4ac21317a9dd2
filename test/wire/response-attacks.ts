import type { Random } from '../faults/random.ts';
import type { ResponseInput } from './responses.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const EVIL = `${OK}Content-Length: 4\r\n\r\nevil`;
const HELLO = 'Content-Length: 5\r\n\r\nhello';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

function toInputs(
  outcome: ResponseInput['outcome'],
  responses: Readonly<Record<string, string | readonly [bytes: string, hides: RegExp]>>,
  method: ResponseInput['method'] = 'GET',
): ResponseInput[] {
  return Object.entries(responses).map(([name, said]) => {
    const [bytes, hides] = typeof said === 'string' ? [said, undefined] : said;
    return { name: `${name} (${method})`, method, bytes, outcome, hides };
  });
}

const REFUSED = {
  'two lengths': `${OK}Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello${EVIL}`,
  'two equal lengths': `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  'a list of lengths': `${OK}Content-Length: 5, 5\r\n\r\nhello`,
  'a length and chunks': `${OK}Content-Length: 5\r\n${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n`,
  'chunks and a length': `${OK}${CHUNKED}Content-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ...Object.fromEntries(
    ['+5', '-5', '0x5', '5 5', '', '5;', '5\u00a0', '\u00a05', '1e1', '99999999999999999999'].map(
      (length) => [`a length of ${JSON.stringify(length)}`, `${OK}Content-Length: ${length}\r\n\r\nhello`],
    ),
  ),
  ...Object.fromEntries(
    [
      'identity',
      'gzip, chunked',
      'chunked, identity',
      'xchunked',
      'chunked, chunked',
      '\u00a0chunked',
      'chunked\u00a0',
      'chunked;x',
      '"chunked"',
      '',
    ].map((coding) => [
      `a coding of ${JSON.stringify(coding)}`,
      `${OK}Transfer-Encoding: ${coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ]),
  ),
  'two codings': `${OK}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`,
  'a coding in HTTP/1.0': `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n0\r\n\r\n`,
  ...Object.fromEntries(
    [
      'HTTP/1.1 20 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/1.1 099 OK',
      'HTTP/1.1 +20 OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1\t200 OK',
      'HTTP/2 200 OK',
      'HTTP/1.2 200 OK',
      'http/1.1 200 OK',
      'HTTP/1.1 OK',
      'HTTP/1.1',
      ' HTTP/1.1 200 OK',
      'HTTP/1.1 200OK',
      'HTTP/1.1 200 O\0K',
      'HTTP/1.1 200 O\rK',
      'ICY 200 OK',
      '<html>',
      'HTTP/1.1 2\u00b20 OK',
    ].map((line) => [`a status line of ${JSON.stringify(line)}`, `${line}\r\n${HELLO}`]),
  ),
  'an empty line in front': `\r\n${OK}${HELLO}`,
  'bare line feeds': 'HTTP/1.1 200 OK\nContent-Length: 5\n\nhello',
  'one bare line feed': `HTTP/1.1 200 OK\r\nX-A: b\nX-B: c\r\n${HELLO}`,
  'a bare carriage return': `${OK}X-A: b\rX-B: c\r\n${HELLO}`,
  'a folded line': `${OK}X-A: b\r\n c\r\n${HELLO}`,
  'a folded line with a tab': `${OK}X-A: b\r\n\tc\r\n${HELLO}`,
  'a space before the colon': `${OK}Content-Length : 5\r\n\r\nhello`,
  'a name with a control character': `${OK}X\u0001A: b\r\n${HELLO}`,
  'a name with a high byte': `${OK}X\u00e4: b\r\n${HELLO}`,
  'no name': `${OK}: b\r\n${HELLO}`,
  'no colon': `${OK}X-A\r\n${HELLO}`,
  'a NUL in a value': `${OK}X-A: b\0c\r\n${HELLO}`,
  'a switch of protocols nobody asked for':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'a flood of interim responses': `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(200)}${EVIL}`,
  'an interim response with a folded line': `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n x\r\n\r\n${EVIL}`,
  'chunks in an interim response': `HTTP/1.1 103 Early Hints\r\n${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n${EVIL}`,
} as const;

const BROKEN = Object.fromEntries(
  [
    '0x5\r\nhello\r\n0\r\n\r\n',
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '-5\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\n0\r\nX: y\r\n folded\r\n\r\n',
    '5\r\nhello\r\n0\r\nno colon\r\n\r\n',
    '5\r\nhello\r\n',
    'fffffffffffff\r\nhello',
    '5\r\nhel',
  ].map((chunks) => [`chunks of ${JSON.stringify(chunks)}`, `${OK}${CHUNKED}\r\n${chunks}`]),
);

/** Responses without content, and with what looks like some (R36). */
const BARE = {
  'a 204 with a length': 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',
  'a 204 with chunks announced': [`HTTP/1.1 204 No Content\r\n${CHUNKED}\r\n`, /transfer-encoding/i],
  'a 304 with a length': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
  'a 304 with chunks announced': [`HTTP/1.1 304 Not Modified\r\n${CHUNKED}\r\n`, /transfer-encoding/i],
} as const;

/** Content where there can't be any: the next request must not get it for its answer. Whether head and content come in one piece decides. */
const BODIED = {
  'a 204 with content': `HTTP/1.1 204 No Content\r\nContent-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
  'a 304 with content': `HTTP/1.1 304 Not Modified\r\nContent-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
  'a 204 with chunks': `HTTP/1.1 204 No Content\r\n${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n`,
  'a response behind the response': `${OK}${HELLO}${EVIL}`,
  'a byte behind the response': `${OK}${HELLO}x`,
  'a response behind the last chunk': `${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n${EVIL}`,
} as const;

const RELAYED = {
  'hop-by-hop fields (R26)': [
    `${OK}Connection: x-a, Content-Length\r\nX-A: 1\r\nKeep-Alive: timeout=99\r\nProxy-Authenticate: Basic\r\nProxy-Foo: x\r\nTE: x\r\nUpgrade: h2c\r\nAlt-Svc: h3\r\nTrailer: X-B\r\n${HELLO}`,
    /x-a|timeout=99|proxy-|te: x|upgrade|alt-svc|trailer/i,
  ],
  'an empty Connection first (R26)': [`${OK}Connection:\r\nConnection: x-a\r\nX-A: 1\r\n${HELLO}`, /x-a/i],
  'hop-by-hop fields in a 103 (R26)': [
    `HTTP/1.1 103 Early Hints\r\nConnection: x-a\r\nX-A: 1\r\nKeep-Alive: timeout=99\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n${OK}${HELLO}`,
    /x-a|timeout=99/i,
  ],
  'a trailer that frames': [
    `${OK}${CHUNKED}\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: identity\r\nSet-Cookie: a=b\r\n\r\n`,
    /content-length|identity|set-cookie/i,
  ],
  'the token in a field (R23)': [`${OK}X-Echo: Bearer token\r\n${HELLO}`, /x-echo/i],
  'a 100 nobody waits for': [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    /HTTP\/1\.1 100/,
  ],
  'no reason': `HTTP/1.1 200 \r\n${HELLO}`,
  'no space for a reason': `HTTP/1.1 200\r\n${HELLO}`,
  'a reason with high bytes': `HTTP/1.1 200 \u00e4\r\n${HELLO}`,
  'an unknown status': `HTTP/1.1 799 Odd\r\n${HELLO}`,
  'content up to the close': `${OK}X-A: b\r\n\r\nhello`,
  'HTTP/1.0': `HTTP/1.0 200 OK\r\n${HELLO}`,
  'a length with zeros in front': `${OK}Content-Length: 0005\r\n\r\nhello`,
  'an extension of a chunk': `${OK}${CHUNKED}\r\n5;a="b"\r\nhello\r\n0;c\r\n\r\n`,
} as const;

const HEADS = {
  'a length without content': `${OK}Content-Length: 5\r\n\r\n`,
  'chunks announced': `${OK}${CHUNKED}\r\n`,
} as const;

/** What upstreams may say, and must not. */
export const RESPONSE_ATTACKS: readonly ResponseInput[] = [
  ...toInputs('refused', REFUSED),
  ...toInputs(
    'refused',
    { 'two lengths': REFUSED['two lengths'], 'a length and chunks': REFUSED['a length and chunks'] },
    'HEAD',
  ),
  ...toInputs('broken', BROKEN),
  ...toInputs('broken', { 'less than announced': `${OK}Content-Length: 50\r\n\r\nhello` }),
  ...toInputs('relayed', BARE),
  ...toInputs('relayed', RELAYED),
  ...toInputs('relayed', RELAYED, 'POST'),
  ...toInputs('relayed', HEADS, 'HEAD'),
  ...toInputs(undefined, BODIED),
  ...toInputs(
    undefined,
    {
      content: `${OK}${HELLO}`,
      'another response as content': `${OK}Content-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
    },
    'HEAD',
  ),
];

const BITS = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  '\u00a0',
  '\u00ff',
  'x',
  '0',
  '5',
  'HTTP/1.1 200 OK\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 3\r\n',
  CHUNKED,
  'Connection: close\r\n',
  EVIL,
] as const;

/** So many responses changed in one to three places. */
export function* createResponseMutations(count: number, random: Random): Generator<ResponseInput> {
  const proper = RESPONSE_ATTACKS.filter(({ outcome }) => outcome === 'relayed' || outcome === undefined);
  for (let i = 0; i < count; i += 1) {
    const { name, method, bytes } = random.pick(i % 2 === 0 ? proper : RESPONSE_ATTACKS);
    let text = bytes;
    for (let edits = random.between(1, 3); edits > 0; edits -= 1) {
      const at = random.between(0, text.length);
      const insert = random.next() < 0.7 ? random.pick(BITS) : '';
      text = text.slice(0, at) + insert + text.slice(at + random.between(0, 2));
    }
    yield { name: `a mutation of ${name}`, method, bytes: text };
  }
}
