import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCrew, type Worker, type WorkerEvent } from '../../src/workers/crew.ts';
import { createRestarts, planRestart } from '../../src/workers/restarts.ts';
import type { ProcessEnd, WorkerProcess } from '../../src/workers/spawn.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

interface FakeProcess extends WorkerProcess {
  end(end?: Partial<ProcessEnd>): void;
  isKilled: boolean;
}

/** Processes that exist only here. */
function setUp(count: number, begin: (worker: Worker, start: number) => Promise<void> = async () => {}) {
  const clock = new FakeClock();
  const processes: FakeProcess[] = [];
  const events: WorkerEvent[] = [];
  const up: Worker[] = [];
  const gone: Worker[] = [];
  let refusals = 0;
  const spawn = (): WorkerProcess => {
    refusals -= 1;
    if (refusals >= 0) throw new Error('spawn EAGAIN');
    const { promise: ended, resolve } = Promise.withResolvers<ProcessEnd>();
    const child: FakeProcess = {
      pid: 100 + processes.length,
      port: { post: () => {}, listen: () => {} },
      ended,
      isKilled: false,
      release: () => resolve({ code: 0, signal: null }),
      kill() {
        child.isKilled = true;
        resolve({ code: null, signal: 'SIGKILL' });
      },
      end: ({ code = 1, signal = null } = {}) => resolve({ code, signal }),
    };
    processes.push(child);
    return child;
  };
  const unused = (): never => assert.fail('nobody asks');
  const crew = createCrew({
    count,
    clock,
    random: () => 0.5,
    spawn,
    handlers: () => ({
      obtain: unused,
      replace: unused,
      used: unused,
      redeem: unused,
      take: unused,
      taken: unused,
      closed: unused,
    }),
    begin: (worker) => begin(worker, processes.length),
    onUp: (worker) => up.push(worker),
    onGone: (worker) => gone.push(worker),
    onEvent: (event) => events.push(event),
  });
  /** So many of the next processes can't be started. */
  const refuse = (count: number): void => {
    refusals = count;
  };
  return { clock, crew, processes, events, up, gone, refuse };
}

test('a crew is up once all of it is', async (t) => {
  const { crew, processes, up, events } = setUp(3);
  t.after(() => crew.close());
  await crew.start();
  assert.equal(processes.length, 3);
  assert.deepEqual(up.map(({ number }) => number).sort(), [1, 2, 3]);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['up', 'up', 'up'],
  );
});

test('one that ends is started again, later each time, until it has been up for a minute', async (t) => {
  const { clock, crew, processes, events, gone } = setUp(2);
  t.after(() => crew.close());
  await crew.start();
  const waits: number[] = [];
  for (let round = 0; round < 12; round += 1) {
    processes.at(round === 0 ? 0 : -1)?.end();
    await settle();
    const last = events.at(-1);
    assert.equal(last?.type, 'ended');
    const { restartMs, worker } = last as WorkerEvent & { readonly restartMs: number };
    assert.equal(worker, 1);
    assert.equal(crew.running().length, 1);
    waits.push(restartMs);
    await clock.advance(restartMs - 1);
    assert.equal(crew.running().length, 1);
    await clock.advance(1);
    assert.equal(crew.running().length, 2);
  }
  assert.deepEqual(waits.slice(0, 4), [150, 300, 600, 1_200]);
  assert.equal(waits.at(-1), 22_500);
  assert.equal(crew.restarts, 12);
  assert.equal(gone.length, 12);
  await clock.advance(60_000);
  processes.at(-1)?.end({ code: null, signal: 'SIGSEGV' });
  await settle();
  assert.deepEqual(events.at(-1), {
    type: 'ended',
    worker: 1,
    pid: processes.at(-1)?.pid,
    code: null,
    signal: 'SIGSEGV',
    restartMs: 150,
  });
});

test('one that ends while all start is why nothing starts, and not a loop', async () => {
  const { clock, crew, processes } = setUp(2, (_worker, start) =>
    start === 2 ? new Promise<void>(() => {}) : Promise.resolve(),
  );
  const started = crew.start();
  const refused = assert.rejects(started, {
    code: 'internal',
    message: 'Worker 2 ended while it was starting (exit code 7).',
  });
  processes[1]?.end({ code: 7 });
  await refused;
  assert.ok(processes[0]?.isKilled);
  await clock.advance(120_000);
  assert.equal(processes.length, 2);
});

test('one that was up and ends before the others are up is no start either', async () => {
  const others = Promise.withResolvers<void>();
  const { crew, processes } = setUp(2, (_worker, start) =>
    start === 2 ? others.promise : Promise.resolve(),
  );
  const refused = assert.rejects(crew.start(), { message: /Worker 1 ended while it was starting/ });
  await settle();
  processes[0]?.end();
  await settle();
  others.resolve();
  await refused;
});

test('one that can’t begin again is ended, and tried again', async (t) => {
  const { clock, crew, processes, events } = setUp(1, (_worker, start) =>
    start === 2 ? Promise.reject(new Error('no')) : Promise.resolve(),
  );
  t.after(() => crew.close());
  await crew.start();
  processes[0]?.end();
  await settle();
  await clock.advance(150);
  assert.ok(processes[1]?.isKilled);
  assert.equal(crew.running().length, 0);
  await clock.advance(300);
  assert.equal(crew.running().length, 1);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['up', 'ended', 'failed', 'ended', 'up'],
  );
});

test('where there is no room for a process, it is tried again', async (t) => {
  const { clock, crew, processes, events, refuse } = setUp(1);
  t.after(() => crew.close());
  await crew.start();
  refuse(2);
  processes[0]?.end();
  await settle();
  await clock.advance(150 + 300);
  assert.equal(crew.running().length, 0);
  await clock.advance(600);
  assert.equal(crew.running().length, 1);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['up', 'ended', 'failed', 'failed', 'up'],
  );
});

test('none is started once the end has begun; who doesn’t end by himself is ended', async () => {
  const { clock, crew, processes } = setUp(2);
  await crew.start();
  crew.retire();
  processes[0]?.end();
  await clock.advance(120_000);
  assert.equal(processes.length, 2);
  const stuck = processes[1] as { release(): void } & FakeProcess;
  stuck.release = () => {};
  const closed = crew.close();
  assert.ok(!stuck.isKilled);
  await clock.advance(1_000);
  await closed;
  assert.ok(stuck.isKilled);
});

test('a wait is at most half a minute, from half of what it may be', () => {
  for (let ends = 1; ends < 60; ends += 1) {
    const [least, most] = [planRestart(ends, () => 0), planRestart(ends, () => 0.999_999)];
    assert.ok(least >= 100 && most <= 30_000 && least <= most, `${ends}`);
    assert.ok(least >= most / 2 - 1);
  }
  const clock = new FakeClock();
  const restarts = createRestarts(clock, () => 0);
  assert.deepEqual([restarts.onEnd(), restarts.onEnd(), restarts.onEnd()], [100, 200, 400]);
});
