import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import { startRelay } from '../support/relays.ts';
import { connectTo, readUntil, startUpstream } from '../support/sockets.ts';

const AT_ONCE = 100;

test('R40: a thousand event streams are left by their clients, and nothing is left of them upstream', async (t) => {
  const told = new EventEmitter();
  let open = 0;
  let opened = 0;
  const { origin, server } = await startUpstream(t, (_request, response) => {
    open += 1;
    opened += 1;
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n');
    response.on('close', () => {
      open -= 1;
      if (open === 0) told.emit('empty');
    });
  });
  const relay = await startRelay(t, origin);
  for (let round = 0; round < 9; round += 1) {
    const clients = Array.from({ length: AT_ONCE }, () => connectTo(relay.url));
    await Promise.all(
      clients.map((client) => {
        client.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
        return readUntil(client, 'data: 1\n\n');
      }),
    );
    const empty = once(told, 'empty');
    for (const [index, client] of clients.entries())
      if (index % 2 === 0) client.destroy();
      else client.resetAndDestroy();
    await empty;
  }
  const session = connectHttp2(relay.url);
  const streams = Array.from({ length: AT_ONCE }, () => session.request({ ':path': '/events' }));
  await Promise.all(streams.map((stream) => once(stream, 'data')));
  const empty = once(told, 'empty');
  for (const stream of streams) stream.close(8);
  await empty;
  session.destroy();
  assert.equal(opened, 1_000);
  assert.equal(relay.records.length, 1_000);
  const connections = await new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );
  assert.equal(connections, 0);
});
