import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { startRelay } from '../../support/relays.ts';
import {
  closedPort,
  connectTo,
  exchangeBytes,
  readToEnd,
  readUntil,
  startRawUpstream,
} from '../../support/sockets.ts';

test('R42: content that breaks off is a reset to HTTP/1.0, which knows no other end than that of the connection', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  const failed = once(client, 'error');
  client.write('GET / HTTP/1.0\r\nHost: localhost\r\n\r\n');
  await readUntil(client, 'hello');
  sockets[0]?.destroy();
  const [error] = (await failed) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('a request that is whole gets its own response, whatever cannot be read behind it', async (t) => {
  const { origin } = await startRawUpstream(t, (socket) => {
    void readUntil(socket, 'hello').then(() =>
      socket.end('HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi'),
    );
  });
  const relay = await startRelay(t, origin);
  for (const surplus of ['\0garbage\r\n\r\n', 'surplus \0\r\n\r\n']) {
    const received = await exchangeBytes(
      relay.url,
      `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello${surplus}`,
    );
    assert.match(received, /^HTTP\/1\.1 201 Created\r\n/);
    assert.match(received, /\r\n\r\nhiHTTP\/1\.1 400 Bad Request\r\n/);
  }
  assert.match(await exchangeBytes(relay.url, '\0garbage\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('a request that was answered early is not answered once more for what breaks in its content', async (t) => {
  const relay = await startRelay(t, `http://127.0.0.1:${await closedPort()}`);
  for (const [head, surplus] of [
    ['Content-Length: 5', ''],
    ['Transfer-Encoding: chunked', 'no size\r\n'],
  ] as const) {
    const client = connectTo(relay.url);
    client.write(`POST / HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`);
    await readUntil(client, 'upstream_refused"');
    const rest = readToEnd(client);
    client.end(surplus);
    assert.doesNotMatch(await rest, /HTTP\/1\.1/);
  }
});

test('R50: a whole request whose content an upstream of HTTP/2 gives no window to is a 504, not the client’s fault', async (t) => {
  const server = createServer({ settings: { initialWindowSize: 0 } });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const timeout = { connectMs: 5_000, headersMs: 400, idleMs: 400 };
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const relay = await startRelay(t, origin, { timeout }, { protocol: 'http2' });
  for (const length of [{ 'Content-Length': '5' }, {}]) {
    const body = Readable.toWeb(Readable.from([Buffer.from('hello')]));
    const response = await fetch(relay.url, {
      method: 'POST',
      headers: length,
      body,
      duplex: 'half',
    } as RequestInit);
    assert.equal(response.status, 504);
    assert.match(await response.text(), /"upstream_timeout"/);
  }
});

test('R51: an upstream of HTTP/2 that does not ask for content in time is a 504, not the client’s fault', async (t) => {
  const server = createServer();
  server.on('checkContinue', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const timeout = { connectMs: 5_000, headersMs: 400, idleMs: 400 };
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const relay = await startRelay(t, origin, { timeout }, { protocol: 'http2' });
  const client = connectTo(relay.url);
  client.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  assert.match(await readUntil(client, '"upstream_timeout"'), /^HTTP\/1\.1 504 /);
  client.destroy();
});
