import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { type TestContext, test } from 'node:test';
import type { Transport, UpstreamRequest } from '../../../src/relay/upstream/transport.ts';
import { ask, connectHttp2, readReply } from '../../support/http2-clients.ts';
import {
  connectRawHttp2,
  Flag,
  Frame,
  requestFields,
  toFrame,
  toHeaders,
  toUint32,
} from '../../support/http2-frames.ts';
import { startRelay } from '../../support/relays.ts';
import { connectTo, readBody, startRawUpstream, startUpstream } from '../../support/sockets.ts';

/** A transport whose upstream is this function; what it is sent is kept. */
function scripted(answer: (receiver: Parameters<Transport['send']>[1], request: UpstreamRequest) => void) {
  const requests: UpstreamRequest[] = [];
  const aborted: UpstreamRequest[] = [];
  const transport: Transport = {
    send(request, receiver) {
      requests.push(request);
      setImmediate(() => answer(receiver, request));
      return { abort: () => aborted.push(request), resume: () => {} };
    },
    state: () => ({ origin: UNUSED, isBreakerOpen: false, connections: [] }),
    retire() {},
    destroy() {},
  };
  return { transport, requests, aborted };
}

const UNUSED = 'http://127.0.0.1:1';

test('a request over HTTP/2 reaches the upstream with its token, and the response comes back', async (t) => {
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    const { host, cookie, authorization } = request.headers;
    const xForwarded = ['for', 'host', 'proto'].map((name) => request.headers[`x-forwarded-${name}`]);
    const own = request.rawHeaders.filter((text) => text.startsWith('own')).join();
    response.writeHead(207, ['Set-Cookie', 'a=1', 'X-Upper', 'é', 'set-cookie', 'b=2', 'Keep-Alive', 'x=1']);
    response.end(
      JSON.stringify({
        line: `${request.method} ${request.url} ${body}`,
        host,
        cookie,
        own,
        xForwarded,
        hasToken: authorization === 'Bearer token',
      }),
    );
  });
  const relay = await startRelay(t, origin);
  const session = connectHttp2(t, relay.url);
  const { status, headers, body } = await ask(
    session,
    {
      ':method': 'PUT',
      ':path': '/x%20y?z',
      cookie: ['c=1', 'd=2'],
      'x-q': ['own1', 'own2'],
      te: 'trailers',
    },
    'hello',
  );
  assert.equal(status, 207);
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(headers['x-upper'], 'é');
  assert.equal(headers['keep-alive'], undefined);
  assert.equal(headers['transfer-encoding'], undefined);
  assert.deepEqual(JSON.parse(body), {
    line: 'PUT /x%20y?z hello',
    host: new URL(origin).host,
    cookie: 'c=1; d=2',
    own: 'own1,own2',
    xForwarded: ['127.0.0.1', new URL(relay.url).host, 'http'],
    hasToken: true,
  });
  assert.equal(relay.records[0]?.status, 207);
});

test('R29: content over HTTP/2 goes on whole and framed one way, with a length or without', async (t) => {
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    response.end(`${request.headers['content-length']} ${request.headers['transfer-encoding']} ${body}`);
  });
  const session = connectHttp2(t, (await startRelay(t, origin)).url);
  for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    const chunked = await ask(session, { ':method': method }, 'abc');
    assert.equal(chunked.body, 'undefined chunked abc');
    const framed = await ask(session, { ':method': method, 'content-length': 3 }, 'abc');
    assert.equal(framed.body, '3 undefined abc');
  }
  assert.equal((await ask(session, {})).body, 'undefined undefined ');
  assert.equal((await ask(session, { ':method': 'POST' })).body, '0 undefined ');
  assert.equal(
    (await ask(session, { ':method': 'POST', 'content-length': 0 }, '')).body,
    'undefined chunked ',
  );
});

test('R36: over HTTP/2, too, HEAD, 204 and 304 have no content; HEAD keeps its length', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': 1234 }).end();
    else response.writeHead(Number(request.url?.slice(1)), { ETag: '"1"' }).end();
  });
  const session = connectHttp2(t, (await startRelay(t, origin)).url);
  const head = await ask(session, { ':method': 'HEAD' });
  assert.equal(head.headers['content-length'], '1234');
  assert.equal(head.body, '');
  for (const status of [204, 304, 205]) {
    const got = await ask(session, { ':path': `/${status}` });
    assert.deepEqual([got.status, got.body, got.headers.etag], [status, '', '"1"']);
  }
});

