import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT_CONDUCTS } from './clients.ts';
import { chooseCombinations } from './combinations.ts';
import { DOOR_CONDUCTS } from './door-conducts.ts';
import { HTTP2_CLIENT_CONDUCTS } from './http2-clients.ts';
import type { Measure } from './relay-process.ts';
import { type Combination, createStage, type Stage } from './stage.ts';
import { UPSTREAM_CONDUCTS } from './upstreams.ts';

/**
 * The same exchanges each time, unless FAULTS_SEED says otherwise; `npm run test:faults` plays every pair once and then some, FAULTS_COUNT as
 * many as it says.
 */
const SEED = Number(process.env.FAULTS_SEED ?? 20_261_127);
const isLong = process.env.npm_lifecycle_event === 'test:faults';
const COUNT = Number(process.env.FAULTS_COUNT ?? (isLong ? 30_000 : 2_000));
/** Exchanges at once. */
const AT_ONCE = 40;
/** Failures that are told; a bug that shows in one combination tends to show in hundreds. */
const MOST_TOLD = 15;
const MEGABYTE = 1_048_576;

const CLIENTS = [...CLIENT_CONDUCTS, ...HTTP2_CLIENT_CONDUCTS];
const UPSTREAMS = [...UPSTREAM_CONDUCTS, ...DOOR_CONDUCTS];
const ALL = chooseCombinations(CLIENTS, UPSTREAMS, {
  seed: SEED,
  count: COUNT,
});

test(`R35, R41, R42, R44, R49, R50, R51, R54, R58: whatever ${COUNT} pairs of clients and upstreams do to each other, each sees what it should, and nothing stays behind`, async (t) => {
  const stage = await createStage();
  t.after(() => stage.close());
  t.after(() => stage.relays.kill());
  const before = await stage.relays.measure();
  const half = Math.ceil(ALL.length / 2);
  const faults = await playAll(stage, ALL.slice(0, half));
  stage.hangUp();
  const halfway = await stage.relays.settle(before);
  faults.push(...(await playAll(stage, ALL.slice(half))));
  stage.hangUp();
  const after = await stage.relays.settle(before);
  t.diagnostic(
    `${ALL.length} exchanges; before ${say(before)}; halfway ${say(halfway)}; after ${say(after)}`,
  );
  const told = faults.slice(0, MOST_TOLD).join('\n');
  assert.equal(
    faults.length,
    0,
    `FAULTS_SEED=${SEED}: ${faults.length} of ${ALL.length} went wrong:\n${told}`,
  );
  holdNothing(before, after);
  assert.ok(after.heapBytes < halfway.heapBytes * 1.1 + 2 * MEGABYTE, 'the heap grows with each exchange');
  assert.ok(
    after.residentBytes < halfway.residentBytes * 1.2 + 100 * MEGABYTE,
    'memory grows with each exchange',
  );
  await stage.relays.stop();
});

async function playAll(stage: Stage, combinations: readonly Combination[]): Promise<string[]> {
  const faults: string[] = [];
  let next = 0;
  const goOn = async (): Promise<void> => {
    for (;;) {
      const combination = combinations[next];
      next += 1;
      if (combination === undefined) return;
      const fault = await stage.play(combination);
      if (fault !== undefined) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, goOn));
  return faults;
}

function holdNothing(before: Measure, after: Measure): void {
  assert.equal(after.files, before.files, 'a file descriptor is left open');
  assert.equal(after.sockets, before.sockets, 'a socket is left open');
  assert.ok(after.timers <= before.timers, `${after.timers - before.timers} timers are left running`);
}

function say({ files, sockets, timers, heapBytes, residentBytes }: Measure): string {
  const megabytes = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
  return `${files} files, ${sockets} sockets, ${timers} timers, heap ${megabytes(heapBytes)}, resident ${megabytes(residentBytes)}`;
}
