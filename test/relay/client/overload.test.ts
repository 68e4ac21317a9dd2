import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { ROOT } from '../../support/cli.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { startRelay } from '../../support/relays.ts';
import { connectTo, exchangeBytes, readToEnd, readUntil, startUpstream } from '../../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const GRPC = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };

/** An upstream that answers when told to. */
async function startHeld(t: TestContext) {
  let requests = 0;
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const waiting: (() => void)[] = [];
  const { origin } = await startUpstream(t, async (_request, response) => {
    requests += 1;
    for (const tell of waiting.splice(0)) tell();
    await released;
    response.end('fine');
  });
  return {
    origin,
    release: () => release(),
    requests: () => requests,
    async reached(count: number) {
      while (requests < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

test('R52: a connection too many is told so at once, without a request; its place is free once another closes', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin, {}, { maxConnections: 2, lingerMs: 50 });
  const http2 = connectHttp2(t, relay.url);
  assert.equal((await ask(http2)).status, 200);
  const silent = connectTo(relay.url);
  // It counts from the moment it is accepted: a third is refused though the second has said nothing.
  await once(silent, 'connect');
  for (let i = 0; i < 5; i += 1) {
    const text = await readToEnd(connectTo(relay.url));
    assert.match(text, /^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: 1\r\n[\s\S]*"overloaded"/);
    assert.match(text, /limits\.connections/);
  }
  assert.match(await exchangeBytes(relay.url, GET), /^HTTP\/1\.1 503 /);
  await assert.rejects(ask(connectHttp2(t, relay.url)));
  assert.equal(relay.records.length, 1);
  silent.destroy();
  let text = '';
  while (!text.startsWith('HTTP/1.1 200'))
    text = await exchangeBytes(relay.url, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.match(text, /fine$/m);
  assert.equal((await ask(http2)).status, 200);
});

test('R52: connections far beyond the limit are closed without a word, and nothing is left of them', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin, {}, { maxConnections: 1, lingerMs: 60_000 });
  const first = connectHttp2(t, relay.url);
  assert.equal((await ask(first)).status, 200);
  // These are told, and then just stay.
  const staying: Socket[] = [];
  for (let i = 0; i < 256; i += 1) {
    const socket = connectTo(relay.url);
    socket.allowHalfOpen = true;
    staying.push(socket);
    await readUntil(socket, '503');
  }
  assert.equal(await readToEnd(connectTo(relay.url)), '');
  assert.equal((await ask(first)).status, 200);
  for (const socket of staying) socket.destroy();
});

test('R52: a request too many is a 503 at once, over both versions, and doesn’t go upstream', async (t) => {
  const { origin, release, requests, reached } = await startHeld(t);
  const relay = await startRelay(t, origin, {}, { maxRequests: 2 });
  const session = connectHttp2(t, relay.url);
  const held = [ask(session), ask(session)];
  await reached(2);
  const own = await ask(session);
  assert.equal(own.status, 503);
  assert.equal(own.headers['retry-after'], '1');
  assert.match(own.body, /"overloaded"[\s\S]*limits\.requests/);
  const http1 = await fetch(relay.url);
  assert.equal(http1.status, 503);
  assert.equal(http1.headers.get('retry-after'), '1');
  await http1.text();
  const grpc = await ask(session, GRPC, 'x');
  assert.equal(grpc.status, 200);
  assert.equal(grpc.headers['grpc-status'], '14');
  assert.equal(requests(), 2);
  release();
  for (const reply of await Promise.all(held)) assert.equal(reply.body, 'fine');
  // Each place is free again, those of the refused, too.
  const later = await Promise.all([ask(session), ask(session)]);
  assert.deepEqual(
    later.map(({ status }) => status),
    [200, 200],
  );
});

test('R52: a client that leaves gives its place back', async (t) => {
  const { origin, reached, release } = await startHeld(t);
  const relay = await startRelay(t, origin, {}, { maxRequests: 1 });
  for (let i = 1; i <= 5; i += 1) {
    const socket = connectTo(relay.url);
    socket.write(GET);
    await reached(2 * i - 1);
    const told = relay.nextRecord();
    socket.destroy();
    await told;
    const session = connectHttp2(t, relay.url);
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await reached(2 * i);
    const toldAgain = relay.nextRecord();
    session.destroy();
    await toldAgain;
  }
  release();
  assert.equal(await (await fetch(relay.url)).text(), 'fine');
});

test('R53: out of file descriptors, the proxy goes on, and serves again once there are some', async (t) => {
  // Windows has no such limit.
  if (process.platform === 'win32') return;
  const script = join(ROOT, 'test', 'support', 'programs', 'few-descriptors.ts');
  const child = spawn('sh', ['-c', `ulimit -n 80; exec "$0" "$1"`, process.execPath, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const url = (await lines.next()).value as string;
  const sockets = Array.from({ length: 200 }, () => connectTo(url));
  // The one that finds no descriptor is closed at once, without a word; those that found one are waited for.
  const texts = sockets.map((socket) => readToEnd(socket));
  assert.equal(await Promise.race(texts), '');
  for (const socket of sockets) socket.destroy();
  let text = '';
  while (!text.includes('fine'))
    text = await exchangeBytes(url, `${GET.trimEnd()}\r\nConnection: close\r\n\r\n`);
  assert.equal(child.exitCode, null);
});
