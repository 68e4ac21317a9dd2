import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { holdLevel, holdNothing, say } from './level.ts';
import { type Combination, createStage, type Stage } from './stage.ts';

/** Exchanges at once. */
const AT_ONCE = 40;
/** A busy machine has no more to answer for. */
const MOST_DOUBTFUL = 30;
/** Failures that are told; a bug that shows in one combination tends to show in hundreds. */
const MOST_TOLD = 15;

/** The same exchanges each time, unless FAULTS_SEED says otherwise. */
export const SEED = Number(process.env.FAULTS_SEED ?? 20_261_127);

/** How many exchanges are played: FAULTS_COUNT, or `most` in `npm run test:faults`, where every pair has its turn. */
export function toCount(few: number, most: number): number {
  return Number(process.env.FAULTS_COUNT ?? (process.env.npm_lifecycle_event === 'test:faults' ? most : few));
}

/**
 * Node 22 takes a reset that comes together with data for an end, on either side of the proxy; and it notices neither frames of HTTP/2 that
 * break the rules nor the end of a connection after them, other than by timeouts. What depends on that is left to newer ones.
 */
const isOldNode = Number(process.versions.node.split('.')[0]) < 24;
const NEEDS_NEW_NODE =
  /HTTP\/1\.0|^HTTP\/2|^in content up to the close: resets|(?:101|frames)[^:]*: (?:resets|closes)/;

/** Whether a conduct can be judged on this version of Node. */
export function isPlayable({ name }: { readonly name: string }): boolean {
  return !isOldNode || !NEEDS_NEW_NODE.test(name);
}

/** Plays all, and holds that each side saw what it should and that nothing stays behind. */
export async function runCampaign(t: TestContext, combinations: readonly Combination[]): Promise<void> {
  const stage = await createStage();
  t.after(() => stage.close());
  t.after(() => stage.relays.kill());
  const before = await stage.relays.measure();
  const half = Math.ceil(combinations.length / 2);
  const faults = await playAll(stage, combinations.slice(0, half));
  stage.hangUp();
  const halfway = await stage.relays.settle(before);
  faults.push(...(await playAll(stage, combinations.slice(half))));
  stage.hangUp();
  const after = await stage.relays.settle(before, halfway);
  t.diagnostic(
    `${combinations.length} exchanges; before ${say(before)}; halfway ${say(halfway)}; after ${say(after)}`,
  );
  const told = faults.slice(0, MOST_TOLD).join('\n');
  const share = `${faults.length} of ${combinations.length}`;
  assert.equal(faults.length, 0, `FAULTS_SEED=${SEED}: ${share} went wrong:\n${told}`);
  holdNothing(before, after);
  holdLevel(halfway, after);
  await stage.relays.stop();
}

/** Those that went wrong while others were under way, for which the machine may only have been too busy, are played again alone. */
async function playAll(stage: Stage, combinations: readonly Combination[]): Promise<string[]> {
  const faults: string[] = [];
  const doubtful: Combination[] = [];
  let next = 0;
  const goOn = async (): Promise<void> => {
    for (;;) {
      const combination = combinations[next];
      next += 1;
      if (combination === undefined) return;
      const fault = await stage.play(combination);
      if (fault?.mayBeTime === true && doubtful.length < MOST_DOUBTFUL) doubtful.push(combination);
      else if (fault !== undefined) faults.push(fault.text);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, goOn));
  for (const combination of doubtful) {
    const fault = await stage.play(combination);
    if (fault !== undefined) faults.push(fault.text);
  }
  return faults;
}
