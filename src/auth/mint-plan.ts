import { type CancelTimer, type Clock, elapsedMs, type Instant } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { planRefresh, planRenewal, planRetry, type Random } from './expiry.ts';

export interface MintPlanOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Called by timer when a mint is due. */
  readonly onDue: () => void;
}

/** When a source mints next, and what those are told who need a token before. Nothing is planned before its first mint. */
export class MintPlan {
  readonly #options: MintPlanOptions;
  #from: Instant | undefined;
  #delayMs = 0;
  #refusal: ProxyError | undefined;
  /** Failures in a row since the credential's files changed. */
  #failures = 0;
  #cancelTimer: CancelTimer | undefined;
  #closed = false;

  constructor(options: MintPlanOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#from === undefined;
  }

  /** Until the next mint; zero or less when it is due. */
  untilMs(now: Instant): number {
    return this.#from === undefined ? 0 : this.#delayMs - elapsedMs(this.#from, now);
  }

  /** Why a token can't be had now, with the time to wait; undefined when a mint may begin. */
  refusalAt(now: Instant): ProxyError | undefined {
    const waitMs = this.untilMs(now);
    return this.#refusal !== undefined && waitMs > 0 ? withRetryAfter(this.#refusal, waitMs) : undefined;
  }

  /**
   * Plans the refresh of a token that has come.
   * @param refusal for those who find it over before that; undefined: a mint begins for them
   * @returns in how many ms
   */
  afterToken(remainingMs: number, refusal: ProxyError | undefined): number {
    this.#failures = 0;
    return this.#set(planRefresh(remainingMs, this.#options.random), refusal, true);
  }

  /** Plans the next try. Gives in how many ms. */
  afterFailure(error: ProxyError): number {
    this.#failures += 1;
    const delayMs = planRetry(this.#failures, error.retryAfterMs ?? 0, this.#options.random);
    // Somebody has to act before credentials that were refused work again: then a request is the better moment.
    return this.#set(delayMs, error, error.code !== 'credentials_invalid');
  }

  /** Plans a mint with the credential's files as they are now: at once, or soon where a token serves meanwhile. */
  afterChange(isServing: boolean): void {
    this.#failures = 0;
    this.#set(isServing ? planRenewal(this.#options.random) : 0, undefined, true);
  }

  /** No timer from now on. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  #set(delayMs: number, refusal: ProxyError | undefined, byTimer: boolean): number {
    const { clock, onDue } = this.#options;
    this.#cancelTimer?.();
    this.#from = clock.now();
    this.#delayMs = delayMs;
    this.#refusal = refusal;
    if (byTimer && !this.#closed) this.#cancelTimer = clock.schedule(delayMs, onDue);
    return delayMs;
  }
}

/** The same failure for another caller: its own object, and its own time to wait. */
export function withRetryAfter({ code, message, hint, cause }: ProxyError, retryAfterMs: number): ProxyError {
  return new ProxyError(code, message, { hint, cause, retryAfterMs });
}
