import type { Fields } from '../support/http2-frames.ts';
import { SMUGGLED } from './attack.ts';
import type { Http2Input } from './http2-reader.ts';

export type Field = readonly [string, string];
const LINES = 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n';

/** The pseudo-header fields of a request, some of them others, and what comes behind. */
function head(change: Readonly<Record<string, string | null>> = {}, ...more: Fields): Fields {
  const pseudo = { ':method': 'GET', ':scheme': 'http', ':path': '/x', ':authority': 'localhost', ...change };
  const fields = Object.entries(pseudo).filter((entry): entry is [string, string] => entry[1] !== null);
  return [...fields, ...more];
}

const bad = (name: string, fields: Fields, data?: readonly string[]): Http2Input => ({
  name,
  fields,
  outcome: 'refused',
  ...(data !== undefined && { data }),
});
/** Refused, or taken without the field that is wrong. */
const odd = (name: string, fields: Fields, data?: readonly string[]): Http2Input => ({
  ...bad(name, fields, data),
  outcome: undefined,
});
const good = (name: string, fields: Fields, data?: readonly string[]): Http2Input => ({
  ...bad(name, fields, data),
  outcome: 'forwarded',
});
const post = (...more: Fields): Fields => head({ ':method': 'POST' }, ...more);

const VALUES = [
  'x\r\nX-B: c',
  'x\nX-B: c',
  'x\rX-B: c',
  'x\0',
  '\0',
  `x\r\n${LINES}${SMUGGLED}`,
  'x\r\n\r\n',
  '\r\n',
  'x\u000b\u007f',
  'x\u0001',
] as const;
const NAMES = [
  'x-a: b\r\nx-b',
  'x-a\r\n',
  'x\n',
  'x\0',
  'X-Upper',
  'Transfer-Encoding',
  'Content-Length',
  'x a',
  ' x',
  'x ',
  'x:',
  ':x',
  ':',
  '',
  'x\u00e4',
  'x(',
  'x/',
  '\t',
  `x: y\r\n${LINES}`,
] as const;
const PATHS = [
  '',
  'x',
  ' /x',
  '/x y',
  '/x HTTP/1.1\r\nHost: evil.example\r\n\r\n',
  '/x\r\nX-B: c',
  '/x\n',
  '/x\0',
  '/x\t',
  '/x#y',
  '/\\x',
  '/../x',
  '/%2e%2e/x',
  '/b/../x',
  '*',
  '*/x',
  'http://localhost/x',
  'http://evil.example/x',
  '//evil.example',
  '/x\u007f',
] as const;
const METHODS = [
  '',
  'GET /b/x HTTP/1.1\r\nX: y',
  'G ET',
  'GET\r\n',
  'GET\0',
  'GET:',
  'CONNECT',
  'TRACE',
  'GET\u00e4',
] as const;
const AUTHORITIES = [
  '',
  'evil.example',
  'localhost\r\nX-B: c',
  'localhost@evil.example',
  'user@localhost',
  'localhost, evil.example',
  'localhost evil.example',
  'localhost\0',
  'localhost/x',
  'http://localhost',
  '[::1',
  'localhost:x',
] as const;

