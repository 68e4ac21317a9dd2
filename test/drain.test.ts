import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { createTestAuthority } from './support/certificates.ts';
import { FakeClock } from './support/fake-clock.ts';
import { answering, openClient, openWebSocket, SWITCHED } from './support/handshakes.ts';
import { type ReloadScene, setReloadScene } from './support/reloads.ts';
import {
  connectTo,
  readBody,
  readToEnd,
  readUntil,
  startRawUpstream,
  startUpstream,
} from './support/sockets.ts';
import { send } from './support/stack.ts';

/** So long that a test which waits for it fails. */
const NEVER_MS = 600_000;
/** What a proxy says last on a WebSocket. */
const GOING_AWAY = '\x88\x02\x03\xe9';

function setScene(t: TestContext, origin: string, more = '', clock?: FakeClock): Promise<ReloadScene> {
  const yaml = `${more}\ncredentials: { default: { kind: none } }\nroutes: [{ path: /, upstream: "${origin}" }]`;
  return setReloadScene(t, yaml, clock && { clock });
}

test('R65: at the deadline a WebSocket is told 1001 on both sides, and not before', async (t) => {
  const { origin, server } = await startUpstream(t, (_, response) => response.end());
  const sockets = new WebSocketServer({ server });
  const connected = once(sockets, 'connection') as Promise<[WebSocket]>;
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const { proxy, url } = await setScene(t, origin);
  const client = new WebSocket(url.replace('http:', 'ws:'));
  await once(client, 'open');
  const [upstream] = await connected;
  const ends = Promise.all([once(client, 'close'), once(upstream, 'close')]);
  const closing = proxy.close(100);
  client.send('still there');
  assert.equal(String((await once(client, 'message'))[0]), 'still there');
  assert.deepEqual(
    (await ends).map(([code]) => code),
    [1001, 1001],
  );
  await closing;
});

test('R65: a close frame never gets into a frame that is half relayed: that one breaks off', async (t) => {
  for (const half of ['\x82\x7e\x01', '\x82\x05ab']) {
    const upstream = await startRawUpstream(
      t,
      answering(SWITCHED, (socket) => socket.write(half, 'latin1')),
    );
    const { proxy, url } = await setScene(t, upstream.origin);
    const client = openClient(t, url);
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const head = await readUntil(client, half);
    assert.ok(head.endsWith(half));
    const [toClient, toUpstream] = [readToEnd(client), readToEnd(upstream.sockets[0] as Socket)];
    await proxy.close(0);
    assert.equal(await toClient, '');
    // Masked, so only its head is known; nothing was half relayed on this side.
    assert.match(await toUpstream, /^\x88\x82.{6}$/s);
  }
});

test('R65: where one side has said its close already, the proxy adds none', async (t) => {
  const said = '\x88\x02\x03\xe8';
  const upstream = await startRawUpstream(
    t,
    answering(SWITCHED, (socket) => socket.write(said, 'latin1')),
  );
  const { proxy, url } = await setScene(t, upstream.origin);
  const client = openClient(t, url);
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await readUntil(client, said);
  const toUpstream = readToEnd(upstream.sockets[0] as Socket);
  await Promise.all([proxy.close(0), readToEnd(client).then((text) => assert.equal(text, ''))]);
  assert.equal(await toUpstream, '');
});

test('R65: a client that takes nothing and answers nothing doesn’t hold up the end', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const { proxy, url } = await setScene(t, upstream.origin);
  const client = await openWebSocket(t, url);
  const heard = readUntil(client, GOING_AWAY);
  const closing = proxy.close(0);
  await heard;
  await closing;
});

const HALVES = ['GET /orders HTTP/1.1\r\nHost: loc', 'GET', 'P', 'PRI * HTT'];

test('R65: half a head doesn’t hold up the end, as the first request or behind another', async (t) => {
  const { origin } = await startUpstream(t, (_, response) => response.end('whole'));
  for (const half of HALVES) {
    for (const before of ['', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n']) {
      const { proxy, url } = await setScene(t, origin);
      const client = connectTo(url);
      client.write(before);
      if (before !== '') await readUntil(client, 'whole');
      const ended = readToEnd(client);
      await new Promise((resolve) => client.write(half, resolve));
      // Another request shows that the proxy has come to read that.
      assert.equal((await send(url, '/')).text, 'whole');
      await proxy.close(NEVER_MS);
      assert.equal(await ended, '');
    }
  }
});

test('R65: half a head, or half a handshake, doesn’t hold up the end over TLS either', async (t) => {
  const { origin } = await startUpstream(t, (_, response) => response.end());
  const { cert, key } = createTestAuthority().issue(['localhost']);
  const yaml = `listen: { address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem } }
credentials: { default: { kind: none } }\nroutes: [{ path: /, upstream: "${origin}" }]`;
  const { proxy, url } = await setReloadScene(t, yaml, { files: { 'cert.pem': cert, 'key.pem': key } });
  const client = connectTo(url);
  await once(client, 'connect');
  // The first bytes of a ClientHello that is longer.
  await new Promise((resolve) => client.write(Buffer.from('160301020001', 'hex'), resolve));
  const ended = readToEnd(client);
  // Another handshake shows that the proxy has come to read that.
  const { port } = new URL(url);
  const other = connectTls({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
  await once(other, 'secureConnect');
  const otherEnded = readToEnd(other);
  await new Promise((resolve) => other.write(HALVES[0] ?? '', resolve));
  await proxy.close(NEVER_MS);
  assert.deepEqual(await Promise.all([ended, otherEnded]), ['', '']);
});

test('R65: a request that has come whole finishes, with an end to its connection, while its body still comes', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>();
  const { origin } = await startUpstream(t, (request, response) => {
    request.resume();
    request.on('end', () => response.end('taken'));
    arrived.resolve(response);
  });
  const { proxy, url } = await setScene(t, origin);
  const upload = httpRequest(url, { method: 'POST', headers: { 'Content-Length': 10 } });
  upload.write('12345');
  await arrived.promise;
  const closing = proxy.close(NEVER_MS);
  upload.end('67890');
  const [response] = await once(upload, 'response');
  assert.equal(response.headers.connection, 'close');
  assert.equal(String(await readBody(response)), 'taken');
  await closing;
});

test('R65: closing again is the same end', async (t) => {
  const { origin } = await startUpstream(t, (_, response) => response.end());
  const { proxy } = await setScene(t, origin);
  const first = proxy.close(NEVER_MS);
  assert.equal(proxy.close(0), first);
  await first;
  assert.equal(proxy.close(), first);
});

test('R65: during the delay readiness says no, and who comes is served; then nobody is', async (t) => {
  const clock = new FakeClock();
  const { origin } = await startUpstream(t, (_, response) => response.end('served'));
  const { proxy, url } = await setScene(t, origin, 'admin: 127.0.0.1:0', clock);
  const ready = async (): Promise<number> => (await send(proxy.adminUrl ?? '', '/readyz')).status;
  assert.equal(await ready(), 200);
  const closing = proxy.close(NEVER_MS, 5_000);
  assert.equal(await ready(), 503);
  await clock.advance(4_999);
  const served = await send(url, '/');
  assert.deepEqual([served.text, served.headers.connection], ['served', 'close']);
  await clock.advance(1);
  await closing;
  await assert.rejects(send(url, '/'), { code: 'ECONNREFUSED' });
});
