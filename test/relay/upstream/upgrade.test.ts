import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TokenSource } from '../../../src/auth/token-source.ts';
import { ProxyError } from '../../../src/errors.ts';
import {
  answering,
  closed,
  handshake,
  openClient,
  openWebSocket,
  SWITCHED,
} from '../../support/handshakes.ts';
import { startRelay } from '../../support/relays.ts';
import { heldToken, staticTokens } from '../../support/sites.ts';
import {
  closedPort,
  exchangeBytes,
  readBody,
  readUntil,
  startRawUpstream,
  startUpstream,
} from '../../support/sockets.ts';

/** The content of a response, without its chunks' framing where it has one; fails where that is not complete. */
function toContent(response: string): string {
  const begin = response.indexOf('\r\n\r\n');
  const rest = response.slice(begin + 4);
  if (!/\r\nTransfer-Encoding: chunked/i.test(response.slice(0, begin))) return rest;
  assert.match(rest, /(?:^|\r\n)0\r\n\r\n$/);
  return rest.replaceAll(/[0-9a-f]+\r\n(.*?)\r\n/gs, '$1').replace(/\r\n$/, '');
}

test('R45: a handshake goes upstream as the core composed it, with the token last', async (t) => {
  let seen = '';
  const upstream = await startRawUpstream(
    t,
    answering(SWITCHED, (_, head) => {
      seen = head;
    }),
  );
  const relay = await startRelay(t, upstream.origin, { tokens: staticTokens('secret-token') });
  const client = openClient(t, relay.url);
  const lines =
    'x-Lower: 1\r\nX-UPPER: h\u00e9\r\nOrigin: http://localhost:3000\r\nAuthorization: Bearer mine\r\nCookie: a=1\r\n' +
    'Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n' +
    'Proxy-Authorization: x\r\nKeep-Alive: 5\r\nTE: trailers\r\nExpect: 100-continue\r\nTrailer: x\r\n';
  client.write(handshake('//a//b/%41/;p?q=[1]&r={2}', lines), 'latin1');
  await readUntil(client, '\r\n\r\n');
  assert.equal(
    seen,
    `${[
      'GET //a//b/%41/;p?q=[1]&r={2} HTTP/1.1',
      `Host: ${new URL(upstream.origin).host}`,
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      'x-Lower: 1',
      'X-UPPER: h\u00e9',
      'Origin: http://localhost:3000',
      'Authorization: Bearer mine',
      'Cookie: a=1',
      'Sec-WebSocket-Protocol: chat, superchat',
      'Sec-WebSocket-Extensions: permessage-deflate',
      'X-Forwarded-For: 127.0.0.1',
      'X-Forwarded-Host: localhost',
      'X-Forwarded-Proto: http',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'X-Serverless-Authorization: Bearer secret-token',
    ].join('\r\n')}\r\n\r\n`,
  );
});

test('R19: what a handshake names in Connection does not take the token off', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    readUntil(socket, '\r\n\r\n').then((head) => socket.write(`${SWITCHED}${head}`, 'latin1'));
  });
  const relay = await startRelay(t, upstream.origin, { tokens: staticTokens('secret-token') });
  for (const connection of [
    'Connection: authorization, upgrade, host, x-serverless-authorization',
    'Connection: \r\nConnection: AUTHORIZATION, UPGRADE',
  ]) {
    const client = openClient(t, relay.url);
    const head = handshake().replace('Connection: Upgrade', connection);
    client.write(head);
    const received = await readUntil(client, 'secret-token\r\n\r\n');
    assert.match(received, /\r\nAuthorization: Bearer secret-token\r\n\r\n$/);
    assert.match(received, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/);
  }
});

