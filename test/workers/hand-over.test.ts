import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import type { Worker } from '../../src/workers/crew.ts';
import { createHandOver } from '../../src/workers/hand-over.ts';
import { FakeClock } from '../support/fake-clock.ts';

function setUp(count: number) {
  const clock = new FakeClock();
  const stuck: number[] = [];
  const handOver = createHandOver({
    clock,
    most: () => 100,
    onStuck: ({ number }) => stuck.push(number),
  });
  const given: number[] = [];
  const create = (number: number): Worker => ({
    number,
    pid: number,
    kill() {},
    link: {
      tell: () => void given.push(number),
      ask: () => assert.fail('nobody asks'),
    },
  });
  const workers = Array.from({ length: count }, (_, index) => create(index + 1));
  const give = (): Socket => {
    const socket = new Socket();
    handOver.give(0, socket);
    return socket;
  };
  return { clock, handOver, given, stuck, workers, give };
}

test('connections go to whoever has the fewest, in turn where all have as many', () => {
  const { handOver, given, workers, give } = setUp(3);
  for (const worker of workers) handOver.add(worker);
  for (let i = 0; i < 6; i += 1) {
    give();
    for (const worker of workers) handOver.onTaken(worker);
  }
  assert.deepEqual(given, [1, 2, 3, 1, 2, 3]);
  handOver.onClosed(workers[1] as Worker, 2);
  give();
  for (const worker of workers) handOver.onTaken(worker);
  give();
  assert.deepEqual(given.slice(6), [2, 2]);
});

test('one that takes nothing is given nothing more while others do', () => {
  const { handOver, given, workers, give } = setUp(2);
  for (const worker of workers) handOver.add(worker);
  for (let i = 0; i < 5; i += 1) {
    give();
    handOver.onTaken(workers[1] as Worker);
  }
  assert.deepEqual(given, [1, 2, 2, 2, 2]);
});

test('what a worker was sent is lost with it, what it was to be sent goes to others', () => {
  const { handOver, given, workers, give } = setUp(2);
  const [one, two] = workers as [Worker, Worker];
  handOver.add(one);
  const sockets = [give(), give(), give()];
  assert.deepEqual(given, [1], 'one at a time');
  handOver.add(two);
  handOver.remove(one);
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, false, false],
  );
  handOver.onTaken(two);
  handOver.onTaken(two);
  assert.deepEqual(given, [1, 2, 2]);
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, true, true],
    'closed here, as they are open there',
  );
});

test('a worker that doesn’t take what it was sent is told of after ten seconds', async () => {
  const { clock, handOver, stuck, workers, give } = setUp(1);
  const [one] = workers as [Worker];
  handOver.add(one);
  give();
  await clock.advance(9_999);
  handOver.onTaken(one);
  give();
  await clock.advance(9_999);
  assert.deepEqual(stuck, []);
  await clock.advance(1);
  assert.deepEqual(stuck, [1]);
  handOver.remove(one);
  assert.equal(clock.pending, 0);
});

test('without any worker a connection waits for one, for ten seconds and not for ever', async () => {
  const { clock, handOver, given, workers, give } = setUp(1);
  const late = give();
  await clock.advance(9_000);
  const early = give();
  await clock.advance(1_000);
  assert.ok(late.destroyed);
  assert.ok(!early.destroyed);
  handOver.add(workers[0] as Worker);
  assert.deepEqual(given, [1]);
  handOver.onTaken(workers[0] as Worker);
  assert.equal(clock.pending, 0);
});

test('so many are here at once and no more, whether they wait for a worker or in its queue; at the end none', () => {
  const { handOver, workers, give } = setUp(1);
  const waiting = Array.from({ length: 101 }, give);
  assert.deepEqual([waiting[99]?.destroyed, waiting[100]?.destroyed], [false, true]);
  handOver.add(workers[0] as Worker);
  // One is on its way, and no longer among them.
  const queued = [give(), give()];
  assert.deepEqual([queued[0]?.destroyed, queued[1]?.destroyed], [false, true]);
  handOver.remove(workers[0] as Worker);
  handOver.close();
  assert.ok([...waiting, ...queued].every(({ destroyed }) => destroyed));
  assert.ok(give().destroyed);
});
