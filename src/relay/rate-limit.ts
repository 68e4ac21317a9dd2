import type { RateConfig } from '../config/config.ts';

/** How many requests may come in which time. Constant in memory, without timers. */
export interface RateLimit {
  readonly count: number;
  readonly periodMs: number;
  /**
   * Lets one request pass.
   * @param nowMs on a monotonic clock
   * @returns 0; or how many milliseconds it is too early, and then nothing is counted; later where another process counts
   */
  take(nowMs: number): number | Promise<number>;
}

/** One that is counted here. */
export interface LocalRateLimit extends RateLimit {
  take(nowMs: number): number;
}

/** A bucket of tokens: full at first, so that a whole period's requests may come at once, and filled evenly as time goes by. */
export function createRateLimit({ count, periodMs }: RateConfig): LocalRateLimit {
  // In whole numbers: a request costs as many parts as the period has milliseconds, and each of those brings `count` parts.
  const fullParts = count * periodMs;
  let parts = fullParts;
  let filledAtMs: number | undefined;
  return {
    count,
    periodMs,
    take(nowMs) {
      parts = Math.min(fullParts, parts + (nowMs - (filledAtMs ?? nowMs)) * count);
      filledAtMs = nowMs;
      if (parts < periodMs) return (periodMs - parts) / count;
      parts -= periodMs;
      return 0;
    },
  };
}
