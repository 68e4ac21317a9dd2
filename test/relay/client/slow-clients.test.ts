import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { startRelay } from '../../support/relays.ts';
import { connectTo, readToEnd, readUntil, startRawUpstream, startUpstream } from '../../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function startFine(t: TestContext, options: Parameters<typeof startRelay>[3]) {
  const { origin } = await startUpstream(t, (request, response) => {
    request.resume();
    request.on('end', () => response.end('fine'));
  });
  return startRelay(t, origin, {}, options);
}

test('R49: a head that isn’t there in time is a 408, and the connection is closed; other clients are served meanwhile', async (t) => {
  const relay = await startFine(t, { headTimeoutMs: 1_000, lingerMs: 50 });
  const slow = ['', 'G', 'PRI', 'GET / HTTP/1.1\r\n', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '].map(
    (bytes) => {
      const socket = connectTo(relay.url);
      if (bytes !== '') socket.write(bytes);
      return readToEnd(socket);
    },
  );
  let served = 0;
  let isOver = false;
  const all = Promise.all(slow).finally(() => {
    isOver = true;
  });
  const session = connectHttp2(t, relay.url);
  while (!isOver) {
    assert.equal((await ask(session)).status, 200);
    assert.equal((await fetch(relay.url)).status, 200);
    served += 1;
  }
  for (const text of await all)
    assert.match(text, /^HTTP\/1\.1 408 [\s\S]*Connection: close\r\n[\s\S]*"request_timeout"/);
  assert.ok(served > 2, `${served} served`);
});

test('R49: bytes that trickle don’t stretch the time, neither before the version is known nor after', async (t) => {
  const relay = await startFine(t, { headTimeoutMs: 200, lingerMs: 50 });
  for (const bytes of [
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(100)}`,
  ]) {
    const socket = connectTo(relay.url);
    socket.setNoDelay(true);
    const text = readToEnd(socket);
    let sent = 0;
    const trickle = setInterval(() => {
      if (sent < bytes.length - 1) socket.write(bytes.charAt(sent));
      sent += 1;
    }, 20);
    assert.match(await text, /^HTTP\/1\.1 408 /);
    clearInterval(trickle);
    assert.ok(sent < bytes.length - 1, 'it was over before all was sent');
  }
});

test('R49 R50: content that trickles isn’t touched by the limit for heads', async (t) => {
  const relay = await startFine(t, { headTimeoutMs: 400 });
  const socket = connectTo(relay.url);
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n');
  const session = connectHttp2(t, relay.url);
  const stream = session.request({ ':path': '/', ':method': 'POST' });
  const response = once(stream, 'response');
  // As long as it takes for a head without an end to run into the limit, several times over.
  for (let piece = 0; piece < 10; piece += 1) {
    socket.write('x');
    stream.write('x');
    if (piece % 4 === 0) await readToEnd(connectTo(relay.url));
  }
  assert.match(await readUntil(socket, 'fine'), /^HTTP\/1\.1 200 /);
  stream.end();
  assert.equal((await response)[0][':status'], 200);
  socket.destroy();
});

test('R43: a client of HTTP/1.1 that doesn’t read stops its upstream', async (t) => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let written = 0;
  const { promise: stalled, resolve: stall } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (_request, response) => {
    response.on('close', () => response.emit('drain'));
    while (written < 1024 * chunk.length && !response.destroyed) {
      written += chunk.length;
      if (!response.write(chunk)) {
        setImmediate(stall);
        await once(response, 'drain');
      }
    }
    response.end();
  });
  const relay = await startRelay(t, origin);
  const socket = connectTo(relay.url);
  socket.pause();
  socket.write(GET);
  await stalled;
  for (let i = 0; i < 20; i += 1) await readToEnd(connectTo(relay.url).end('x'));
  assert.ok(written < 32 * chunk.length, `the upstream could write ${written} bytes`);
  socket.destroy();
});

test('a client of HTTP/1.1 that doesn’t read is waited for once, however many pieces come meanwhile', async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const pieces = `${'1\r\nx\r\n'.repeat(10_000)}2\r\nxx\r\n`;
  const size = 120;
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < size; i += 1) socket.write(pieces);
    socket.write('0\r\n\r\n');
  });
  const relay = await startRelay(t, origin);
  const socket = connectTo(relay.url);
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  for (let i = 0; i < 50; i += 1) await readToEnd(connectTo(relay.url).end('x'));
  const received = await readToEnd(socket.resume());
  assert.equal(
    received
      .match(/^x+\r$/gm)
      ?.join('')
      .replaceAll('\r', '').length,
    size * 10_002,
  );
  assert.deepEqual(warnings, []);
});

test('R43: an upstream that doesn’t read stops the upload of a client of HTTP/1.1', async (t) => {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, (request, response) => {
    request.on('error', () => {});
    if (request.method === 'GET') response.end('fine');
    else reach();
  });
  const relay = await startRelay(t, origin);
  const request = httpRequest(relay.url, { method: 'POST' });
  request.on('error', () => {});
  const chunk = Buffer.alloc(1024 * 1024);
  let sent = 0;
  const push = (): void => {
    sent += chunk.length;
    if (sent < 128 * chunk.length) request.write(chunk, push);
  };
  push();
  await reached;
  for (let i = 0; i < 20; i += 1) assert.equal(await (await fetch(relay.url)).text(), 'fine');
  assert.ok(sent < 32 * chunk.length, `the client could send ${sent} bytes`);
  request.destroy();
});
