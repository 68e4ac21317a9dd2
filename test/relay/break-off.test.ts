import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { breakOff } from '../../src/relay/break-off.ts';
import { closed } from '../support/handshakes.ts';
import { connectTo, startRawUpstream } from '../support/sockets.ts';

const countSockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

test('R65: a connection broken off on its way to a clean end gives its descriptor back', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => socket.resume());
  const before = countSockets();
  for (const moment of ['at once', 'in the next tick', 'after a turn'] as const) {
    const accepted = once(upstream.accepted, 'socket') as Promise<[Socket]>;
    const socket = connectTo(upstream.origin);
    const [[peer]] = await Promise.all([accepted, once(socket, 'connect')]);
    socket.end('the last words');
    if (moment === 'in the next tick') await new Promise<void>((resolve) => process.nextTick(resolve));
    if (moment === 'after a turn') await setImmediate();
    breakOff(socket);
    await Promise.all([closed(socket), closed(peer)]);
    assert.equal(countSockets(), before, moment);
  }
});
