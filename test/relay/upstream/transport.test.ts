import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { trustCertificates } from '../../../src/trust.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { startRawUpstream, startTlsUpstream } from '../../support/sockets.ts';
import { begin, GET, send, startTransport as start, toBody, toOpenBody } from '../../support/transports.ts';

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
  const { status, body, error } = await send(transport);
  assert.deepEqual([status, body, error], [200, 'ok', undefined]);
  assert.equal(sockets.length, 2);
  assert.equal(heads.length, 3);
});

test('R54: a POST, with a body or without, and a request whose connection is new are not sent again', async (t) => {
  const { origin, heads } = await startOnceOnly(t, (socket) => socket.resetAndDestroy());
  for (const change of [{ method: 'POST' }, { method: 'POST', body: toBody(['x'], 1) }]) {
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
    assert.equal(outcome.error?.code, 'bad_request');
  }
  assert.doesNotMatch(received.join(''), /cdef/);
  received.length = 0;
  const chunked = toBody(['ab', '', 'cd']);
  assert.equal((await send(start(t, origin), { method: 'POST', body: chunked })).body, 'ok');
  assert.match(received.join(''), /2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n$/);
});

/** Resolves once a socket has sent this many bytes in all. */
async function sentBytes(sockets: readonly Socket[], received: () => number, bytes: number): Promise<void> {
  while (received() < bytes) await once(sockets[0] as Socket, 'data');
}

test('R57: a hundred connections that their upstream closes just as requests come: no GET fails', async (t) => {
  const waiting: Socket[] = [];
  const requests = new Map<Socket, number>();
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.on('data', () => {
      const count = (requests.get(socket) ?? 0) + 1;
      requests.set(socket, count);
      if (count > 1) socket.resetAndDestroy();
      else if (sockets.length <= 100) waiting.push(socket);
      else socket.write(ANSWER);
      if (waiting.length === 100) for (const each of waiting.splice(0)) each.write(ANSWER);
    });
  });
  const transport = start(t, origin);
  const hundred = () => Promise.all(Array.from({ length: 100 }, () => send(transport)));
  await hundred();
  assert.equal(sockets.length, 100);
  const outcomes = await hundred();
  assert.deepEqual(new Set(outcomes.map(({ status, error }) => error?.code ?? status)), new Set([200]));
  assert.equal(sockets.length, 200);
});

test('R54: a PUT with its small body is sent once more after a stale connection, its body whole', async (t) => {
  const received: string[] = [];
  const { origin } = await startRawUpstream(t, (socket) => {
    let requests = 0;
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.startsWith('PUT') && !text.endsWith('hello')) return;
      received.push(text);
      text = '';
      requests += 1;
      if (requests === 1) socket.write(ANSWER);
      else socket.resetAndDestroy();
    });
  });
  const transport = start(t, origin);
  await send(transport);
  const outcome = await send(transport, { method: 'PUT', body: toBody(['hel', 'lo'], 5) });
  assert.equal(outcome.body, 'ok');
  assert.equal(received.filter((text) => text.endsWith('\r\n\r\nhello')).length, 2);
});

test('R54: a reused connection on which the headers timeout passes is not a stale one', async (t) => {
  const clock = new FakeClock();
  const arrived = Promise.withResolvers<Socket>();
  const { origin, heads } = await startOnceOnly(t, (socket) => arrived.resolve(socket));
  const transport = start(t, origin, { clock });
  await send(transport);
  const { outcome } = begin(transport, { timeout: { connectMs: 0, headersMs: 1_000, idleMs: 0 } });
  await arrived.promise;
  await clock.advance(2_000);
  assert.equal((await outcome).error?.code, 'upstream_timeout');
  assert.equal(heads.length, 2);
});

