import type { Measure } from '../support/process-measure.ts';
import { SPEED, TOKEN_LIFETIME_MS } from './fast-clock.ts';
import type { Sample, SoakReport } from './soak.ts';
import { STAGE_ROUTES } from './stage-routes.ts';

const MEGABYTE = 1_048_576;

/** By how much heap and buffers may grow (R69), */
const GROWTH = 0.05;
/**
 * and by how much more. What Node compiles is in the heap, and it goes on optimising for some hundred thousand requests: between snapshots of 30,000
 * and 300,000 half a megabyte of machine code had come, and else nothing; there were fewer strings than before, and 83 more objects. One
 * byte kept of each of a million requests is as much.
 */
const ALLOWANCE_BYTES = MEGABYTE;

const OPEN = ['files', 'sockets', 'timers'] as const;
const MEMORY = { heapBytes: 'heap', externalBytes: 'buffers' } as const;

/** What clients here cause: a head or content that is broken off; and a guest asked for that is not configured, which is looked at. */
const CAUSED_BY_CLIENTS: ReadonlySet<string> = new Set(['bad_request', 'no_route']);

/** How many more are open than before. */
export function countMore(before: Measure, after: Measure): number {
  return OPEN.reduce((sum, what) => sum + Math.max(0, (after[what] ?? 0) - (before[what] ?? 0)), 0);
}

/** @returns what has grown that should be level */
export function judgeLevel(before: Measure, after: Measure): readonly string[] {
  const say = (what: string, was: number, is: number): string =>
    `${what}: ${was} after the warm-up, ${is} at the end`;
  const open = OPEN.flatMap((what) => {
    const [was = 0, is = 0] = [before[what], after[what]];
    return is > was ? [say(what, was, is)] : [];
  });
  const memory = Object.entries(MEMORY).flatMap(([key, what]) => {
    const [was, is] = [before[key as keyof typeof MEMORY], after[key as keyof typeof MEMORY]];
    return is > was * (1 + GROWTH) + ALLOWANCE_BYTES ? [say(`bytes of ${what}`, was, is)] : [];
  });
  return [...open, ...memory];
}

/** @returns what the proxy says of itself that should not be */
export function judgeState(
  { state, load, atMs }: Sample,
  report: Pick<SoakReport, 'reloads' | 'mints'>,
): readonly string[] {
  const errors = Object.entries(state.errors)
    .filter(([code]) => !CAUSED_BY_CLIENTS.has(code))
    .map(([code, count]) => `the proxy counts ${count} × ${code}`);
  const counted = state.requests + state.inFlight;
  const answered = load.requests - load.left;
  const missing =
    counted < answered ? [`the proxy counts ${counted} requests, and ${answered} were answered`] : [];
  const sum = (outcome: string): number =>
    Object.entries(report.reloads).reduce(
      (all, [name, count]) => all + (name.startsWith(outcome) ? count : 0),
      0,
    );
  const reloads = (['applied', 'refused'] as const).flatMap((outcome) =>
    state[outcome] < sum(outcome)
      ? [`the proxy counts ${state[outcome]} ${outcome} configurations of ${sum(outcome)}`]
      : [],
  );
  // A token is renewed before its end.
  const least = Math.floor((atMs * SPEED) / TOKEN_LIFETIME_MS);
  const renewals = STAGE_ROUTES.flatMap(({ name, audience = '' }) => {
    const count = report.mints[audience] ?? 0;
    return count < least ? [`/${name} had ${count} tokens in the time of ${least}`] : [];
  });
  return [...errors, ...missing, ...reloads, ...renewals];
}

/** @returns the lines that a proxy which is well doesn't write */
export function judgeLog(stderr: string): readonly string[] {
  const lines = stderr.split('\n').filter((line) => line !== '');
  const behindBanner = lines.slice(lines.findIndex((line) => line.startsWith('{')));
  return behindBanner.filter((line) => {
    if (!line.startsWith('{')) return true;
    const { level, msg } = JSON.parse(line);
    return level !== 'info' && !String(msg).startsWith('Not reloaded');
  });
}
