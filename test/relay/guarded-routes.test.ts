import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, type OutgoingHttpHeaders } from 'node:http2';
import { type TestContext, test } from 'node:test';
import type { UpstreamProtocol } from '../../src/config/config.ts';
import { createRateLimit } from '../../src/relay/rate-limit.ts';
import type { Route } from '../../src/relay/site.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { answering, closed, handshake, openClient, openWebSocket, SWITCHED } from '../support/handshakes.ts';
import { startHttp2Upstream } from '../support/http2.ts';
import { ask, connectHttp2, readReply } from '../support/http2-clients.ts';
import { startProxy } from '../support/proxies.ts';
import { type Relay, startRelay } from '../support/relays.ts';
import { rules, staticTokens } from '../support/sites.ts';
import {
  exchangeBytes,
  readBody,
  readToEnd,
  readUntil,
  startRawUpstream,
  startUpstream,
} from '../support/sockets.ts';

const READ_ONLY = rules({ methods: ['GET', 'HEAD', 'OPTIONS'], readOnly: true });
const HEAD = 'HTTP/1.1\r\nHost: localhost\r\n';
const CHUNKED = `POST / ${HEAD}Transfer-Encoding: chunked\r\n`;

/** A route whose token and upstream must not be asked for anything. */
async function startUntouched(t: TestContext, change: Partial<Route>): Promise<Relay> {
  const upstream = await startRawUpstream(t, () => assert.fail('the upstream was connected to'));
  const untouchable = () => assert.fail('a token was asked for');
  const tokens = { ...staticTokens('x'), current: untouchable, obtain: untouchable };
  return startRelay(t, upstream.origin, { tokens, ...change });
}

