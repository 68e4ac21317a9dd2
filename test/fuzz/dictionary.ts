/**
 * The token of the relays under test. X and Z have eight bits each in HPACK's Huffman code (RFC 7541, appendix B), so that it is
 * found in compressed heads as well.
 */
export const TOKEN = 'XZZXZXXZZZXXXZXZXXZZXZXZZZXXZXZX';
/** What a client has instead. */
export const THEIRS = 'theirs';
/** Where a client can ask for what a sloppy proxy would take for another request. */
export const SMUGGLED = `GET /smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${THEIRS}\r\n\r\n`;

export const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE'];

export const TARGETS = [
  ...['/', '/', '/a', '/a?b', '//a', '/a//b', '/?', '*', '', 'http://localhost/a', 'http://evil.example/'],
  ...[
    '/../a',
    '/%2e%2e/a',
    '/..%5ca',
    '/%252e%252e/',
    '/%c0%ae',
    '/%zz',
    '/a#b',
    '/\xe4',
    '/a;b',
    'localhost:1',
  ],
  `/${'long/'.repeat(4_000)}`,
];

export const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1'];

/** Field lines of either side. Many of them are what proxies have been broken with. */
const COMMON_LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: ',
  'Connection: close, authorization, x-serverless-authorization, host',
  'Connection: content-length, transfer-encoding',
  'Keep-Alive: timeout=1',
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: 5, 5',
  'Content-Length: +5',
  'Content-Length: 99999999999999999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding : chunked',
  'Trailer: X-Sum',
  'Trailer: Authorization, Content-Length',
  'X-A: 1',
  'X-A: a\r\n b',
  'X-A: \x80\xff',
  'X_B: 2',
  'X-Empty:',
  `X-Long: ${'l'.repeat(9_000)}`,
  'nothing',
  ': nameless',
  '__proto__: 1',
  'constructor: 1',
];

export const REQUEST_LINES = [
  ...COMMON_LINES,
  'Host: localhost',
  'Host: localhost:8080',
  'Host: evil.example',
  'Host: a, b',
  'Host: [::1',
  'Host:',
  `Authorization: Bearer ${THEIRS}`,
  `authorization: Basic ${THEIRS}`,
  `X-Serverless-Authorization: Bearer ${THEIRS}`,
  `x_serverless_authorization: Bearer ${THEIRS}`,
  `Proxy-Authorization: Basic ${THEIRS}`,
  'Origin: http://localhost:3000',
  'Origin: https://evil.example',
  'Origin: null',
  'Referer: http://localhost/a',
  'Sec-Fetch-Site: cross-site',
  'Sec-Fetch-Site: none',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Dest: document',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'TE: trailers, gzip',
  'Upgrade: websocket',
  'Upgrade: h2c, websocket',
  'Connection: Upgrade, HTTP2-Settings',
  'HTTP2-Settings: AAMAAABkAAQAAP__',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Content-Type: application/grpc',
  'Content-Type: application/grpc-web+proto',
  'Cookie: gbp.__Host-a=1; b=2',
  'Cookie: a=1',
  'Forwarded: for=8.8.8.8',
  'X-Forwarded-For: 8.8.8.8',
  'Accept-Encoding: gzip',
];

export const STATUS_LINES = [
  ...[
    '200 OK',
    '200 OK',
    '200 OK',
    '200 OK',
    '204 No Content',
    '304 Not Modified',
    '206 ',
    '301 Moved',
    '302',
  ],
  ...[
    '401 Unauthorized',
    '403 Forbidden',
    '404 Not Found',
    '408 Request Timeout',
    '413 Too Large',
    '429 Later',
  ],
  ...[
    '500 Oops',
    '502 Bad',
    '503 Busy',
    '100 Continue',
    '102 Processing',
    '103 Early Hints',
    '99 Low',
    '1000 High',
  ],
  ...['101 Switching Protocols', '421 Misdirected', '999 Odd', '000 ', 'OK', '200 \x80', '-200 OK'],
];

export const RESPONSE_LINES = [
  ...COMMON_LINES,
  'Location: /b',
  'Location: https://[',
  'Location: http://localhost:1/a?b',
  'Content-Location: //',
  'Refresh: 0; url="/a',
  'Link: </a>; rel=preload, <b',
  'Link: <',
  'Set-Cookie: __Host-a=1; Secure; Path=/; Domain=x',
  'Set-Cookie: ;;;=',
  'Strict-Transport-Security: max-age=1',
  'Alt-Svc: h2=":443"',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Upgrade: h2c',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  'Proxy-Status: gcp-bearer-proxy; error=x',
  'Proxy-Authenticate: Basic',
  'WWW-Authenticate: Bearer error="invalid_token"',
  'Content-Type: text/html',
  'Content-Type: text/event-stream',
  'Content-Encoding: gzip',
  'Server: Google Frontend',
  'Retry-After: 1',
  'grpc-status: 14',
];

/** The same for upstreams that give back what they were sent. */
export const LEAKING_LINES = [
  ...RESPONSE_LINES,
  `X-Echo: Bearer ${TOKEN}`,
  `X-${TOKEN}: 1`,
  `Trailer: ${TOKEN}`,
  `Location: /a?token=${TOKEN}`,
  `Location: /${TOKEN.slice(0, 9)}\t${TOKEN.slice(9)}`,
  `Link: <http://localhost/${TOKEN}>; rel=next`,
  `Refresh: 0; url=/${TOKEN}`,
  `Set-Cookie: a=${TOKEN}; Path=/x`,
  `Set-Cookie: __Host-a=1; Secure; Path=/${TOKEN}`,
  `Connection: ${TOKEN}`,
  `WWW-Authenticate: Bearer realm="${TOKEN}"`,
];

/** Pieces of content and its framing. */
export const CONTENT_WORDS = [
  ...[
    '5\r\nhello\r\n',
    '0\r\n\r\n',
    '0\r\nX-Sum: 1\r\n\r\n',
    '5;a=b\r\nhello\r\n',
    '5 \r\nhello\r\n',
    '-1\r\n',
  ],
  ...[
    'ffffffffffffffff\r\n',
    '0x5\r\n',
    '00000005\r\nhello\r\n',
    '5\nhello\n',
    '5\r\nhell',
    '\r\n\r\n',
    '\r\n',
  ],
  ...[
    '0\r\nAuthorization: Bearer theirs\r\nHost: evil\r\nContent-Length: 9\r\n\r\n',
    '\n',
    '\r',
    '\0',
    'hello',
  ],
  ...['2\r\nabc\r\n', `${'1'.repeat(5_000)}\r\n`, SMUGGLED],
];

/** Masked frames of WebSocket, and some that are wrong. */
export const WEBSOCKET_FRAMES = [
  ...[
    '\x81\x85\x01\x02\x03\x04ignmn',
    '\x89\x80\0\0\0\0',
    '\x88\x82\0\0\0\0\x03\xe8',
    '\x81\x05hello',
    '\x82\x7e\x01\0',
  ],
  ...['\xff\x7f\xff\xff\xff\xff\xff\xff\xff\xff', '\x01\x81\0\0\0\0a', '\x80\x81\0\0\0\0b', SMUGGLED],
];