test('R26: a 101 loses what is not for the client: hop-by-hop headers, other services, and any copy of the token', async (t) => {
  const upstream = await startRawUpstream(
    t,
    answering(
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 101 Web Socket Protocol Handshake\r\nupgrade: WebSocket\r\n' +
        'connection: keep-alive, Upgrade, x-hop\r\nSec-WebSocket-Accept: abc=\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n' +
        'Alt-Svc: h3=":443"\r\nProxy-Thing: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nSet-Cookie: c=3\r\n' +
        'X-Echo: Bearer secret-token\r\nContent-Length: 5\r\n__proto__: 1\r\n\r\n',
    ),
  );
  const relay = await startRelay(t, upstream.origin, { tokens: staticTokens('secret-token') });
  const client = openClient(t, relay.url);
  client.write(handshake());
  assert.equal(
    await readUntil(client, '\r\n\r\n'),
    'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: abc=\r\nSet-Cookie: a=1\r\nSet-Cookie: c=3\r\nset-cookie: b=2\r\n' +
      '__proto__: 1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  const record = relay.nextRecord();
  client.end();
  upstream.sockets[0]?.end();
  const { status, error, leakedHeaders, upstreamMs } = await record;
  assert.deepEqual([status, error, leakedHeaders], [101, undefined, ['X-Echo']]);
  assert.ok(upstreamMs !== undefined);
});

test('R45: what a client sends ahead of the 101 reaches the upstream behind it, and only then', async (t) => {
  const upstream = await startRawUpstream(t, () => {});
  const relay = await startRelay(t, upstream.origin);
  const client = openClient(t, relay.url);
  client.write(`${handshake()}GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n`);
  const [socket] = (await once(upstream.accepted, 'socket')) as [Socket];
  const head = await readUntil(socket, '\r\n\r\n');
  assert.ok(head.endsWith('Bearer token\r\n\r\n'), head);
  client.write('more');
  const rest = readUntil(socket, 'more');
  let early = '';
  socket.on('data', (chunk) => {
    early += chunk;
  });
  // A second connection's whole exchange is time enough for bytes to show up that shouldn't.
  const other = openClient(t, relay.url);
  other.write(handshake());
  await once(upstream.accepted, 'socket');
  assert.equal(early, '');
  socket.write(`${SWITCHED}first`);
  assert.match(await readUntil(client, 'first'), /^HTTP\/1\.1 101 /);
  assert.equal(await rest, 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\nmore');
});

test('R45: an upstream refuses: status, headers and body reach the client, framed anew', async (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 99\r\nUpgrade: foo\r\nContent-Length: 4\r\nConnection: keep-alive, Upgrade\r\n\r\nno 9',
      'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 99\r\nContent-Length: 4\r\n',
      'no 9',
    ],
    [
      'HTTP/1.1 500 Sorry\r\nTransfer-Encoding: chunked\r\nX-a: 1\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n',
      'HTTP/1.1 500 Sorry\r\nX-a: 1\r\n',
      'abcde',
    ],
    ['HTTP/1.1 404 Not Here\r\nX-b: 2\r\n\r\ngone', 'HTTP/1.1 404 Not Here\r\nX-b: 2\r\n', 'gone'],
    // What comes behind a whole response belongs to nobody.
    [
      'HTTP/1.1 401 No\r\nX-d: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\0garbage\r\n\r\n',
      'HTTP/1.1 401 No\r\nX-d: 4\r\n',
      'ab',
    ],
    ['HTTP/1.0 400 Old\r\n\r\nold', 'HTTP/1.1 400 Old\r\n', 'old'],
    ['HTTP/1.1 204 None\r\nX-c: 3\r\n\r\n', 'HTTP/1.1 204 None\r\nX-c: 3\r\n', ''],
    [
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n',
      '\x1f\x8b\x08',
    ],
  ];
  for (const [answer, head, body] of cases) {
    const upstream = await startRawUpstream(
      t,
      answering(answer, (socket) => socket.end()),
    );
    const relay = await startRelay(t, upstream.origin);
    const received = await exchangeBytes(relay.url, handshake());
    assert.ok(received.startsWith(head), received);
    assert.equal(toContent(received), body);
    assert.match(received, /\r\nConnection: close\r\n/);
    assert.doesNotMatch(received, /\r\nUpgrade:/i);
  }
});

test('R45: a refusal of the application says that it is one, and is on record', async (t) => {
  const upstream = await startUpstream(t, () => {});
  upstream.server.on('upgrade', (_, socket) =>
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}'),
  );
  const relay = await startRelay(t, upstream.origin);
  const record = relay.nextRecord();
  const received = await exchangeBytes(relay.url, handshake());
  assert.match(
    received,
    /\r\nProxy-Status: gcp-bearer-proxy; received-status=403; details="application"\r\n/,
  );
  assert.deepEqual([(await record).status, (await record).error], [403, undefined]);
});

test('R56: a handshake that Google refuses over an old token is sent once more, with a new one', async (t) => {
  const seen: string[] = [];
  const page =
    '<html><head>\n<title>401 Unauthorized</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>Error: Unauthorized</h1>\n' +
    '<h2>Your client does not have permission to the requested URL <code>/</code>.</h2>\n<h2></h2>\n</body></html>';
  const refusal =
    'HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html; charset=UTF-8\r\n' +
    'WWW-Authenticate: Bearer error="invalid_token" error_description="The access token could not be verified"\r\n' +
    `Content-Length: ${page.length}\r\n\r\n${page}`;
  const upstream = await startRawUpstream(t, (socket) => {
    readUntil(socket, '\r\n\r\n').then((head) => {
      seen.push(/Authorization: Bearer (.*)\r/.exec(head)?.[1] ?? '');
      socket.write(seen.length === 1 ? refusal : `${SWITCHED}open`);
    });
  });
  const tokens: TokenSource = { ...staticTokens('old'), replace: async () => heldToken('new') };
  const relay = await startRelay(t, upstream.origin, { tokens });
  const client = openClient(t, relay.url);
  client.write(`${handshake()}frame`);
  assert.match(await readUntil(client, 'open'), /^HTTP\/1\.1 101 /);
  assert.deepEqual(seen, ['old', 'new']);
  await readUntil(upstream.sockets[1] as Socket, 'frame');
  const record = relay.nextRecord();
  client.destroy();
  assert.equal((await record).isReplay, true);
});

