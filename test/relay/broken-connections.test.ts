import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { startRelay } from '../support/relays.ts';
import { connectTo, readUntil, startRawUpstream } from '../support/sockets.ts';

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
