import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../src/clock.ts';
import type { StandIn } from '../src/emulator/emulator.ts';
import { createKeptParts } from '../src/kept-parts.ts';
import { startUpstream } from './support/sockets.ts';
import { send } from './support/stack.ts';

/** A server whose every answer waits for the test. */
async function startSlow(t: TestContext) {
  let came = Promise.withResolvers<ServerResponse>();
  const { origin } = await startUpstream(t, (_request, response) => came.resolve(response));
  const begin = async (url: string) => {
    came = Promise.withResolvers();
    const reply = send(url, '/');
    return { reply, response: await came.promise };
  };
  return { origin, begin };
}

const toStandIn = (name: string, local: string): StandIn => ({
  name,
  url: `https://${name}.example.com`,
  guard: { kind: 'open' },
  local,
});

test('R66: an emulator stays while it has all services and stand-ins that are wanted', async (t) => {
  const kept = createKeptParts(systemClock);
  t.after(() => kept.close());
  const [orders, users] = [
    toStandIn('orders', 'http://127.0.0.1:1'),
    toStandIn('users', 'http://127.0.0.1:1'),
  ];
  const first = await kept.startEmulator({ services: ['hello'], standIns: [orders, users] });
  for (const wanted of [
    { services: ['hello'], standIns: [users, { ...orders }] },
    { services: [], standIns: [orders] },
    { services: ['hello'], standIns: [] },
  ])
    assert.equal(await kept.startEmulator(wanted), first);
  const elsewhere = { ...orders, local: 'http://127.0.0.1:2' };
  for (const wanted of [
    { services: ['echo'], standIns: [orders, users] },
    { services: ['hello'], standIns: [elsewhere, users] },
  ]) {
    const other = await kept.startEmulator(wanted);
    assert.notEqual(other, first);
    assert.deepEqual(Object.keys(other.services), wanted.services);
    assert.deepEqual([...other.standIns.keys()], ['orders', 'users']);
  }
});

test('R66: an emulator that is out of use takes no more the time after next, and what it has begun it ends', async (t) => {
  const kept = createKeptParts(systemClock);
  t.after(() => kept.close());
  const slow = await startSlow(t);
  const start = (name: string) =>
    kept.startEmulator({ services: [], standIns: [toStandIn(name, slow.origin)] });
  const old = await start('old');
  const url = old.standIns.get('old') ?? '';
  const first = await slow.begin(url);
  const next = await start('new');
  kept.keepOnly(new Set(), next);
  const second = await slow.begin(url);
  kept.keepOnly(new Set(), next);
  await assert.rejects(send(url, '/'), { code: 'ECONNREFUSED' });
  await assert.rejects(send(old.google.url, '/'), { code: 'ECONNREFUSED' });
  for (const { reply, response } of [first, second]) {
    response.end('whole');
    assert.equal((await reply).text, 'whole');
  }
  assert.equal(await start('new'), next);
  assert.notEqual(await start('old'), old);
});
