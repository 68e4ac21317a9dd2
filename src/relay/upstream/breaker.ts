import type { Clock } from '../../clock.ts';
import { type ErrorCode, ProxyError } from '../../errors.ts';

export interface BreakerOptions {
  /** The upstream's, as it is named in messages. */
  readonly origin: string;
  readonly clock: Clock;
  /** As `Math.random`. */
  readonly random: () => number;
  /** The upstream is on this machine: whoever has just started it doesn't want to wait. */
  readonly isLoopback: boolean;
  /** Told each time it opens, not of trials that fail; with the failures so far. */
  readonly onOpen?: (failures: number) => void;
}

/** Failures in a row that open it. */
const THRESHOLD = 5;
/** The wait before the first trial is between half of this and this; it doubles up to the longest. */
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 30_000;
const LONGEST_LOOPBACK_WAIT_MS = 1_000;
/** A trial that knows nothing after this long doesn't keep others from trying. */
const LONGEST_TRIAL_MS = 30_000;
/** What is said to whoever comes during a trial. */
const TRIAL_RETRY_AFTER_MS = 1_000;

/** Failures to get a connection; others say nothing of the way to the upstream, or are this process's own. */
const COUNTED: ReadonlySet<ErrorCode> = new Set([
  'upstream_refused',
  'upstream_dns',
  'upstream_unreachable',
  'upstream_reset',
  'tls_error',
  'connect_timeout',
  'forward_proxy_unavailable',
  'forward_proxy_refused',
]);

/**
 * Stops dialling an upstream that can't be connected to (R58): open after five failures in a row, then one trial at a time after
 * waits that double up to 30 s; closed as soon as a connection stands. Answers of an application, whatever their status, and
 * connections that break later never open it.
 *
 * What fails together is one failure: of all requests that began before a failure was known, none counts after it. A page
 * that loads fifty things from a service that is restarting says no more about it than one request does.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #round = 0;
  #failures = 0;
  #last: ProxyError | undefined;
  /** When a trial may begin; undefined while closed. On the monotonic clock. */
  #trialDueMs: number | undefined;
  #isTrying = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Whether requests may be sent without asking further. */
  get isClosed(): boolean {
    return this.#trialDueMs === undefined;
  }

  /** Which failures a request that begins now would add to; to be given back to `onFailure`. */
  get round(): number {
    return this.#round;
  }

  /**
   * Only while it isn't closed.
   * @returns whether this request may go as the trial; then one of `onUp`, `onFailure` and `giveUpTrial` follows
   */
  beginTrial(): boolean {
    const nowMs = this.#nowMs();
    if (this.#trialDueMs === undefined || nowMs < this.#trialDueMs) return false;
    this.#isTrying = true;
    this.#trialDueMs = nowMs + LONGEST_TRIAL_MS;
    return true;
  }

  /** The trial ended and nothing is known: the next request may be one. */
  giveUpTrial(): void {
    if (this.#trialDueMs === undefined) return;
    this.#isTrying = false;
    this.#trialDueMs = this.#nowMs();
  }

  /** A connection stands, or the upstream answered. */
  onUp(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#last = undefined;
    this.#trialDueMs = undefined;
    this.#isTrying = false;
  }

  /** A request was not sent, for there was no connection. `round` is what it was when the request began. */
  onFailure(round: number, error: ProxyError): void {
    if (round !== this.#round) return;
    if (!COUNTED.has(error.code)) {
      this.giveUpTrial();
      return;
    }
    this.#round += 1;
    this.#failures += 1;
    this.#last = error;
    if (this.#failures < THRESHOLD) return;
    this.#isTrying = false;
    const wasClosed = this.isClosed;
    this.#trialDueMs = this.#nowMs() + this.#toWaitMs();
    if (wasClosed) this.#options.onOpen?.(this.#failures);
  }

  /** What a request is answered that isn't sent. */
  toError(): ProxyError {
    const { origin } = this.#options;
    const leftMs = this.#isTrying ? TRIAL_RETRY_AFTER_MS : (this.#trialDueMs ?? 0) - this.#nowMs();
    const latest = this.#last === undefined ? '' : ` The latest: ${this.#last.message}`;
    const message = `The last ${this.#failures} connections to ${origin} failed, so for a moment none is tried.${latest}`;
    return new ProxyError('circuit_open', message, {
      hint: this.#last?.hint,
      cause: this.#last,
      retryAfterMs: Math.max(0, leftMs),
    });
  }

  /** Between half of what it has grown to and all of it. */
  #toWaitMs(): number {
    const { isLoopback, random } = this.#options;
    const longestMs = isLoopback ? LONGEST_LOOPBACK_WAIT_MS : LONGEST_WAIT_MS;
    const waitMs = Math.min(longestMs, FIRST_WAIT_MS * 2 ** (this.#failures - THRESHOLD));
    return waitMs / 2 + (random() * waitMs) / 2;
  }

  #nowMs(): number {
    return this.#options.clock.now().monotonicMs;
  }
}