test('R57: connections checked for one name are not used for another one', async (t) => {
  const authority = createTestAuthority();
  const folder = await mkdtemp(join(tmpdir(), 'gcp-bearer-proxy-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'ca.pem'), authority.cert);
  await trustCertificates(join(folder, 'ca.pem'));
  const { port } = await startTlsUpstream(t, authority.issue(['localhost']), (_request, response) =>
    response.end('ok'),
  );
  assert.equal((await send(start(t, `https://localhost:${port}`))).body, 'ok');
  assert.equal((await send(start(t, `https://127.0.0.1:${port}`))).error?.code, 'tls_error');
});

test('R51: a connection that doesn’t come to be in time is a connect timeout, and is not tried twice', async (t) => {
  const clock = new FakeClock();
  // Over TLS nothing stands until the other side has spoken.
  const { origin, sockets } = await startRawUpstream(t, () => {});
  const transport = start(t, origin.replace('http:', 'https:'), { clock });
  const { outcome } = begin(transport);
  while (sockets.length === 0) await settle();
  await clock.advance(4_999);
  assert.equal(sockets.length, 1);
  await clock.advance(1);
  const { error } = await outcome;
  assert.equal(error?.code, 'connect_timeout');
  assert.equal(error?.status, 504);
  assert.equal(sockets.length, 1);
});

const IDLE_30S = { connectMs: 0, headersMs: 60_000, idleMs: 30_000 };

test('R50: ten minutes of one byte each five seconds survive an idle limit of thirty, down and up', async (t) => {
  const clock = new FakeClock();
  let received = 0;
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.length;
    });
  });
  const transport = start(t, origin, { clock });
  const { body, stream } = toOpenBody(120);
  const { outcome } = begin(transport, { method: 'POST', body, timeout: IDLE_30S });
  while (sockets.length === 0 || received === 0) await settle();
  const headBytes = received;
  for (let sent = 1; sent <= 120; sent += 1) {
    await clock.advance(5_000);
    stream.write('x');
    await sentBytes(sockets, () => received, headBytes + sent);
  }
  stream.end();
  const socket = sockets[0] as Socket;
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 120\r\n\r\n');
  for (let sent = 1; sent <= 120; sent += 1) {
    await clock.advance(5_000);
    await new Promise((resolve) => socket.write('y', resolve));
    await settle();
  }
  const { error, body: answer } = await outcome;
  assert.equal(error, undefined);
  assert.equal(answer.length, 120);
});

test('R50: whose silence ends a request is said: the client’s, or the upstream’s that takes no more', async (t) => {
  for (const [pieces, code, words] of [
    [['x'], 'request_timeout', /client sent no more/],
    [Array(64).fill('x'.repeat(1 << 20)), 'upstream_timeout', /took no more of the request's body/],
  ] as const) {
    const clock = new FakeClock();
    const { origin, sockets } = await startRawUpstream(t, (socket) => socket.pause());
    const { body, stream } = toOpenBody();
    const transport = start(t, origin, { clock });
    const { outcome } = begin(transport, { method: 'POST', body, timeout: IDLE_30S });
    while (sockets.length === 0) await settle();
    for (const piece of pieces) stream.write(piece);
    // Until the kernel takes no more.
    for (let left = -1; left !== stream.readableLength + stream.writableLength; ) {
      left = stream.readableLength + stream.writableLength;
      await settle();
      await settle();
    }
    await clock.advance(29_000);
    await clock.advance(2_000);
    const { error } = await outcome;
    assert.equal(error?.code, code);
    assert.match(error?.message ?? '', words);
  }
});

test('R50: a receiver that doesn’t read is not the upstream’s silence', async (t) => {
  const clock = new FakeClock();
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab'));
  });
  const transport = start(t, origin, { clock });
  const told = Promise.withResolvers<void>();
  const error = Promise.withResolvers<string>();
  const request = { ...GET, timeout: IDLE_30S };
  const sending = transport.send(request, {
    onInterim() {},
    onHead() {},
    onData() {
      told.resolve();
      return false;
    },
    onEnd() {},
    onError: ({ code }) => error.resolve(code),
  });
  await told.promise;
  await clock.advance(600_000);
  sending.resume();
  await clock.advance(29_000);
  await clock.advance(2_000);
  assert.equal(await error.promise, 'upstream_timeout');
});

test('R51: a head that comes byte by byte is waited for no longer than one that doesn’t come', async (t) => {
  const clock = new FakeClock();
  const { origin, sockets } = await startRawUpstream(t, () => {});
  const { outcome } = begin(start(t, origin, { clock }), { timeout: IDLE_30S });
  while (sockets.length === 0) await settle();
  let error: unknown;
  outcome.then((result) => {
    error = result.error?.code;
  });
  for (const byte of ANSWER.slice(0, 20)) {
    await clock.advance(5_000);
    sockets[0]?.write(byte);
    await settle();
  }
  assert.equal(error, 'upstream_timeout');
});

