import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ProxyError } from '../../src/errors.ts';
import { data, headers, startFrameUpstream, TYPE } from '../support/http2.ts';
import { startRelay } from '../support/relays.ts';
import { staticTokens } from '../support/sites.ts';
import {
  closedPort,
  connectTo,
  exchangeBytes,
  readBody,
  readToEnd,
  readUntil,
  startRawUpstream,
  startUpstream,
} from '../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

test('a request reaches the upstream with its token, and the response comes back as it was sent', async (t) => {
  const seen: string[][] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    seen.push(request.rawHeaders);
    response.writeHead(207, 'Multi', ['X-A', '1', 'set-cookie', 'a=1', 'Set-Cookie', 'b=2']).end('hello');
  });
  const relay = await startRelay(t, origin);
  const text = await exchangeBytes(
    relay.url,
    'GET /x?y HTTP/1.1\r\nHost: localhost\r\nX-Q: 1\r\nx-q: 2\r\nConnection: close\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 207 Multi\r\nX-A: 1\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n/);
  assert.match(text, /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  const headers = seen[0] ?? [];
  assert.deepEqual(headers.slice(headers.indexOf('X-Q'), headers.indexOf('X-Q') + 4), [
    'X-Q',
    '1',
    'x-q',
    '2',
  ]);
  assert.equal(headers.filter((text) => text === 'Bearer token').length, 1);
  assert.equal(headers[1], new URL(origin).host);
});

test('R37: bodies pass byte for byte both ways, compressed or not, and Accept-Encoding too', async (t) => {
  const sent = randomBytes(3_000_000);
  const zipped = gzipSync(randomBytes(500_000));
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    response.writeHead(200, {
      'Content-Encoding': 'gzip',
      'X-Body-Sha256': createHash('sha256').update(body).digest('hex'),
      'X-Accept': request.headers['accept-encoding'] ?? '',
    });
    response.end(zipped);
  });
  const relay = await startRelay(t, origin);
  for (const framing of [{ 'Content-Length': sent.length }, { 'Transfer-Encoding': 'chunked' }]) {
    const request = httpRequest(relay.url, {
      method: 'POST',
      headers: { ...framing, 'Accept-Encoding': 'br;q=0.5, gzip' },
    });
    request.end(sent);
    const [response] = await once(request, 'response');
    assert.equal(response.headers['x-body-sha256'], createHash('sha256').update(sent).digest('hex'));
    assert.equal(response.headers['x-accept'], 'br;q=0.5, gzip');
    assert.deepEqual(await readBody(response), zipped);
  }
});

test('R21: a route whose token can’t be had answers, and its upstream is never dialled', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, () => {});
  const failing = (error: ProxyError) => ({
    ...staticTokens('x'),
    current: () => undefined,
    obtain: () => Promise.reject(error),
  });
  const cases = [
    {
      error: new ProxyError('token_unavailable', 'Google is away.', { retryAfterMs: 2_400 }),
      status: 503,
      retryAfter: '3',
    },
    {
      error: new ProxyError('credentials_invalid', 'Signed out.', { hint: 'gcloud auth login' }),
      status: 502,
      retryAfter: null,
    },
  ];
  for (const { error, status, retryAfter } of cases) {
    const relay = await startRelay(t, origin, { tokens: failing(error) });
    const response = await fetch(relay.url, { method: 'POST', body: 'x' });
    assert.equal(response.status, status);
    assert.equal(response.headers.get('retry-after'), retryAfter);
    assert.match(response.headers.get('proxy-status') ?? '', /^gcp-bearer-proxy; error=/);
    const { error: body } = (await response.json()) as {
      error: Partial<Record<'code' | 'message' | 'hint' | 'route' | 'requestId', string>>;
    };
    assert.equal(body.code, error.code);
    assert.equal(body.message, error.message);
    assert.equal(body.hint, error.hint);
    assert.equal(body.route, '/');
    assert.match(body.requestId ?? '', /^[a-z0-9-]+$/);
  }
  assert.equal(sockets.length, 0);
});

