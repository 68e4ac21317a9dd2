import type { CancelTimer, Clock, Instant } from '../../src/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** A clock that moves only when told to. Timers fire in order of their due time. */
export class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 1_000;
  #timers: Timer[] = [];

  constructor(wallMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  now(): Instant {
    return { wallMs: this.#wallMs, monotonicMs: this.#monotonicMs };
  }

  schedule(delayMs: number, run: () => void): CancelTimer {
    const timer = { dueMs: this.#monotonicMs + Math.max(delayMs, 0), run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(delayMs, resolve));
  }

  /** How many timers are waiting. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Lets time pass on both clocks; between timers, promises get to run. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.dueMs - b.dueMs).find((timer) => timer.dueMs <= endMs);
      if (next === undefined) break;
      this.#move(next.dueMs - this.#monotonicMs);
      this.#timers = this.#timers.filter((other) => other !== next);
      next.run();
      await settle();
    }
    this.#move(endMs - this.#monotonicMs);
    await settle();
  }

  /** A suspended machine wakes up: the wall clock went on, the monotonic clock and timers did not. */
  suspend(ms: number): void {
    this.#wallMs += ms;
  }

  /** Somebody sets the wall clock. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  #move(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }
}

/** Lets everything that is already due on the event loop run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