test('R44: a refusal while the body is still coming is told, the rest is not read, and the connection is closed', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig'));
  });
  const { body, stream } = toOpenBody(1_000_000);
  stream.write('x'.repeat(1_000));
  const outcome = await send(start(t, origin), { method: 'POST', body });
  assert.deepEqual([outcome.status, outcome.body, outcome.error], [413, 'big', undefined]);
  const socket = sockets[0] as Socket;
  if (!socket.closed) await once(socket, 'close');
  stream.write('y');
  await settle();
  assert.equal(stream.readableLength, 1);
});

test('a success may be answered while the request goes on, and its end is the end of both', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
    socket.on('data', (chunk) => {
      if (chunk.includes('ping')) socket.write('4\r\npong\r\n');
      if (chunk.includes('0\r\n\r\n')) socket.write('0\r\n\r\n');
    });
  });
  const transport = start(t, origin);
  const { body, stream } = toOpenBody();
  const { outcome } = begin(transport, { method: 'POST', body });
  stream.write('hello');
  while (sockets.length === 0) await settle();
  await settle();
  stream.write('ping');
  await once(sockets[0] as Socket, 'data');
  stream.end();
  assert.equal((await outcome).body, 'pong');
});

test('R35: a malformed response to a reused connection’s request closes it, and is not asked for twice', async (t) => {
  const { origin, sockets, heads } = await startOnceOnly(t, (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'),
  );
  const transport = start(t, origin);
  await send(transport);
  assert.equal((await send(transport)).error?.code, 'bad_upstream_response');
  const socket = sockets[0] as Socket;
  if (!socket.closed) await once(socket, 'close');
  assert.equal(heads.length, 2);
});

test('R52: a request that would need one connection too many is answered 503 at once, and those under way go on', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, () => {});
  const transport = start(t, origin);
  const busy = Array.from({ length: 1_024 }, () => begin(transport));
  const { error } = await send(transport);
  assert.deepEqual([error?.code, error?.retryAfterMs], ['overloaded', 1_000]);
  assert.match(error?.message ?? '', /all 1024 connections are busy/);
  for (const { sending } of busy) sending.abort();
  while (sockets.some(({ closed }) => !closed)) await settle();
});

test('R57: a second attempt takes a new connection, as the other free ones may be as stale as the first', async (t) => {
  const waiting: Socket[] = [];
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => {
      socket.once('data', () => socket.resetAndDestroy());
      if (sockets.length > 2) socket.write(ANSWER);
      else if (waiting.push(socket) === 2) for (const each of waiting) each.write(ANSWER);
    });
  });
  const transport = start(t, origin);
  await Promise.all([send(transport), send(transport)]);
  assert.equal((await send(transport)).body, 'ok');
  assert.equal(sockets.length, 3);
});

test('R44: the rest of a body is not read from the refusal’s head on, however long its own body takes', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n'));
  });
  const { body, stream } = toOpenBody();
  stream.write('first');
  const head = Promise.withResolvers<number>();
  const end = Promise.withResolvers<void>();
  const request = { ...GET, method: 'POST', body };
  start(t, origin).send(request, {
    onInterim() {},
    onHead: (status) => head.resolve(status),
    onData: () => true,
    onEnd: () => end.resolve(),
    onError: end.reject,
  });
  assert.equal(await head.promise, 403);
  stream.write('second');
  await settle();
  assert.equal(stream.readableLength, 6);
  sockets[0]?.write('no.');
  await end.promise;
});

test('R44: a success that comes before the body’s end is whole, and its connection carries nothing else', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) =>
    socket.once('data', () => socket.write(ANSWER)),
  );
  const { body, stream } = toOpenBody(10);
  stream.write('hello');
  const transport = start(t, origin);
  assert.equal((await send(transport, { method: 'POST', body })).body, 'ok');
  assert.equal((await send(transport)).body, 'ok');
  assert.equal(sockets.length, 2);
});