test('a request that came before its token waits for it', async (t) => {
  const { origin } = await startUpstream(t, (request, response) =>
    response.end(request.headers.authorization),
  );
  const late = staticTokens('late');
  const { promise, resolve } = Promise.withResolvers<void>();
  const relay = await startRelay(t, origin, {
    tokens: { ...late, current: () => undefined, obtain: () => promise.then(() => late.obtain()) },
  });
  const answer = fetch(relay.url).then((response) => response.text());
  resolve();
  assert.equal(await answer, 'Bearer late');
});

test('R29: a body goes upstream whole and framed one way, whatever the method and however it came', async (t) => {
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    const { 'transfer-encoding': coding, 'content-length': length } = request.headers;
    response.end(`<${coding ?? ''}|${length ?? ''}|${body}>`);
  });
  const relay = await startRelay(t, origin);
  for (const method of ['DELETE', 'OPTIONS', 'GET', 'POST', 'PROPFIND']) {
    const head = `${method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`;
    const chunked = await exchangeBytes(
      relay.url,
      `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    );
    // A chunked body that was all there at once may go on with its length.
    assert.match(chunked, /<(chunked\||\|3)\|abc>/, method);
    const framed = await exchangeBytes(relay.url, `${head}Content-Length: 3\r\n\r\nabc`);
    assert.match(framed, /<\|3\|abc>/, method);
  }
});

test('R36: HEAD, 204 and 304 have no body and no framing of one; HEAD keeps its Content-Length and its connection', async (t) => {
  let connections = 0;
  const { origin, server } = await startUpstream(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': 1234 }).end();
    else response.writeHead(Number(request.url?.slice(1)), { ETag: '"1"' }).end();
  });
  server.on('connection', () => {
    connections += 1;
  });
  const relay = await startRelay(t, origin);
  for (let i = 0; i < 3; i += 1) {
    const head = await exchangeBytes(relay.url, GET.replace('GET', 'HEAD'));
    assert.match(head, /\r\nContent-Length: 1234\r\n/);
    assert.doesNotMatch(head, /Transfer-Encoding/i);
    assert.match(head, /\r\n\r\n$/);
  }
  assert.equal(connections, 1);
  for (const status of [204, 304]) {
    const text = await exchangeBytes(relay.url, GET.replace(' / ', ` /${status} `));
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.doesNotMatch(text, /Transfer-Encoding|Content-Length/i);
    assert.match(text, /\r\n\r\n$/);
  }
});

test('R20: a client that expects 100-continue gets it, and its request carries the token', async (t) => {
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    response.end(`${request.headers.authorization} ${request.headers.expect} ${body}`);
  });
  const relay = await startRelay(t, origin);
  const request = httpRequest(relay.url, {
    method: 'PUT',
    headers: { Expect: '100-continue', 'Content-Length': 5 },
  });
  request.flushHeaders();
  await once(request, 'continue');
  request.end('hello');
  const [response] = await once(request, 'response');
  assert.equal((await readBody(response)).toString(), 'Bearer token 100-continue hello');
});

test('R20: a client that expects 100-continue is refused without it', async (t) => {
  const relay = await startRelay(t, `http://127.0.0.1:${await closedPort()}`, {
    path: '/only',
    name: '/only',
  });
  const text = await exchangeBytes(
    relay.url,
    'PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 404 /);
});