/** What a field may not say, as it could not be written in HTTP/1.1 as one. */
export const HTTP2_ATTACKS: readonly Http2Input[] = [
  ...VALUES.map((value) => odd(`a value of ${JSON.stringify(value)}`, head({}, ['x-a', value]))),
  ...VALUES.map((value) =>
    odd(`a value of ${JSON.stringify(value)} with content`, post(['x-a', value]), [SMUGGLED]),
  ),
  ...NAMES.map((name) => odd(`a name of ${JSON.stringify(name)}`, head({}, [name, 'chunked'], ['x-c', 'd']))),
  ...PATHS.map(
    (path): Http2Input => ({
      ...bad(`a path of ${JSON.stringify(path)}`, head({ ':path': path })),
      outcome: path.startsWith('//') || path.startsWith('http://localhost') ? undefined : 'refused',
    }),
  ),
  ...METHODS.map((method) => bad(`a method of ${JSON.stringify(method)}`, head({ ':method': method }))),
  ...AUTHORITIES.map((authority) =>
    bad(`an authority of ${JSON.stringify(authority)}`, head({ ':authority': authority })),
  ),
  ...AUTHORITIES.map((host) =>
    (host === 'evil.example' ? bad : odd)(
      `a Host of ${JSON.stringify(host)} beside the authority`,
      head({}, ['host', host]),
    ),
  ),
  ...AUTHORITIES.map((host) =>
    bad(
      `a Host of ${JSON.stringify(host)} instead of an authority`,
      head({ ':authority': null }, ['host', host]),
    ),
  ),
  bad('two Hosts', head({ ':authority': null }, ['host', 'localhost'], ['host', 'localhost'])),
  bad('no authority', head({ ':authority': null })),
  good('a Host alone', head({ ':authority': null }, ['host', 'localhost'])),
  good('a Host that says the same', head({}, ['host', 'localhost'])),
  ...[':method', ':path', ':scheme', ':authority'].map((name) =>
    bad(`${name} twice`, [...head(), [name, name === ':path' ? '/b' : 'GET']]),
  ),
  ...[':method', ':path', ':scheme'].map((name) => bad(`no ${name}`, head({ [name]: null }))),
  ...[':status', ':protocol', ':foo'].map((name) => bad(`${name} in a request`, head({ [name]: 'x' }))),
  bad(':path behind the fields', [...head({ ':path': null }, ['x-a', 'b']), [':path', '/x']]),
  bad('a scheme with a path in it', head({ ':scheme': 'http://evil.example/?' })),
  ...(
    [
      ['transfer-encoding', 'chunked'],
      ['transfer-encoding', 'identity'],
      ['connection', 'close'],
      ['connection', 'authorization, host'],
      ['keep-alive', 'timeout=5'],
      ['proxy-connection', 'keep-alive'],
      ['upgrade', 'websocket'],
      ['te', 'gzip'],
      ['te', 'trailers, chunked'],
    ] satisfies Field[]
  ).map((field) => bad(`${field.join(': ')}`, post(field), [SMUGGLED])),
  ...['0', '4', '6', '+5', '-5', '5, 5', '0x5', '', '99999999999999999999', '18446744073709551621'].map(
    (length) => bad(`a length of ${JSON.stringify(length)}`, post(['content-length', length]), ['hello']),
  ),
  // Older versions of Node leave the field out.
  ...['5 ', ' 5'].map((length) =>
    odd(`a length of ${JSON.stringify(length)}`, post(['content-length', length]), ['hello']),
  ),
  bad('two lengths', post(['content-length', '5'], ['content-length', '5']), ['hello']),
  bad('a length, and no content', post(['content-length', '5'])),
  good('a length of nothing, and no content', post(['content-length', '0'])),
  good('a length, and content in pieces', post(['content-length', '5']), ['he', '', 'llo']),
  good('content without a length', post(), [SMUGGLED]),
  good('content of GET', head(), [SMUGGLED]),
  good('content of DELETE', head({ ':method': 'DELETE' }), [SMUGGLED]),
  good('content of OPTIONS', head({ ':method': 'OPTIONS' }), ['']),
  good('content of HEAD', head({ ':method': 'HEAD' }, ['content-length', '5']), ['hello']),
  good('a length with an underscore', post(['content_length', '0'], ['transfer_encoding', 'chunked']), [
    'hello',
  ]),
  good(
    'credentials of the client’s own',
    head(
      {},
      ['authorization', 'Bearer evil'],
      ['x-serverless-authorization', 'Bearer evil'],
      ['proxy-authorization', 'x'],
      ['x_serverless_authorization', 'x'],
    ),
  ),
  good(
    'a route that keeps the client’s',
    head({ ':path': '/b/x' }, ['authorization', 'Basic b3du'], ['x-serverless-authorization', 'Bearer evil']),
  ),
  bad(
    'a route that keeps the client’s, which has two',
    head({ ':path': '/b/x' }, ['authorization', 'a'], ['authorization', 'b']),
  ),
  good(
    'what the client says of whom it forwards for',
    head(
      {},
      ['x-forwarded-for', '8.8.8.8'],
      ['forwarded', 'for=8.8.8.8'],
      ['x_forwarded_host', 'evil.example'],
    ),
  ),
  good('cookies in pieces', head({}, ['cookie', 'a=b'], ['x-a', '1'], ['cookie', 'c=d'])),
  good(
    'odd but proper fields',
    head({}, ["!#$%&'*+.^_`|~", 'x'], ['x', '\u00ff\u0080'], ['x-empty', ''], ['__proto__', 'x'], ['x', 'y']),
  ),
  good('a preface of HTTP/1.1 as content', post(), ['POST /b HTTP/1.1\r\nHost: localhost\r\n\r\n']),
  {
    ...good('trailers', post(['te', 'trailers'], ['trailer', 'x-sum']), ['hello']),
    trailers: [
      ['x-sum', '1'],
      ['authorization', 'Bearer evil'],
      ['x-serverless-authorization', 'x'],
      ['x_serverless_authorization', 'x'],
    ],
  },
  {
    ...odd('trailers that frame and route', post(), ['hello']),
    trailers: [
      ['x-sum', '1'],
      ['content-length', '9'],
      ['host', 'evil.example'],
    ],
  },
  { ...odd('a trailer with a line end', post(), ['hello']), trailers: [['x-sum', `1\r\n\r\n${SMUGGLED}`]] },
  {
    ...odd('a trailer with a line end in its name', post(), ['hello']),
    trailers: [['x-sum: 1\r\n\r\nGET /b HTTP/1.1\r\nhost', 'localhost']],
  },
  { ...bad('a pseudo-header field as a trailer', post(), ['hello']), trailers: [[':path', '/b']] },
  { ...bad('a coding as a trailer', post(), ['hello']), trailers: [['transfer-encoding', 'chunked']] },
  { ...good('a field block in pieces', head({}, ['x-a', 'b'.repeat(100)])), blockBytes: 30 },
  { ...bad('a field block in pieces, with a line end', head({}, ['x-a', 'b\r\nX-B: c'])), blockBytes: 3 },
];
