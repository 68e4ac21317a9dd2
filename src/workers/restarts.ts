import { type Clock, elapsedMs, type Instant } from '../clock.ts';

/** A random number in [0, 1). */
type Random = () => number;

const FLOOR_MS = 100;
const CAP_MS = 30_000;
/** A worker that was at work for so long is nothing that ends again and again. */
const STABLE_MS = 60_000;

/**
 * When to start a worker again that has ended for the nth time in a row (1 or more), in ms: exponential backoff up to half a
 * minute, from half of it on at random.
 */
export function planRestart(ends: number, random: Random): number {
  const ceiling = Math.min(CAP_MS, FLOOR_MS * 2 ** Math.min(ends, 20));
  return ceiling / 2 + (random() * ceiling) / 2;
}

/** How often one worker has ended in a row. */
export interface Restarts {
  /** It is at work. */
  onUp(): void;
  /** It has ended. Gives in how many ms to start it again. */
  onEnd(): number;
}

export function createRestarts(clock: Clock, random: Random): Restarts {
  let ends = 0;
  let upSince: Instant | undefined;
  return {
    onUp() {
      upSince = clock.now();
    },
    onEnd() {
      const isStable = upSince !== undefined && elapsedMs(upSince, clock.now()) >= STABLE_MS;
      ends = isStable ? 1 : ends + 1;
      upSince = undefined;
      return planRestart(ends, random);
    },
  };
}
