import type { Clock } from '../../clock.ts';
import { isLastingFailure } from './failure.ts';
import type { AttemptFailure, Reach } from './lane.ts';
import type { UpstreamRequest } from './transport.ts';

/** How often a request is tried at most. */
export const MAX_ATTEMPTS = 2;

/** Methods whose requests may arrive twice (RFC 9110, section 9.2.2). */
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

/** Whether a request with this method may arrive twice without doing more than once. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method);
}

/**
 * Whether a request may be sent once more after an attempt failed before any byte of a response (R54): where nobody can have
 * looked at it, whatever its method, unless the next attempt would fail alike; where the connection proved closed, if it may
 * arrive twice. A body has to be there from its first byte.
 */
export function isRetriable(request: UpstreamRequest, { cause, reach }: AttemptFailure): boolean {
  const { method, body, mayRetry } = request;
  if (!mayRetry || (body !== null && !body.isWhole)) return false;
  switch (reach) {
    case 'unsent':
      return !isLastingFailure(cause);
    case 'unprocessed':
    case 'beyond-goaway':
      return true;
    case 'stale':
      return isIdempotent(method);
    case 'unknown':
      return false;
  }
}

const BACKOFF_MS = 25;

/**
 * How long to wait before the second attempt: full jitter, so that what failed together doesn't come back together. Not at all
 * after a connection that proved closed or was taken leave of: the upstream has no trouble.
 * @param random as `Math.random`
 */
export function toBackoffMs({ reach }: AttemptFailure, random: () => number): number {
  return isPassing(reach) ? 0 : random() * BACKOFF_MS;
}

/** Whether it was the connection's time that had come: no sign of trouble, as the next one has its own. */
export function isPassing(reach: Reach): boolean {
  return reach === 'stale' || reach === 'beyond-goaway';
}

/** Retries for each request. */
const SHARE = 0.2;
/** What may be retried beyond that, for whoever sends few requests: this much, and so many more a second. */
const RESERVE = 10;
const RESERVE_PER_SECOND = 1;
/** A quiet day doesn't save up for a storm. */
const MOST_SAVED = 100;

/**
 * Keeps retries at a fifth of all requests (R55), so that an upstream in trouble isn't given twice the work. Those after a connection
 * that proved closed, or was taken leave of, are not its business: such an upstream has done none of it.
 */
export class RetryBudget {
  readonly #clock: Clock;
  #saved = RESERVE;
  #savedAtMs: number;
  /** Requests since then. */
  #requests = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#savedAtMs = clock.now().monotonicMs;
  }

  onRequest(): void {
    this.#requests += 1;
  }

  /** @returns whether there is one more retry left, and takes it */
  take(): boolean {
    const nowMs = this.#clock.now().monotonicMs;
    const earned = Math.min(MOST_SAVED, this.#saved + this.#requests * SHARE);
    const refill = ((nowMs - this.#savedAtMs) / 1_000) * RESERVE_PER_SECOND;
    this.#saved = Math.max(earned, Math.min(RESERVE, earned + refill));
    this.#savedAtMs = nowMs;
    this.#requests = 0;
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