test('R33: trailers go both ways over HTTP/2, without those that must not', async (t) => {
  const told: (readonly string[])[] = [];
  const { transport } = scripted((receiver, { body }) => {
    body?.open({
      onPiece: () => true,
      onBroken() {},
      onEnd(trailers) {
        told.push(trailers);
        receiver.onHead(200, 'OK', ['Trailer', 'X-Sum, Content-Length', 'Content-Type', 'text/plain']);
        receiver.onData(Buffer.from('abc'));
        receiver.onEnd([
          'X-Sum',
          '1',
          'X-Sum',
          '2',
          'Set-Cookie',
          'a=1',
          'Transfer-Encoding',
          'x',
          'X-Leak',
          'a token',
        ]);
      },
    });
  });
  const session = connectHttp2(t, (await startRelay(t, UNUSED, { transport })).url);
  const stream = session.request(
    { ':path': '/', ':method': 'POST', trailer: 'x-a' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-a': '1', authorization: 'Bearer evil' }));
  stream.end('content');
  const { headers, body, trailers } = await readReply(stream);
  assert.equal(headers.trailer, 'X-Sum');
  assert.equal(body, 'abc');
  assert.deepEqual(Object.entries(trailers ?? {}), [['x-sum', '1, 2']]);
  assert.deepEqual(told[0]?.slice(0, 2), ['x-a', '1']);
});

test('R41: a stream that its client resets takes the upstream request with it, before the response and within', async (t) => {
  for (const begins of [false, true]) {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    const { origin } = await startUpstream(t, (request, response) => {
      request.socket.on('close', () => close());
      if (begins) response.write('first');
      reach();
    });
    const relay = await startRelay(t, origin);
    const session = connectHttp2(t, relay.url);
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await (begins ? once(stream, 'data') : reached);
    const record = relay.nextRecord();
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
    assert.equal((await record).status, begins ? 200 : 0);
  }
});

test('R41: a connection that ends or breaks takes all of its upstream requests with it', async (t) => {
  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    let open = 0;
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    const { origin } = await startUpstream(t, (request) => {
      open += 1;
      if (open === 20) reach();
      request.socket.on('close', () => {
        open -= 1;
        if (open === 0) close();
      });
    });
    const relay = await startRelay(t, origin);
    const client = connectRawHttp2(relay.url);
    for (let i = 0; i < 20; i += 1) client.send(toHeaders(2 * i + 1, requestFields('GET')));
    await reached;
    client.socket[leave]();
    await closed;
    assert.deepEqual(new Set(relay.records.map(({ status }) => status)), new Set([0]));
  }
});

test('R41: an upload over HTTP/2 that its client gives up is broken off upstream, not ended', async (t) => {
  for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL]) {
    const { promise: raw, resolve: end } = Promise.withResolvers<string>();
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { origin } = await startRawUpstream(t, (socket) => {
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        if (received.includes('some content')) reach();
      });
      socket.on('close', () => end(received));
    });
    const client = connectRawHttp2((await startRelay(t, origin)).url);
    client.send(
      toHeaders(1, requestFields('POST'), Flag.endHeaders),
      toFrame(Frame.data, 0, 1, Buffer.from('some content')),
    );
    await reached;
    client.send(toFrame(Frame.rstStream, 0, 1, toUint32(code)));
    assert.match(await raw, /some content\r\n$/);
    client.socket.destroy();
  }
});