test('R21: what a route doesn’t let through is answered before any mint or connection, over HTTP/1.1', async (t) => {
  const sized = rules({ bodyBytes: 10 });
  const cases: [Pick<Route, 'rules'>, string, number, string][] = [
    [READ_ONLY, `DELETE / ${HEAD}Connection: close\r\n\r\n`, 403, 'method_denied'],
    [READ_ONLY, `GET / ${HEAD}X-HTTP-Method: PUT\r\nConnection: close\r\n\r\n`, 403, 'method_denied'],
    [rules({ paths: ['/v1/**'] }), `GET /v2?v1 ${HEAD}Connection: close\r\n\r\n`, 403, 'path_denied'],
    [
      sized,
      `POST / ${HEAD}Content-Length: 11\r\nConnection: close\r\n\r\n12345678901`,
      413,
      'body_too_large',
    ],
    [
      sized,
      `PUT / ${HEAD}Content-Length: 11\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
      413,
      'body_too_large',
    ],
  ];
  for (const [change, request, status, code] of cases) {
    const relay = await startUntouched(t, change);
    const text = await exchangeBytes(relay.url, request);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), request);
    assert.match(text, new RegExp(`"code": "${code}"`));
    assert.match(text, /"route": "\/"/);
    assert.match(text, /Proxy-Status: gcp-bearer-proxy; error=http_request_denied/);
    assert.deepEqual(
      relay.records.map(({ error, route }) => [error, route]),
      [[code, '/']],
    );
  }
});

test('R21: and over HTTP/2', async (t) => {
  const cases: [Pick<Route, 'rules'>, OutgoingHttpHeaders, string | undefined, number, string][] = [
    [READ_ONLY, { ':method': 'DELETE' }, undefined, 403, 'method_denied'],
    [READ_ONLY, { ':method': 'get' }, undefined, 403, 'method_denied'],
    [READ_ONLY, { 'x-method-override': 'PUT' }, undefined, 403, 'method_denied'],
    [rules({ paths: ['/v1/**'] }), { ':path': '/v1;x/../' }, undefined, 400, 'bad_path'],
    [rules({ paths: ['/v1/**'] }), { ':path': '/v1;x/y' }, undefined, 403, 'path_denied'],
    [
      rules({ bodyBytes: 10 }),
      { ':method': 'POST', 'content-length': 11 },
      '12345678901',
      413,
      'body_too_large',
    ],
  ];
  for (const [change, headers, body, status, code] of cases) {
    const relay = await startUntouched(t, change);
    const reply = await ask(connectHttp2(t, relay.url), headers, body);
    assert.equal(reply.status, status, JSON.stringify(headers));
    assert.match(reply.body, new RegExp(`"code": "${code}"`));
  }
});

test('a refused HEAD has its answer without content, and Allow', async (t) => {
  const relay = await startUntouched(t, rules({ methods: ['POST'] }));
  const text = await exchangeBytes(relay.url, `HEAD / ${HEAD}Connection: close\r\n\r\n`);
  assert.match(text, /^HTTP\/1\.1 403 /);
  assert.match(text, /\r\nAllow: POST\r\n/);
  assert.match(text, /\r\n\r\n$/);
});

test('GET, HEAD and OPTIONS pass a read-only route, in either version', async (t) => {
  const seen: (string | undefined)[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    seen.push(request.method);
    response.end();
  });
  const relay = await startRelay(t, origin, READ_ONLY);
  const session = connectHttp2(t, relay.url);
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    assert.match(
      await exchangeBytes(relay.url, `${method} / ${HEAD}Connection: close\r\n\r\n`),
      /^HTTP\/1\.1 200/,
    );
    assert.equal((await ask(session, { ':method': method })).status, 200);
  }
  assert.deepEqual(seen, ['GET', 'GET', 'HEAD', 'HEAD', 'OPTIONS', 'OPTIONS']);
});

test('R46: a read-only route refuses a WebSocket with an answer, and reaches no upstream', async (t) => {
  const relay = await startUntouched(t, READ_ONLY);
  const text = await exchangeBytes(relay.url, handshake());
  assert.match(text, /^HTTP\/1\.1 403 Forbidden\r\n/);
  assert.match(text, /"message": "Route \/ is read-only [^"]*: no WebSocket, which could write\."/);
});

test('the size of a body limits the handshake of a WebSocket alone, not what is sent over it', async (t) => {
  const upstream = await startRawUpstream(
    t,
    answering(SWITCHED, (socket) => socket.pipe(socket)),
  );
  const relay = await startRelay(t, upstream.origin, rules({ bodyBytes: 1, methods: ['GET'] }));
  const client = await openWebSocket(t, relay.url);
  const echoed = readUntil(client, 'the end');
  client.write(`${'x'.repeat(10_000)}the end`);
  assert.equal((await echoed).length, 10_007);
});

test('R28: a chunked body that grows too large is a 413; its upstream request is broken off, never ended', async (t) => {
  let received = '';
  const upstream = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
  });
  const relay = await startRelay(t, upstream.origin, rules({ bodyBytes: 10 }));
  const client = openClient(t, relay.url);
  const accepted = once(upstream.accepted, 'socket');
  client.write(`${CHUNKED}\r\n5\r\nhello\r\n`);
  const [socket] = await accepted;
  while (!received.includes('hello')) await once(socket, 'data');
  const answer = readUntil(client, '}\n}\n');
  client.write('5\r\nworld\r\n1\r\n!\r\n');
  assert.match(await answer, /^HTTP\/1\.1 413 /);
  await closed(socket);
  assert.match(received, /\r\n\r\n5\r\nhello\r\n/);
  assert.doesNotMatch(received, /!|\r\n0\r\n/);
  assert.equal(relay.records[0]?.error, 'body_too_large');
});

test('R28: the same where all of it comes at once, and its end with it', async (t) => {
  let received = '';
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
  });
  const relay = await startRelay(t, origin, rules({ bodyBytes: 10 }));
  const body = `${'b\r\nhello world\r\n'}0\r\n\r\n`;
  const text = await exchangeBytes(relay.url, `${CHUNKED}Connection: close\r\n\r\n${body}`);
  assert.match(text, /^HTTP\/1\.1 413 /);
  for (const socket of sockets) await closed(socket);
  assert.doesNotMatch(received, /\r\n0\r\n/);
});

for (const protocol of ['http1', 'http2'] as const satisfies readonly UpstreamProtocol[]) {
  test(`R28: an HTTP/2 body of unknown length that grows too large is a 413, with ${protocol} upstream`, async (t) => {
    const { origin, broken } = await startBrokenOffUpstream(t, protocol);
    const relay = await startRelay(t, origin, rules({ bodyBytes: 10 }), { protocol });
    const stream = connectHttp2(t, relay.url).request(
      { ':path': '/', ':method': 'POST' },
      { endStream: false },
    );
    const reply = readReply(stream);
    for (const text of ['hello', 'world', '!']) stream.write(text);
    const { status, body } = await reply;
    assert.equal(status, 413);
    assert.match(body, /"code": "body_too_large"/);
    assert.equal(await broken, true);
  });

  test(`a body of just the size passes, trailers and all, with ${protocol} upstream`, async (t) => {
    const { origin } = await startReadingUpstream(t, protocol);
    const relay = await startRelay(t, origin, rules({ bodyBytes: 10 }), { protocol });
    const chunked = `${CHUNKED}Trailer: X-Sum\r\nConnection: close\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n`;
    assert.match(await exchangeBytes(relay.url, chunked), /helloworld x-sum=1/);
    const reply = await ask(connectHttp2(t, relay.url), { ':method': 'POST' }, 'helloworld');
    assert.match(reply.body, /helloworld/);
    const sized = `POST / ${HEAD}Content-Length: 10\r\nConnection: close\r\n\r\nhelloworld`;
    assert.match(await exchangeBytes(relay.url, sized), /helloworld/);
  });
}

/** One that reads a body and never answers; `broken` tells whether the request ended before it was whole. */
async function startBrokenOffUpstream(
  t: TestContext,
  protocol: 'http1' | 'http2',
): Promise<{ origin: string; broken: Promise<boolean> }> {
  const { promise: broken, resolve } = Promise.withResolvers<boolean>();
  if (protocol === 'http1') {
    const { origin } = await startUpstream(t, (request) => {
      request.resume().on('error', () => {});
      request.on('close', () => resolve(!request.complete));
    });
    return { origin, broken };
  }
  const { origin } = await startHttp2Upstream(t, (stream) => {
    stream.resume().on('error', () => {});
    stream.on('close', () => resolve(stream.rstCode === constants.NGHTTP2_CANCEL));
  });
  return { origin, broken };
}

/** One that answers with what it read. */
async function startReadingUpstream(
  t: TestContext,
  protocol: 'http1' | 'http2',
): Promise<{ origin: string }> {
  if (protocol === 'http1') {
    return startUpstream(t, async (request, response) => {
      const body = await readBody(request);
      response.end(`${body} x-sum=${request.trailers['x-sum']}`);
    });
  }
  return startHttp2Upstream(t, async (stream) => {
    let sum: unknown;
    stream.on('trailers', (trailers) => {
      sum = trailers['x-sum'];
    });
    const body = await readBody(stream);
    stream.respond({ ':status': 200 });
    stream.end(`${body} x-sum=${sum}`);
  });
}

test('R44: where the response has begun, a body that grows too large breaks it off', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    request.on('error', () => {});
    response.writeHead(200).write('begun');
  });
  const relay = await startRelay(t, origin, rules({ bodyBytes: 10 }));
  const client = openClient(t, relay.url);
  client.write(`${CHUNKED}\r\n5\r\nhello\r\n`);
  assert.match(await readUntil(client, 'begun'), /^HTTP\/1\.1 200 /);
  const rest = readToEnd(client);
  client.write('6\r\nworld!\r\n');
  assert.doesNotMatch(await rest, /0\r\n/);
  assert.deepEqual([relay.records[0]?.status, relay.records[0]?.error], [200, 'body_too_large']);

  const stream = connectHttp2(t, relay.url).request(
    { ':path': '/', ':method': 'POST' },
    { endStream: false },
  );
  stream.on('error', () => {});
  const isClosed = new Promise((resolve) => stream.on('close', resolve));
  stream.write('hello');
  await once(stream, 'data');
  stream.write('world!');
  await isClosed;
  assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
});

test('a connection goes on after a 413, where the rest of the body comes', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => void response.end('ok'));
  const relay = await startRelay(t, origin, rules({ bodyBytes: 10 }));
  const client = openClient(t, relay.url);
  const text = readToEnd(client);
  client.write(
    `POST / ${HEAD}Content-Length: 11\r\n\r\nhello world` + `GET / ${HEAD}Connection: close\r\n\r\n`,
  );
  assert.match(await text, /^HTTP\/1\.1 413 .*HTTP\/1\.1 200 OK\r\n/s);
});

function limitedTo(count: number, periodMs: number): Pick<Route, 'rate'> {
  return { rate: createRateLimit({ count, periodMs }) };
}

test('more requests than a route’s rate are a 429 that says when to come again, and nothing is asked for them', async (t) => {
  let seen = 0;
  let mints = 0;
  const { origin } = await startUpstream(t, (_request, response) => {
    seen += 1;
    response.end('ok');
  });
  const source = staticTokens('token');
  const tokens = {
    ...source,
    current: () => {
      mints += 1;
      return source.current();
    },
  };
  const clock = new FakeClock();
  const change = { ...limitedTo(2, 60_000), ...rules({ methods: ['GET'] }), tokens };
  const relay = await startRelay(t, origin, change, { clock });
  const get = (method = 'GET') => exchangeBytes(relay.url, `${method} / ${HEAD}Connection: close\r\n\r\n`);
  const session = connectHttp2(t, relay.url);
  // What is refused for another reason doesn't count.
  for (let i = 0; i < 5; i += 1) assert.match(await get('POST'), /^HTTP\/1\.1 403 /);
  assert.match(await get(), /^HTTP\/1\.1 200 /);
  assert.equal((await ask(session)).status, 200);
  const refused = await get();
  assert.match(refused, /^HTTP\/1\.1 429 Too Many Requests\r\n/);
  assert.match(refused, /\r\nRetry-After: 30\r\n/);
  assert.match(refused, /"code": "rate_limited"/);
  assert.match(refused, /"message": "Route \/ takes 2 requests in 60 s, and there were as many\."/);
  assert.match(refused, /`limits\.rate`/);
  assert.equal(relay.records.at(-1)?.route, '/');
  await clock.advance(29_001);
  const reply = await ask(session);
  assert.deepEqual([reply.status, reply.headers['retry-after']], [429, '1']);
  await clock.advance(999);
  assert.equal((await ask(session)).status, 200);
  assert.equal((await ask(session)).status, 429);
  assert.deepEqual([seen, mints], [3, 3]);
});

test('a WebSocket counts once, when it is opened', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const relay = await startRelay(t, upstream.origin, limitedTo(1, 3_600_000), { clock: new FakeClock() });
  await openWebSocket(t, relay.url);
  const text = await exchangeBytes(relay.url, handshake());
  assert.match(text, /^HTTP\/1\.1 429 .*\r\nRetry-After: 3600\r\n/s);
});

test('R48: a gRPC client is told as gRPC has it: PERMISSION_DENIED, RESOURCE_EXHAUSTED', async (t) => {
  const call = {
    ':method': 'POST',
    ':path': '/pkg.Service/Method',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const message = Buffer.from([0, 0, 0, 0, 3, 1, 2, 3]);
  const cases: [Partial<Route>, string, string | undefined][] = [
    [READ_ONLY, '7', undefined],
    [rules({ paths: ['/pkg.Other/**'] }), '7', undefined],
    [rules({ bodyBytes: 7 }), '8', undefined],
    [{ rate: { ...createRateLimit({ count: 1, periodMs: 1_000 }), take: () => 200 } }, '8', '1'],
  ];
  for (const [change, status, retryAfter] of cases) {
    const { origin } = await startHttp2Upstream(t, (stream) => stream.resume().on('error', () => {}));
    const relay = await startRelay(t, origin, change);
    const reply = await ask(connectHttp2(t, relay.url), call, message);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['grpc-status'], status);
    assert.match(String(reply.headers['grpc-message']), /^Route \/ /);
    assert.equal(reply.headers['retry-after'], retryAfter);
  }
});

test('what is written in the file is what holds, route by route', async (t) => {
  const seen: string[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume();
    response.end('ok');
  });
  const { port } = await startProxy(
    t,
    `routes:
  - { path: /open, upstream: "${origin}" }
  - path: /shut
    upstream: ${origin}
    readOnly: true
    paths: [/v1/**]
    limits: { body: 4B, rate: 3/h }
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const statusOf = async (method: string, path: string, body?: string): Promise<number> => {
    const framing = body === undefined ? '' : `Content-Length: ${body.length}\r\n`;
    const text = await exchangeBytes(
      url,
      `${method} ${path} ${HEAD}${framing}Connection: close\r\n\r\n${body ?? ''}`,
    );
    return Number(text.slice(9, 12));
  };
  assert.equal(await statusOf('DELETE', '/open/x', 'hello'), 200);
  assert.equal(await statusOf('DELETE', '/shut/v1/x'), 403);
  assert.equal(await statusOf('GET', '/shut/v2'), 403);
  assert.equal(await statusOf('GET', '/shut/v1/x', 'hello'), 413);
  for (let i = 0; i < 3; i += 1) assert.equal(await statusOf('GET', '/shut/v1/x', 'four'), 200);
  assert.equal(await statusOf('GET', '/shut/v1/x'), 429);
  assert.equal(await statusOf('GET', '/open/v1/x'), 200);
  assert.deepEqual(seen, ['DELETE /x', 'GET /v1/x', 'GET /v1/x', 'GET /v1/x', 'GET /v1/x']);
});
