/** A point in time on both clocks of a machine, because each lies in its own way. */
export interface Instant {
  /** Milliseconds since the Unix epoch. Jumps when the clock is set. */
  readonly wallMs: number;
  /** Milliseconds on a clock that never goes back. Stands still while the machine is suspended. */
  readonly monotonicMs: number;
}

/** Cancels a timer; calling it twice is harmless. */
export type CancelTimer = () => void;

/** The only source of time in this project, so that tests can own it. */
export interface Clock {
  now(): Instant;
  /** Calls `run` once after `delayMs`. The timer doesn't keep the process alive. */
  schedule(delayMs: number, run: () => void): CancelTimer;
  /** Resolves after `delayMs`. Somebody waits for it, so meanwhile the process is kept alive. */
  wait(delayMs: number): Promise<void>;
}

/** Longest delay `setTimeout` takes before it fires at once instead (2^31-1 ms, about 24.8 days). */
const LONGEST_DELAY_MS = 2_147_483_647;

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: () => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
  schedule(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), LONGEST_DELAY_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
  wait: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
};

/**
 * Milliseconds gone by between two instants: the larger of what the two clocks say, so that neither a suspended
 * machine nor a clock set back makes a token look younger than it is.
 */
export function elapsedMs(from: Instant, to: Instant): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}