test('R46, R35: a 101 that switches to something else, or says not to what, is a 502, and so is garbage', async (t) => {
  const answers = [
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket, h2c\r\nConnection: Upgrade\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n',
    'SSH-2.0-OpenSSH_9.6\r\n\r\n',
    'HTTP/1.1 403 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'HTTP/1.1 403 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 403 x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'HTTP/2.0 403 x\r\nContent-Length: 1\r\n\r\na',
    'HTTP/1.1 403 x\x01y\r\nContent-Length: 1\r\n\r\na',
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(101),
    `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
  ];
  for (const answer of answers) {
    const upstream = await startRawUpstream(t, answering(answer));
    const relay = await startRelay(t, upstream.origin);
    const received = await exchangeBytes(relay.url, handshake());
    assert.match(received, /^HTTP\/1\.1 502 /, answer.slice(0, 100));
    assert.match(received, /"code": "bad_upstream_response"/);
    assert.match(received, /\r\nConnection: close\r\n/);
    await Promise.all(upstream.sockets.map(closed));
  }
});

test('R50: an upstream that refuses, hangs up or stays silent has its status for a handshake as for a request', async (t) => {
  const refused = await startRelay(t, `http://127.0.0.1:${await closedPort()}`);
  assert.match(await exchangeBytes(refused.url, handshake()), /^HTTP\/1\.1 502 [\s\S]*"upstream_refused"/);
  const hangUp = await startRawUpstream(t, (socket) =>
    readUntil(socket, '\r\n\r\n').then(() => socket.end()),
  );
  const hungUp = await startRelay(t, hangUp.origin);
  assert.match(await exchangeBytes(hungUp.url, handshake()), /^HTTP\/1\.1 502 [\s\S]*"upstream_reset"/);
  const silence = await startRawUpstream(t, () => {});
  const timeout = { connectMs: 5_000, headersMs: 20, idleMs: 0 };
  const silent = await startRelay(t, silence.origin, { timeout });
  assert.match(await exchangeBytes(silent.url, handshake()), /^HTTP\/1\.1 504 [\s\S]*"upstream_timeout"/);
  const half = await startRawUpstream(t, answering('HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\nhalf'));
  const idle = await startRelay(t, half.origin, { timeout: { connectMs: 5_000, headersMs: 0, idleMs: 20 } });
  const record = idle.nextRecord();
  assert.match(await exchangeBytes(idle.url, handshake()), /^HTTP\/1\.1 500 x[\s\S]*half$/);
  assert.equal((await record).error, 'upstream_timeout');
});

test('R5, R7: a handshake passes the gate as a request does, and a refused one never reaches the upstream', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const relay = await startRelay(t, upstream.origin);
  const refusals: readonly (readonly [string, RegExp])[] = [
    [handshake('/', 'Origin: https://evil.example\r\n'), /^HTTP\/1\.1 403 [\s\S]*"origin_not_allowed"/],
    [handshake('/', 'Origin: null\r\n'), /^HTTP\/1\.1 403 [\s\S]*"origin_not_allowed"/],
    [
      handshake().replace('Host: localhost', 'Host: evil.example'),
      /^HTTP\/1\.1 403 [\s\S]*"host_not_allowed"/,
    ],
    [handshake('/', 'Host: localhost\r\n'), /^HTTP\/1\.1 400 /],
    [handshake('/a%5Cb'), /^HTTP\/1\.1 400 [\s\S]*"bad_path"/],
  ];
  for (const [head, answer] of refusals) {
    const received = await exchangeBytes(relay.url, head);
    assert.match(received, answer);
    assert.match(received, /\r\nConnection: close\r\n/);
  }
  assert.equal(upstream.sockets.length, 0);
});

test('R15: a handshake without a route or a token is answered, and the upstream is never dialled', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const elsewhere = await startRelay(t, upstream.origin, { path: '/orders' });
  assert.match(await exchangeBytes(elsewhere.url, handshake('/x')), /^HTTP\/1\.1 404 [\s\S]*"no_route"/);
  const tokens: TokenSource = {
    ...staticTokens('x'),
    current: () => undefined,
    obtain: async () => {
      throw new ProxyError('token_unavailable', 'No token.', { retryAfterMs: 2_000 });
    },
  };
  const tokenless = await startRelay(t, upstream.origin, { tokens });
  assert.match(
    await exchangeBytes(tokenless.url, handshake()),
    /^HTTP\/1\.1 503 [\s\S]*Retry-After: 2\r\n[\s\S]*"token_unavailable"/,
  );
  assert.equal(upstream.sockets.length, 0);
});

