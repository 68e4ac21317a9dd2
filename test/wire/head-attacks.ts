import { type Attack, CHUNKED, get, post, request, SMUGGLED } from './attack.ts';

import { HOSTS, REQUEST_LINES, TARGETS } from './target-attacks.ts';

const FIELD_LINES: readonly Attack[] = [
  ...[
    'X-A : b',
    'X-A\t: b',
    'X A: b',
    ': b',
    ' X-A: b',
    '\tX-A: b',
    'X-A',
    'X-A b',
    'X-\u0000A: b',
    'X-\u00c4: b',
    'X-A\u007f: b',
    'X(A): b',
    'X"A": b',
    'X/A: b',
    'X@A: b',
    'X[A]: b',
    '{X}: b',
    'X,A: b',
    'X;A: b',
    'X=A: b',
    'X?A: b',
    'X\\A: b',
    'X<A>: b',
    'X-A: b\u0000',
    'X-A: b\u0001',
    'X-A: b\u007f',
    'X-A: \u0008',
    'X-A: b\rX-B: c',
    'X-A: b\nX-B: c',
    'X-A: b\n\rX-B: c',
    'X-A: b\r\n c',
    'X-A: b\r\n\tc',
    'X-A: b\r\n \r\nX-B: c',
    'X-A:\r\n b',
    '\u0000',
    '\r',
    ' ',
    '\u001f: b',
    ':authority: evil.example',
    ':path: /evil',
  ].map((line): Attack => [`a line of ${JSON.stringify(line)}`, get([line, 'X-C: d']), 'refused']),
  [
    'odd but proper fields',
    get([
      "!#$%&'*+.^_`|~: x",
      'X: \u00ff\u0080',
      'X-Empty:',
      'x-a: 1',
      'X-A: 2',
      'X-a:  3 \t',
      'X-Y: a:b: c',
      'X_Y: z',
      '__proto__: x',
      'constructor: y',
      'toString: z',
    ]),
    'forwarded',
  ],
  ['as many lines as are taken (R31)', get(Array.from({ length: 255 }, (_, i) => `X-${i}: y`)), 'forwarded'],
  ['one line more (R31)', get(Array.from({ length: 256 }, (_, i) => `X-${i}: y`)), 'refused'],
  [
    'a length behind too many lines (R31)',
    post([...Array.from({ length: 1_100 }, () => 'X: y'), 'Content-Length: 48'], SMUGGLED),
    'refused',
  ],
  ['a head too large (R31)', get([`X-A: ${'y'.repeat(33_000)}`]), 'refused'],
  ['a target too long (R31)', request(`GET /${'x'.repeat(17_000)}`), 'refused'],
];

