import type { CancelTimer, Clock } from '../../clock.ts';

/** Calls a function again and again, so that one timer serves the time limits of many. */
export interface Ticker {
  /** Begins if it stands still, and ticks fast enough to keep a limit to about a quarter; 0 for no limit. */
  keep(limitMs: number): void;
  /** Stands still until the next `keep`, and forgets the limits. */
  stop(): void;
}

/** How often limits are looked at, at most and at least. */
const SLOWEST_TICK_MS = 1_000;
const FASTEST_TICK_MS = 10;

/** @param tick is given the milliseconds since the last time */
export function createTicker(clock: Clock, tick: (passedMs: number) => void): Ticker {
  let tickMs = SLOWEST_TICK_MS;
  let lastMs = 0;
  let cancel: CancelTimer | undefined;

  const run = (): void => {
    const nowMs = clock.now().monotonicMs;
    const passedMs = nowMs - lastMs;
    lastMs = nowMs;
    cancel = clock.schedule(tickMs, run);
    tick(passedMs);
  };
  return {
    keep(limitMs) {
      const wantedMs = Math.max(FASTEST_TICK_MS, Math.min(SLOWEST_TICK_MS, limitMs / 4));
      const isFaster = limitMs > 0 && wantedMs < tickMs;
      if (isFaster) tickMs = wantedMs;
      if (cancel === undefined) lastMs = clock.now().monotonicMs;
      else if (isFaster) cancel();
      else return;
      cancel = clock.schedule(tickMs, run);
    },
    stop() {
      cancel?.();
      cancel = undefined;
      tickMs = SLOWEST_TICK_MS;
    },
  };
}
