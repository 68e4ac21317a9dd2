import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { watchForUntaken } from '../../../src/relay/client/untaken.ts';

/** More than any system buffers for a connection. */
const MUCH = Buffer.alloc(64 * 1_048_576);
const EVERY_MS = 1_000;

/** A connection with a request on it, from both ends. */
interface Visit {
  readonly client: Socket;
  readonly socket: Socket;
  readonly response: ServerResponse;
}

async function startWatched(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const untaken = watchForUntaken(EVERY_MS);
  const server = createServer({ keepAliveTimeout: 0 }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const clients: Socket[] = [];
  t.after(() => {
    untaken.stop();
    for (const client of clients) client.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const visit = async (): Promise<Visit> => {
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
    clients.push(client);
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [{ socket }, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
    untaken.add(socket);
    return { client, socket, response };
  };
  /** Looks until that connection is closed, and twice more. */
  const lookUntilClosed = async ({ socket }: Visit): Promise<void> => {
    while (!socket.destroyed) {
      t.mock.timers.tick(EVERY_MS);
      await setImmediate();
    }
    t.mock.timers.tick(2 * EVERY_MS);
  };
  return { untaken, visit, lookUntilClosed };
}

test('a client that takes no more of a response that is all said loses its connection', async (t) => {
  const { visit, lookUntilClosed } = await startWatched(t);
  const [deaf, waiting, idle] = [await visit(), await visit(), await visit()];
  idle.response.end('all');
  await once(idle.client.resume(), 'data');
  waiting.response.write(MUCH);
  deaf.response.end(MUCH);
  await lookUntilClosed(deaf);
  assert.equal(waiting.socket.destroyed, false, 'more of that response was to come');
  assert.equal(idle.socket.destroyed, false, 'that one was taken');
});

test('so does one that has ended its side, and one whose connection we have ended; but not one that is still sending', async (t) => {
  const { visit, lookUntilClosed } = await startWatched(t);
  const [ended, left, sending] = [await visit(), await visit(), await visit()];
  ended.client.end();
  ended.response.end(MUCH);
  left.socket.write(MUCH);
  left.socket.end();
  sending.socket.end();
  await once(sending.client.resume(), 'end');
  await lookUntilClosed(ended);
  await lookUntilClosed(left);
  assert.equal(sending.socket.destroyed, false, 'its own side is open');
});

test('a client that has taken something since the last look keeps its connection', async (t) => {
  const { visit, lookUntilClosed } = await startWatched(t);
  const [slow, deaf] = [await visit(), await visit()];
  // Until the system takes no more.
  do {
    slow.response.write(MUCH.subarray(0, 65_536));
    await setImmediate();
  } while (slow.socket.writableLength === 0);
  slow.response.end(MUCH);
  const left = slow.socket.writableLength;
  t.mock.timers.tick(EVERY_MS);
  slow.client.resume();
  while (slow.socket.writableLength === left) await setImmediate();
  t.mock.timers.tick(EVERY_MS);
  assert.equal(slow.socket.destroyed, false);
  if (!slow.response.closed) await once(slow.response, 'close');
  assert.equal(slow.response.writableFinished, true);
  deaf.response.end(MUCH);
  await lookUntilClosed(deaf);
  assert.equal(slow.socket.destroyed, false);
});

test('a connection that is forgotten is left alone', async (t) => {
  const { untaken, visit, lookUntilClosed } = await startWatched(t);
  const [forgotten, deaf] = [await visit(), await visit()];
  forgotten.response.end(MUCH);
  untaken.delete(forgotten.socket);
  deaf.response.end(MUCH);
  await lookUntilClosed(deaf);
  assert.equal(forgotten.socket.destroyed, false);
});