test('R41: a client that goes away before the response takes the upstream request with it', async (t) => {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, (request) => {
    request.socket.on('close', () => close());
    reach();
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  client.write(GET);
  await reached;
  const record = relay.nextRecord();
  client.destroy();
  await closed;
  assert.equal((await record).status, 0);
});

test('R41: a client that goes away during an upload takes the upstream request with it', async (t) => {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, (request) => {
    request.on('data', () => reach());
    request.on('error', () => {});
    request.socket.on('close', () => close());
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  client.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc');
  await reached;
  client.destroy();
  await closed;
});

test('R42: an upstream that dies in the middle of a body is never shown as a clean end', async (t) => {
  for (const head of ['Content-Length: 100\r\n', 'Transfer-Encoding: chunked\r\n']) {
    const { origin } = await startRawUpstream(t, (socket) => {
      socket.once('data', () => {
        const body = head.startsWith('Content') ? 'partial' : '7\r\npartial\r\n';
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`, () => socket.destroy());
      });
    });
    const relay = await startRelay(t, origin);
    const text = await exchangeBytes(relay.url, GET);
    assert.match(text, /^HTTP\/1\.1 200 OK/);
    assert.match(text, /partial/);
    assert.doesNotMatch(text, /0\r\n\r\n$/);
    assert.equal(relay.records[0]?.error, 'upstream_reset');
  }
});

test('R42: an upstream that dies before its response is a 502', async (t) => {
  for (const bytes of ['', 'HTTP/1.1 200 OK\r\nX-Half: ']) {
    const { origin } = await startRawUpstream(t, (socket) => {
      socket.once('data', () =>
        bytes === '' ? socket.destroy() : socket.write(bytes, () => socket.destroy()),
      );
    });
    const relay = await startRelay(t, origin);
    const response = await fetch(relay.url);
    assert.equal(response.status, 502);
    assert.match(await response.text(), /"upstream_reset"/);
  }
});

test('R35: an upstream that doesn’t speak HTTP is a 502', async (t) => {
  for (const bytes of [
    'SSH-2.0-OpenSSH\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    'HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n',
  ]) {
    const { origin } = await startRawUpstream(t, (socket) => socket.once('data', () => socket.end(bytes)));
    const relay = await startRelay(t, origin);
    const response = await fetch(relay.url);
    assert.equal(response.status, 502, bytes);
    assert.match(await response.text(), /"bad_upstream_response"/, bytes);
  }
});

test('R51: a refused connection is a 502', async (t) => {
  const refused = await startRelay(t, `http://127.0.0.1:${await closedPort()}`);
  const response = await fetch(refused.url);
  assert.equal(response.status, 502);
  assert.match(response.headers.get('proxy-status') ?? '', /error=connection_refused/);
});

test('R51: an upstream slower than the headers timeout is a 504', async (t) => {
  const { origin } = await startUpstream(t, () => {});
  const relay = await startRelay(t, origin, { timeout: { connectMs: 5_000, headersMs: 100, idleMs: 0 } });
  const response = await fetch(relay.url);
  assert.equal(response.status, 504);
  assert.match(await response.text(), /"upstream_timeout"/);
});

test('R40: a response’s head and each piece of its body arrive while the upstream is still at it', async (t) => {
  const { promise: go, resolve: next } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: last } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
    await go;
    response.write('data: 1\n\n');
    await goOn;
    response.end('data: 2\n\n');
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  client.write(GET);
  await readUntil(client, '\r\n\r\n');
  next();
  await readUntil(client, 'data: 1\n\n');
  last();
  assert.match(await readToEnd(client), /data: 2/);
});

test('a client that stops reading stops the upstream, and gets everything once it reads on', async (t) => {
  const size = 64 * 1024 * 1024;
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let written = 0;
  const { promise: stalled, resolve: stall } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (_request, response) => {
    response.writeHead(200, { 'Content-Length': size });
    while (written < size) {
      written += chunk.length;
      if (!response.write(chunk)) {
        stall();
        await once(response, 'drain');
      }
    }
    response.end();
  });
  const relay = await startRelay(t, origin);
  const request = httpRequest(relay.url).end();
  const [response] = await once(request, 'response');
  await stalled;
  // Nobody reads: what is under way fits into the buffers of the two connections.
  assert.ok(written < size, `the upstream could write all ${written} bytes`);
  let received = 0;
  for await (const piece of response) received += piece.length;
  assert.equal(received, size);
});

test('R44: an early refusal of an upload is delivered', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => {
    response.writeHead(413, { Connection: 'close' }).end('too large');
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  client.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n');
  client.write('x'.repeat(1000));
  assert.match(await readUntil(client, 'too large'), /^HTTP\/1\.1 413 /);
  client.destroy();
});

test('R23: a response header or reason that gives the token back is dropped, and the log says so', async (t) => {
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => {
      socket.end(
        'HTTP/1.1 200 s3cret-token\r\nX-Leak: Bearer s3cret-token\r\nX-Ok: 1\r\nContent-Length: 2\r\n\r\nok',
      );
    });
  });
  const relay = await startRelay(t, origin, { tokens: staticTokens('s3cret-token') });
  const text = await exchangeBytes(relay.url, GET);
  assert.doesNotMatch(text, /s3cret/);
  assert.match(text, /X-Ok: 1/);
  assert.deepEqual(relay.records[0]?.leakedHeaders, ['X-Leak']);
});

test('what the parser refuses is answered in our own form, and the connection closed', async (t) => {
  const relay = await startRelay(t, `http://127.0.0.1:${await closedPort()}`);
  const cases: [string, number, string][] = [
    [
      'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'bad_request',
    ],
    ['GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'bad_'],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'x'.repeat(40_000)}\r\n\r\n`, 431, 'head_too_large'],
    ['CONNECT evil.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n', 405, 'method_not_allowed'],
    [
      'GET http://evil.com/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      403,
      'host_not_allowed',
    ],
    ['GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\nConnection: close\r\n\r\n', 400, 'bad_host'],
    ['GET / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400, 'bad_request'],
    [
      'GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
      501,
      'transfer_coding',
    ],
  ];
  for (const [bytes, status, code] of cases) {
    const text = await exchangeBytes(relay.url, bytes);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), bytes.slice(0, 60));
    assert.match(text, new RegExp(`"code": "${code}`), bytes.slice(0, 60));
    assert.match(text, /Proxy-Status: gcp-bearer-proxy; error=/);
  }
});

test('R65: while draining, requests under way finish, their connections are asked to close, new ones are refused', async (t) => {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: go, resolve: finish } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (_request, response) => {
    reach();
    await go;
    response.end('done');
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await reached;
  const drained = relay.drain(10_000);
  await assert.rejects(fetch(relay.url));
  finish();
  const text = await readToEnd(client);
  assert.match(text, /\r\nConnection: close\r\n/);
  assert.match(text, /done/);
  await drained;
});

test('R68: an unexpected failure inside is a 500 for that request, and the next one works', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('ok'));
  let calls = 0;
  const tokens = staticTokens('token');
  const relay = await startRelay(t, origin, {
    tokens: {
      ...tokens,
      current: () => undefined,
      obtain: () => {
        calls += 1;
        return calls === 1 ? Promise.reject(new TypeError('a bug')) : tokens.obtain();
      },
    },
  });
  const broken = await fetch(relay.url);
  assert.equal(broken.status, 500);
  assert.doesNotMatch(await broken.text(), /a bug/);
  assert.match(String(relay.records[0]?.cause), /a bug/);
  assert.equal((await fetch(relay.url)).status, 200);
});

test('R48: a client of HTTP/1.1 that has all of a response has nothing reset upstream, where the end is still to come', async (t) => {
  const upstream = await startFrameUpstream(t, (peer, id, count) => {
    peer.send(headers(id, [':status', '200', 'content-length', '4']), data(id, 'done'));
    if (count === 2) peer.send(data(1, '', true), data(id, '', true));
  });
  const relay = await startRelay(t, upstream.origin, {}, { protocol: 'http2' });
  for (const _ of ['whose end is late', 'the one after it']) {
    const response = await fetch(relay.url);
    assert.equal(await response.text(), 'done');
  }
  const resets = upstream.peers.flatMap(({ frames }) => frames.filter(({ type }) => type === TYPE.reset));
  assert.deepEqual([upstream.peers.length, resets], [1, []]);
});
