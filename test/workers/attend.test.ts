import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { ask, connectHttp2 } from '../support/http2-clients.ts';
import { startRelay } from '../support/relays.ts';
import { connectTo, readToEnd, startUpstream } from '../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('R49: a connection that another process has accepted has as little time for its head as any', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin, {}, { isAttended: true, headTimeoutMs: 200, lingerMs: 50 });
  const slow = ['', 'PRI', 'GET / HTTP/1.1\r\nHost: '].map((bytes) => {
    const socket = connectTo(relay.url);
    if (bytes !== '') socket.write(bytes);
    return readToEnd(socket);
  });
  const session = connectHttp2(t, relay.url);
  assert.equal((await ask(session)).status, 200);
  assert.equal((await fetch(relay.url)).status, 200);
  for (const text of await Promise.all(slow)) assert.match(text, /^HTTP\/1\.1 408 /);
});

test('R65: the end waits for requests on such connections, and not for those that are idle', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>();
  const { origin } = await startUpstream(t, (_request, response) => arrived.resolve(response));
  const relay = await startRelay(t, origin, {}, { isAttended: true });
  const busy = connectTo(relay.url);
  busy.write(GET);
  const idle = connectTo(relay.url);
  await once(idle, 'connect');
  const upstream = await arrived.promise;
  let isDrained = false;
  const drained = relay.drain(60_000).then(() => {
    isDrained = true;
  });
  assert.equal(await readToEnd(idle), '');
  assert.equal(isDrained, false);
  const reply = readToEnd(busy);
  upstream.end('whole');
  assert.match(await reply, /^HTTP\/1\.1 200 [\s\S]*Connection: close\r\n[\s\S]*whole/);
  await drained;
});

test('as many connections are served as may be, and the next is told so', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin, {}, { isAttended: true, maxConnections: 1 });
  const first = connectTo(relay.url);
  first.write(GET);
  await once(first, 'data');
  assert.match(await readToEnd(connectTo(relay.url)), /^HTTP\/1\.1 503 [\s\S]*"overloaded"/);
  first.destroy();
});