test('R46: whatever else asks for another protocol is served as if it had not, its body included', async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    const { upgrade, connection } = request.headers;
    const body = await readBody(request);
    response.end(
      `${request.method} ${upgrade} ${connection === 'upgrade'} ${request.headers['http2-settings']} ${body}`,
    );
  });
  const relay = await startRelay(t, upstream.origin);
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n';
  const post = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n';
  const served: readonly (readonly [string, string])[] = [
    [
      `${get}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n`,
      'GET undefined false undefined ',
    ],
    [`${get}Connection: Upgrade, close\r\nUpgrade: TLS/1.0\r\n\r\n`, 'GET undefined false undefined '],
    [`${get}Connection: Upgrade, close\r\nUpgrade: websocket, h2c\r\n\r\n`, 'GET undefined false undefined '],
    [
      `${get}Connection: Upgrade, close\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n`,
      'GET undefined false undefined ',
    ],
    [`${get}Connection: close\r\nUpgrade: websocket\r\n\r\n`, 'GET undefined false undefined '],
    [
      `GET / HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      'GET undefined false undefined ',
    ],
  ];
  for (const [request, body] of served) {
    const received = await exchangeBytes(relay.url, request);
    assert.match(received, /^HTTP\/1\.1 200 /, request);
    assert.ok(received.includes(body), received);
  }
  for (const upgrade of ['h2c', 'websocket']) {
    const received = await exchangeBytes(
      relay.url,
      `${post}Connection: Upgrade, close\r\nUpgrade: ${upgrade}\r\n\r\nbody`,
    );
    // An older Node takes the body for the next protocol: it is refused there.
    assert.match(
      received,
      /^HTTP\/1\.1 (?:200 [\s\S]*POST undefined false undefined body|400 [\s\S]*--http1\.1)/,
    );
  }
});

test('R46: a handshake with a body is refused: nobody could tell where the next protocol begins', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const relay = await startRelay(t, upstream.origin);
  for (const framing of ['Content-Length: 4\r\n', 'Transfer-Encoding: chunked\r\n']) {
    const received = await exchangeBytes(
      relay.url,
      `${handshake('/', `${framing}Connection: close\r\n`)}0\r\n\r\n`,
    );
    assert.match(received, /^HTTP\/1\.1 400 [\s\S]*"bad_request"/);
  }
  assert.equal(upstream.sockets.length, 0);
});

test('R46: a handshake sent along with the request before it waits for that response', async (t) => {
  const large = 'x'.repeat(3_000_000);
  const upstream = await startUpstream(t, (_, response) => response.end(large));
  upstream.server.on('upgrade', (_, socket) => socket.end(`${SWITCHED}bye`));
  const relay = await startRelay(t, upstream.origin);
  const client = openClient(t, relay.url);
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
  client.write(`${get}${get}${handshake()}`);
  let received = '';
  client.on('data', (chunk) => {
    received += chunk;
  });
  await once(client, 'end');
  client.end();
  assert.equal(received.split('HTTP/1.1 200 OK').length, 3);
  assert.match(received.slice(-300), /xxxHTTP\/1\.1 101 Switching Protocols\r\n[\s\S]*\r\n\r\nbye$/);
});

test('R45: a handshake that can not be written is a 500, and no more than that', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => socket.resume());
  const relay = await startRelay(t, upstream.origin, { setHeaders: ['X-Price', '5 €'] });
  for (let i = 0; i < 3; i += 1) {
    assert.match(await exchangeBytes(relay.url, handshake()), /^HTTP\/1\.1 500 [\s\S]*"internal"/);
  }
  await Promise.all(upstream.sockets.map(closed));
  assert.ok(upstream.sockets.every((socket) => socket.bytesRead === 0));
});

test('a WebSocket has its own upstream connection: no request before or after shares it', async (t) => {
  const sockets = new Set<Socket>();
  const upstream = await startUpstream(t, (request, response) => {
    sockets.add(request.socket);
    response.end('plain');
  });
  upstream.server.on('upgrade', (request, socket) => {
    assert.ok(!sockets.has(request.socket));
    socket.write(SWITCHED);
  });
  const relay = await startRelay(t, upstream.origin);
  for (let i = 0; i < 3; i += 1) {
    assert.equal(await (await fetch(relay.url)).text(), 'plain');
    await openWebSocket(t, relay.url);
  }
  assert.equal(sockets.size, 1);
});
