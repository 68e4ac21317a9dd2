import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { breakOff } from '../../src/relay/break-off.ts';
import { closed } from '../support/handshakes.ts';
import { startRawUpstream } from '../support/sockets.ts';

test('R42: a connection is closed when it is broken off, also right after its end', async (t) => {
  const { origin, accepted } = await startRawUpstream(t, () => {}, true);
  const before: readonly ((socket: Socket) => unknown)[] = [
    () => {},
    (socket) => socket.end('bye'),
    (socket) => new Promise<void>((resolve) => socket.end('bye', resolve)),
  ];
  for (const prepare of before) {
    const arrived = once(accepted, 'socket');
    const client = connect(Number(new URL(origin).port), '127.0.0.1').on('error', () => {});
    const [socket] = (await arrived) as [Socket];
    const over = closed(socket);
    await prepare(socket);
    breakOff(socket);
    await over;
    client.destroy();
  }
});
