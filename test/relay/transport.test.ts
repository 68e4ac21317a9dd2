import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { ProxyError } from '../../src/errors.ts';
import { type RequestBody, StreamedBody } from '../../src/relay/request-body.ts';
import { createTransport, type Transport, type UpstreamRequest } from '../../src/relay/transport.ts';
import { startRawUpstream } from '../support/sockets.ts';

interface Outcome {
  readonly status: number | undefined;
  readonly body: string;
  readonly error: ProxyError | undefined;
}

const NO_LIMITS = { connectMs: 0, headersMs: 0, idleMs: 0 };

function start(t: TestContext, origin: string): Transport {
  const transport = createTransport({ origin, connectTimeoutMs: 5_000 });
  t.after(() => transport.destroy());
  return transport;
}

function send(transport: Transport, change: Partial<UpstreamRequest> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    let status: number | undefined;
    let body = '';
    transport.send(
      {
        method: 'GET',
        target: '/',
        lines: ['Host', 'upstream'],
        body: null,
        expectsContinue: false,
        wantsHttp2: false,
        mayRetry: true,
        timeout: NO_LIMITS,
        ...change,
      },
      {
        onInterim: () => {},
        onHead: (code) => {
          status = code;
        },
        onData: (chunk) => {
          body += chunk.toString('latin1');
          return true;
        },
        onEnd: () => resolve({ status, body, error: undefined }),
        onError: (error) => resolve({ status, body, error }),
      },
    );
  });
}

function toBody(pieces: readonly string[], length?: number, trailers: readonly string[] = []): RequestBody {
  const stream = Readable.from(pieces.map((text) => Buffer.from(text)));
  return new StreamedBody({ stream, isComplete: () => true, trailers: () => trailers }, length);
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Answers the first request of each connection, and leaves what comes then to the test. */
async function startOnceOnly(t: TestContext, onSecond: (socket: Socket) => void) {
  const heads: string[] = [];
  const upstream = await startRawUpstream(t, (socket) => {
    let requests = 0;
    socket.on('data', (chunk) => {
      heads.push(chunk.toString('latin1'));
      requests += 1;
      if (requests === 1) socket.write(ANSWER);
      else onSecond(socket);
    });
  });
  return { ...upstream, heads };
}

test('connections are used again, one at a time', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) =>
    socket.on('data', () => socket.write(ANSWER)),
  );
  const transport = start(t, origin);
  for (let i = 0; i < 3; i += 1) assert.equal((await send(transport)).body, 'ok');
  assert.equal(sockets.length, 1);
  await Promise.all([send(transport), send(transport), send(transport)]);
  assert.equal(sockets.length, 3);
});

test('R57: a connection that its upstream closed while idle is never felt by a GET', async (t) => {
  const { origin, sockets, heads } = await startOnceOnly(t, (socket) => socket.resetAndDestroy());
  const transport = start(t, origin);
  assert.equal((await send(transport)).body, 'ok');
  assert.deepEqual(await send(transport), { status: 200, body: 'ok', error: undefined });
  assert.equal(sockets.length, 2);
  assert.equal(heads.length, 3);
});

test('R54: a POST, a request with a body, and one whose connection is new are not sent again', async (t) => {
  const { origin, heads } = await startOnceOnly(t, (socket) => socket.resetAndDestroy());
  for (const change of [{ method: 'POST' }, { method: 'GET', body: toBody(['x'], 1) }]) {
    const transport = start(t, origin);
    await send(transport);
    const before = heads.length;
    assert.equal((await send(transport, change)).error?.code, 'upstream_reset');
    assert.equal(heads.length, before + 1);
  }
  const dead = await startRawUpstream(t, (socket) => socket.once('data', () => socket.destroy()));
  assert.equal((await send(start(t, dead.origin))).error?.code, 'upstream_reset');
  assert.equal(dead.sockets.length, 1);
});

test('R55: nothing is sent again once a byte of the response has come', async (t) => {
  const { origin, heads } = await startOnceOnly(t, (socket) =>
    socket.write('HTTP', () => socket.resetAndDestroy()),
  );
  const transport = start(t, origin);
  await send(transport);
  assert.notEqual((await send(transport)).error, undefined);
  assert.equal(heads.length, 2);
});

test('bytes behind a response, or on an idle connection, close it and reach nobody', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.once('data', () =>
      socket.write(ANSWER, () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')),
    );
  });
  const transport = start(t, origin);
  assert.equal((await send(transport)).body, 'ok');
  await once(sockets[0] as Socket, 'close');
  assert.equal((await send(transport)).body, 'ok');
  assert.equal(sockets.length, 2);
});

test('Connection: close is honoured', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.on('data', () => socket.write(ANSWER.replace('\r\n', '\r\nConnection: close\r\n')));
  });
  const transport = start(t, origin);
  await send(transport);
  await send(transport);
  assert.equal(sockets.length, 2);
});

test('R50: silence in the middle of a response is limited, a trickle is not', async (t) => {
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'));
  });
  const outcome = await send(start(t, origin), { timeout: { connectMs: 0, headersMs: 0, idleMs: 80 } });
  assert.equal(outcome.body, 'ab');
  assert.equal(outcome.error?.code, 'upstream_timeout');
});

test('the body of a request is framed by its length, or in chunks', async (t) => {
  const seen: string[] = [];
  const { origin } = await startRawUpstream(t, (socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n\r\n') && !text.endsWith('hello')) return;
      if (text.endsWith('\r\n\r\n') && /Content-Length: 5|chunked\r\n\r\n$/.test(text)) return;
      seen.push(text);
      text = '';
      socket.write(ANSWER);
    });
  });
  const transport = start(t, origin);
  const body = ['hel', 'lo'];
  await send(transport, { method: 'POST', body: toBody(body, 5) });
  await send(transport, { method: 'DELETE', body: toBody(body) });
  await send(transport, { method: 'POST' });
  await send(transport, { method: 'DELETE' });
  assert.deepEqual(seen, [
    'POST / HTTP/1.1\r\nHost: upstream\r\nContent-Length: 5\r\n\r\nhello',
    'DELETE / HTTP/1.1\r\nHost: upstream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: upstream\r\nContent-Length: 0\r\n\r\n',
    'DELETE / HTTP/1.1\r\nHost: upstream\r\n\r\n',
  ]);
});

test('a body that is not as long as its head said breaks the connection, and an empty piece doesn’t end one in chunks', async (t) => {
  const received: string[] = [];
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received.push(chunk.toString('latin1'));
      if (received.join('').endsWith('0\r\n\r\n')) socket.write(ANSWER);
    });
  });
  for (const pieces of [['ab'], ['ab', 'cdef']]) {
    const outcome = await send(start(t, origin), { method: 'POST', body: toBody(pieces, 4) });
    assert.equal(outcome.error?.code, 'upstream_reset');
  }
  assert.doesNotMatch(received.join(''), /cdef/);
  received.length = 0;
  const chunked = toBody(['ab', '', 'cd']);
  assert.equal((await send(start(t, origin), { method: 'POST', body: chunked })).body, 'ok');
  assert.match(received.join(''), /2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n$/);
});