/** R17 to R19, R24, R26, R39. */
const CREDENTIALS: readonly Attack[] = [
  ['a credential of the client’s own', get(['Authorization: Bearer evil']), 'forwarded'],
  [
    'all kinds of credentials',
    get([
      'authorization: Basic ZXZpbA==',
      'X-Serverless-Authorization: Bearer evil',
      'x-serverless-authorization: Bearer evil',
      'Proxy-Authorization: Basic ZXZpbA==',
      'X_Serverless_Authorization: Bearer evil',
      'x-serverless_authorization: Bearer evil',
      'Proxy_Authorization: x',
      'AUTHORIZATION_: x',
    ]),
    'forwarded',
  ],
  [
    'a route that keeps the client’s',
    request('GET /b/x', ['Authorization: Basic b3du', 'X-Serverless-Authorization: Bearer evil']),
    'forwarded',
  ],
  [
    'a route that keeps the client’s, which has two',
    request('GET /b/x', ['Authorization: Basic b3du', 'authorization: Bearer evil']),
    'refused',
  ],
  [
    'a route that keeps the client’s, with an underscore',
    request('GET /b/x', ['X_Serverless-Authorization: Bearer evil', 'Authorization: Basic b3du']),
    'forwarded',
  ],
  [
    'the other route’s token',
    `${request('GET /b/x', ['X-Serverless-Authorization: Bearer token-of-a'])}${get(['Authorization: Bearer token-of-b'])}`,
    'forwarded',
  ],
  ...[
    'authorization',
    'x-serverless-authorization',
    'host',
    'authorization, x-serverless-authorization, host',
    'close, authorization',
    'x-forwarded-for, x-forwarded-host, x-forwarded-proto, forwarded',
    'content-length, transfer-encoding',
    'cookie, x-a',
    'keep-alive, , x-a',
    'X-A;q=1, x-a',
    '"x-a"',
    'connection',
    'te, x-a',
    'upgrade',
    'proxy-authorization',
    'x\u00e4',
    'close\t,\tAuthorization',
  ].flatMap((value): Attack[] => [
    [`Connection: ${value}`, get([`Connection: ${value}`, 'Cookie: a=b', 'X-A: 1', 'X-B: 2']), 'forwarded'],
    [
      `Connection: ${value}, on the other route`,
      request(
        'POST /b',
        ['Authorization: Basic b3du', `connection: ${value}`, 'Content-Length: 5', 'X-A: 1'],
        'hello',
      ),
      'forwarded',
    ],
  ]),
  [
    'an empty Connection first (CVE-2021-33197)',
    get(['Connection:', 'Connection: authorization, x-a', 'X-A: 1', 'Authorization: Bearer evil']),
    'forwarded',
  ],
  [
    'hop-by-hop fields',
    get([
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Foo: x',
      'TE: gzip, trailers;q=0.5',
      'Connection: TE',
      'Upgrade: h2c',
      'HTTP2-Settings: AAAA',
    ]),
    'forwarded',
  ],
  [
    'an upgrade to HTTP/2, and its preface behind',
    `${get(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'])}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
  ],
  [
    'what the client says of whom it forwards for',
    get([
      'X-Forwarded-For: 8.8.8.8',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Prefix: /evil',
      'x_forwarded_for: 8.8.8.8',
      'Forwarded: for=8.8.8.8',
      'X-Forwarded-Anything: x',
      'X-Real-IP: 8.8.8.8',
    ]),
    'forwarded',
  ],
  [
    'fields that are looked at, with underscores',
    get(['Sec_Fetch_Site: same-origin', 'Content_Type: x', 'Referer_: x', 'cookie_: x', 'Origin_: x']),
    'forwarded',
  ],
];

const HANDSHAKE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

const HANDSHAKES: readonly Attack[] = [
  ['a handshake that its upstream does not take', get(HANDSHAKE), 'forwarded'],
  ['a handshake, and a request behind it', `${get(HANDSHAKE)}${SMUGGLED}`],
  ['a handshake with a body', get([...HANDSHAKE, `Content-Length: ${SMUGGLED.length}`], SMUGGLED), 'refused'],
  ['a handshake with chunks', get([...HANDSHAKE, CHUNKED], `0\r\n\r\n${SMUGGLED}`), 'refused'],
  // Older versions of Node take its content for the other protocol, so it is refused there.
  ['a handshake by POST', post([...HANDSHAKE, 'Content-Length: 5'], 'hello')],
  [
    'a handshake that names credentials in Connection',
    get([
      'Connection: Upgrade, authorization, host, x-a',
      ...HANDSHAKE.slice(1),
      'Authorization: Bearer evil',
      'X-A: 1',
    ]),
    'forwarded',
  ],
  ['a handshake for two protocols', `${get(['Connection: Upgrade', 'Upgrade: websocket, h2c'])}${SMUGGLED}`],
  [
    'a handshake in HTTP/1.0',
    'GET /x HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'forwarded',
  ],
];

const SEQUENCES: readonly Attack[] = [
  [
    'requests in a row, for both routes',
    `${get([])}${request('POST /b/x', ['Content-Length: 5'], 'hello')}${post([CHUNKED], '5\r\nhello\r\n0\r\n\r\n')}${request('HEAD /b')}${request('DELETE /p')}${SMUGGLED}`,
    'forwarded',
  ],
  ['an empty line between requests', `${post(['Content-Length: 5'], 'hello')}\r\n${SMUGGLED}`, 'forwarded'],
  ['a request behind the last one', `${get(['Connection: close'])}${SMUGGLED}`],
  ['garbage behind a request', `${get([])}\u0000\u0001\u0002`],
  ['a request behind a refused one', `${request('GET /x', [], '', 'evil.example')}${SMUGGLED}`],
  [
    'a request behind one of a stranger’s page',
    `${post(['Origin: https://evil.example', 'Content-Length: 5'], 'hello')}${SMUGGLED}`,
  ],
  ['a tunnel behind a request', `${get([])}${request('CONNECT localhost:443')}${SMUGGLED}`],
  ['a request behind one for another protocol', `${get(['Connection: Upgrade', 'Upgrade: h2c'])}${SMUGGLED}`],
  ['a response in place of a request', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'refused'],
  [
    'TLS in place of a request',
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
    'refused',
  ],
];

/** Request lines, fields, credentials, and what comes behind them. */
export const HEAD_ATTACKS = {
  'R11, R13, R14, R15, R16: targets': TARGETS,
  'R12: request lines': REQUEST_LINES,
  'R4, R11: hosts': HOSTS,
  'R27, R31: field lines': FIELD_LINES,
  'R17, R18, R19, R24, R26, R39: credentials, and what is about the connection': CREDENTIALS,
  'R26, R46: handshakes': HANDSHAKES,
  'R28: requests in a row': SEQUENCES,
} satisfies Readonly<Record<string, readonly Attack[]>>;
