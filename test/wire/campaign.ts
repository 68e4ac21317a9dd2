import type { TestContext } from 'node:test';
import { judge } from './judge.ts';
import { type Lane, startLane, type WireInput } from './stage.ts';

/** Inputs at once. */
const LANES = 24;
/** Faults that are told; one bug tends to show in many inputs. */
const MOST_TOLD = 40;

/** What became of many inputs. */
export interface Tally {
  readonly inputs: number;
  /** Requests that reached an upstream. */
  readonly forwarded: number;
  /** How often each status was an answer of the proxy's own. */
  readonly refusals: ReadonlyMap<number, number>;
  readonly faults: readonly string[];
}

/** Plays all inputs, each against a relay of its own while it lasts, and judges them. */
export async function playAll(t: Pick<TestContext, 'after'>, inputs: Iterable<WireInput>): Promise<Tally> {
  const lanes = await Promise.all(Array.from({ length: LANES }, () => startLane(t)));
  const iterator = inputs[Symbol.iterator]();
  const refusals = new Map<number, number>();
  const faults: string[] = [];
  let [count, forwarded] = [0, 0];
  const goOn = async (lane: Lane): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      count += 1;
      const verdict = judge(next.value, await lane.play(next.value), lane.routes);
      forwarded += verdict.forwarded;
      for (const status of verdict.refusals) refusals.set(status, (refusals.get(status) ?? 0) + 1);
      if (verdict.faults.length > 0) faults.push(toStory(next.value, verdict.faults));
    }
  };
  await Promise.all(lanes.map(goOn));
  return { inputs: count, forwarded, refusals, faults };
}

function toStory({ name, segments }: WireInput, faults: readonly string[]): string {
  const bytes = segments.map((segment) => JSON.stringify(segment.slice(0, 700))).join(' + ');
  return `${name}: ${faults.join('; ')}\n    ${bytes}`;
}

/** A tally in a line. */
export function say({ inputs, forwarded, refusals, faults }: Tally): string {
  const statuses = [...refusals].sort(([a], [b]) => a - b).map(([status, count]) => `${count} × ${status}`);
  return `${inputs} inputs: ${forwarded} requests forwarded; refused: ${statuses.join(', ')}; violations: ${faults.length}`;
}

/** The faults as a message; empty where there are none. */
export function tellFaults({ faults }: Tally): string {
  return faults.slice(0, MOST_TOLD).join('\n');
}