test('R42: an upstream that dies in the middle of a body resets the stream, and nothing says that it ended', async (t) => {
  for (const head of ['Content-Length: 100\r\n', 'Transfer-Encoding: chunked\r\n']) {
    const { origin } = await startRawUpstream(t, (socket) => {
      socket.once('data', () => {
        const body = head.startsWith('Content') ? 'partial' : '7\r\npartial\r\n';
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`, () => socket.destroy());
      });
    });
    const relay = await startRelay(t, origin);
    const client = connectRawHttp2(relay.url);
    client.send(toHeaders(1, requestFields('GET')));
    const reset = await client.find(({ type }) => type === Frame.rstStream);
    assert.equal(reset.payload.readUInt32BE(), constants.NGHTTP2_INTERNAL_ERROR);
    const frames = client.frames.filter(({ streamId }) => streamId === 1);
    assert.equal(frames[0]?.type, Frame.headers);
    assert.ok(frames.every(({ type, flags }) => type === Frame.rstStream || (flags & Flag.endStream) === 0));
    client.socket.destroy();
    await assert.rejects(ask(connectHttp2(t, relay.url)), /INTERNAL_ERROR/);
    assert.equal(relay.records[0]?.error, 'upstream_reset');
  }
});

test('R42: an upstream that dies before its response is a 502 over HTTP/2, too', async (t) => {
  const { origin } = await startRawUpstream(t, (socket) => socket.once('data', () => socket.destroy()));
  const { status, body, headers } = await ask(connectHttp2(t, (await startRelay(t, origin)).url));
  assert.equal(status, 502);
  assert.match(body, /"upstream_reset"/);
  assert.match(String(headers['proxy-status']), /^gcp-bearer-proxy; error=/);
});

/** A relay whose upstream answers each request with this head and these trailers, and `abc` in between. */
function startScripted(t: TestContext, lines: readonly string[], trailers: readonly string[] = []) {
  const { transport } = scripted((receiver) => {
    receiver.onHead(200, 'OK', lines);
    receiver.onData(Buffer.from('abc'));
    receiver.onEnd(trailers);
  });
  return startRelay(t, UNUSED, { transport });
}

test('R35: a response head that HTTP/2 can’t carry is a 502, or comes without what it can’t', async (t) => {
  const connection = ['Connection', 'x-a', 'X-A', '1', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c'];
  for (const [lines, expected] of [
    [[...connection, 'Proxy-Connection', 'x', 'Te', 'x', 'HTTP2-Settings', 'x', 'X-B', '2'], 200],
    [[':status', '500'], 200],
    [['X-Content-Type-Options', 'nosniff', 'x-content-type-options', 'nosniff'], 200],
    [['Bad Name', '1'], 502],
  ] as const) {
    const relay = await startScripted(t, lines);
    const { status, headers, body } = await ask(connectHttp2(t, relay.url));
    assert.equal(status, expected, String(lines));
    assert.match(body, status === 200 ? /^abc$/ : /"bad_upstream_response"/);
    for (const name of ['connection', 'x-a', 'transfer-encoding', 'upgrade', 'te', 'http2-settings'])
      assert.equal(headers[name], undefined);
  }
});

test('R68: trailers that HTTP/2 can’t carry are left out, and end neither the response nor the process', async (t) => {
  for (const trailers of [
    ['Bad Name', '1'],
    [':status', '1'],
    ['ETag', '1', 'etag', '2'],
    ['Connection', 'x'],
  ]) {
    const relay = await startScripted(t, [], trailers);
    assert.equal((await ask(connectHttp2(t, relay.url))).body, 'abc');
    assert.equal((await ask(connectHttp2(t, relay.url))).body, 'abc');
  }
});

test('R34: interim responses reach a client over HTTP/2, and the final one still arrives', async (t) => {
  const { transport } = scripted((receiver) => {
    for (let i = 0; i < 100; i += 1)
      receiver.onInterim(103, ['Link', '</a>', 'Connection', 'x', 'X-Leak', 'Bearer token']);
    receiver.onInterim(100, []);
    receiver.onInterim(101, []);
    receiver.onHead(200, 'OK', []);
    receiver.onEnd([]);
  });
  const session = connectHttp2(t, (await startRelay(t, UNUSED, { transport })).url);
  const stream = session.request({ ':path': '/' });
  const interim: unknown[] = [];
  stream.on('headers', (headers) => interim.push([headers[':status'], headers.link, headers['x-leak']]));
  assert.equal((await readReply(stream)).status, 200);
  assert.deepEqual(
    interim,
    Array.from({ length: 100 }, () => [103, '</a>', undefined]),
  );
});

test('R44: an early refusal of an upload over HTTP/2 is delivered whole, and the upload is stopped', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => {
    response.writeHead(413).end('too large');
  });
  const relay = await startRelay(t, origin, {}, { lingerMs: 100 });
  const session = connectHttp2(t, relay.url);
  const stream = session.request({ ':path': '/', ':method': 'POST' });
  stream.write(Buffer.alloc(10_000_000));
  const reply = await readReply(stream);
  assert.deepEqual([reply.status, reply.body], [413, 'too large']);
  const other = await ask(session);
  assert.equal(other.status, 413);
});

test('R44: a client that stops by itself once it has its answer is not stopped by a reset, which could cost it the answer', async (t) => {
  const relay = await startRelay(t, 'http://127.0.0.1:1', { path: '/only', name: '/only' });
  const client = connectRawHttp2(relay.url);
  client.send(toHeaders(1, requestFields('POST'), Flag.endHeaders));
  await client.find(({ streamId, flags }) => streamId === 1 && (flags & Flag.endStream) !== 0);
  client.send(toFrame(Frame.data, Flag.endStream, 1, Buffer.from('x')), toHeaders(3, requestFields('GET')));
  await client.find(({ streamId, flags }) => streamId === 3 && (flags & Flag.endStream) !== 0);
  assert.ok(client.frames.every(({ type }) => type !== Frame.rstStream));
  client.socket.destroy();
});

test('R44: the upload is only stopped once the response has ended, whoever made it and with content or without', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    const status = Number(request.url?.slice(1));
    response.writeHead(status).end(status === 204 ? '' : 'too large');
  });
  const relay = await startRelay(t, origin, { path: '/up', name: '/up' }, { lingerMs: 100 });
  const grpc: [string, string] = ['content-type', 'application/grpc'];
  for (const [path, ...more] of [['/up/413'], ['/up/204'], ['/elsewhere'], ['/elsewhere', grpc]] as const) {
    const fields = requestFields('POST', ...more).map(([name, value]): [string, string] =>
      name === ':path' ? [name, path] : [name, value],
    );
    // A request that was whole before its answer needs no stop.
    const whole = connectRawHttp2(relay.url);
    whole.send(
      toHeaders(1, fields, Flag.endHeaders),
      toFrame(Frame.data, Flag.endStream, 1, Buffer.from('x')),
    );
    await whole.find(({ streamId, flags }) => streamId === 1 && (flags & Flag.endStream) !== 0);
    const client = connectRawHttp2(relay.url);
    client.send(toHeaders(1, fields, Flag.endHeaders));
    const reset = await client.find(({ type }) => type === Frame.rstStream);
    assert.equal(reset.payload.readUInt32BE(), constants.NGHTTP2_NO_ERROR);
    const before = client.frames.filter(({ streamId }) => streamId === 1).at(-2);
    assert.equal((before?.flags ?? 0) & Flag.endStream, Flag.endStream, `${path} ${more}`);
    client.socket.destroy();
    assert.ok(whole.frames.every(({ type }) => type !== Frame.rstStream));
    whole.socket.destroy();
  }
});

test('R43: a client that doesn’t read one stream stops its upstream, and its other streams go on', async (t) => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let written = 0;
  const { promise: stalled, resolve: stall } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (request, response) => {
    if (request.url === '/small') return response.end('small');
    response.on('close', () => response.emit('drain'));
    while (written < 1024 * chunk.length && !response.destroyed) {
      written += chunk.length;
      if (!response.write(chunk)) {
        setImmediate(stall);
        await once(response, 'drain');
      }
    }
    return response.end();
  });
  const session = connectHttp2(t, (await startRelay(t, origin)).url);
  const stream = session.request({ ':path': '/big' });
  stream.pause();
  stream.on('error', () => {});
  await once(stream, 'response');
  await stalled;
  for (let i = 0; i < 20; i += 1) assert.equal((await ask(session, { ':path': '/small' })).body, 'small');
  assert.ok(written < 16 * 1024 * 1024, `the upstream could write ${written} bytes`);
});

test('R43: an upstream that doesn’t read an upload stops it, and other streams of its client go on', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    if (request.url === '/small') response.end('small');
    else request.on('error', () => {});
  });
  const session = connectHttp2(t, (await startRelay(t, origin)).url);
  const stream = session.request({ ':path': '/big', ':method': 'POST' });
  stream.on('error', () => {});
  const chunk = Buffer.alloc(1024 * 1024);
  let sent = 0;
  const push = (): void => {
    sent += chunk.length;
    if (sent < 64 * chunk.length) stream.write(chunk, push);
  };
  push();
  for (let i = 0; i < 20; i += 1) assert.equal((await ask(session, { ':path': '/small' })).body, 'small');
  assert.ok(sent < 16 * chunk.length, `the client could send ${sent} bytes`);
});

test('R65: while draining, HTTP/2 requests under way finish behind a GOAWAY, and new ones are refused', async (t) => {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: go, resolve: finish } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (_request, response) => {
    reach();
    await go;
    response.end('done');
  });
  const relay = await startRelay(t, origin);
  const session = connectHttp2(t, relay.url);
  const idle = connectHttp2(t, relay.url);
  await once(idle, 'remoteSettings');
  const silent = connectTo(relay.url);
  await once(silent, 'connect');
  const reply = ask(session);
  await reached;
  const goneAway = once(session, 'goaway');
  const idleClosed = once(idle, 'close');
  const drained = relay.drain(10_000);
  await goneAway;
  await idleClosed;
  await assert.rejects(ask(connectHttp2(t, relay.url)));
  finish();
  assert.equal((await reply).body, 'done');
  await drained;
});

test('R65: at the deadline, what is left over HTTP/2 is broken off', async (t) => {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, () => reach());
  const relay = await startRelay(t, origin);
  const reply = ask(connectHttp2(t, relay.url));
  await reached;
  await Promise.all([assert.rejects(reply), relay.drain(1)]);
});

async function startGreeter(t: TestContext) {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  return startRelay(t, origin);
}

test('R49: an HTTP/2 connection without a request is closed in time, one that had some is not', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin, {}, { headTimeoutMs: 500, keepAliveMs: 600_000 });
  const used = connectHttp2(t, relay.url);
  await ask(used);
  const trickling = connectRawHttp2(relay.url);
  trickling.send(toHeaders(1, requestFields('GET'), Flag.endStream));
  const silent = connectRawHttp2(relay.url);
  await silent.find(({ type }) => type === Frame.goAway);
  await Promise.all([silent.closed, trickling.closed]);
  assert.equal(used.closed, false);
  assert.equal((await ask(used)).status, 200);
});

test('R49: an HTTP/2 connection that had requests is closed once it was idle for long enough', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin, {}, { headTimeoutMs: 500, keepAliveMs: 10 });
  const used = connectHttp2(t, relay.url);
  const closed = once(used, 'close');
  assert.equal((await ask(used)).status, 200);
  await closed;
});

test('R31: too many fields, too long a target, too large a head are refused over HTTP/2 in a way that says so', async (t) => {
  const relay = await startGreeter(t);
  const session = connectHttp2(t, relay.url);
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'y']));
  assert.equal((await ask(session, many(256))).status, 200);
  for (const [headers, status, code] of [
    [many(257), 431, 'head_too_large'],
    [many(290), 431, 'head_too_large'],
    [{ 'x-a': 'y'.repeat(33_000) }, 431, 'head_too_large'],
    [{ 'x-a': 'y'.repeat(20_000), 'x-b': 'y'.repeat(20_000) }, 431, 'head_too_large'],
    [{ ':path': `/${'x'.repeat(17_000)}` }, 414, 'target_too_long'],
  ] as const) {
    const reply = await ask(session, headers);
    assert.equal(reply.status, status);
    assert.match(reply.body, new RegExp(`"${code}"`));
  }
  const cookies = await ask(session, { cookie: Array.from({ length: 250 }, (_, i) => `c${i}=1`) });
  assert.equal(cookies.status, 200, 'a cookie split into its pairs is one field');
  for (const count of [400, 2_000]) {
    const raw = connectRawHttp2(relay.url);
    raw.send(
      toHeaders(
        1,
        requestFields('GET', ...Array.from({ length: count }, (): [string, string] => ['a', 'b'])),
      ),
    );
    const refusal = await raw.find(({ type }) => type === Frame.rstStream);
    assert.equal(refusal.payload.readUInt32BE(), constants.NGHTTP2_ENHANCE_YOUR_CALM);
    raw.socket.destroy();
  }
});
