import { type CancelTimer, type Clock, elapsedMs, type Instant } from '../clock.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import { planRefresh, planRetry, type Random, SKEW_MS, STEADY_DELAY_MS } from './expiry.ts';
import { TokenInMemory } from './held-token.ts';
import { describeRequest, isSendable, toBadAnswer } from './minted.ts';
import type { TokenEvent, TokenEventDetail } from './token-events.ts';
import type { Credential, HeldToken, TokenRequest, TokenSource, TokenStatus } from './token-source.ts';

export interface RefreshingTokenSourceOptions {
  readonly credential: Credential;
  readonly request: TokenRequest;
  readonly clock: Clock;
  readonly random: Random;
  readonly mintTimeoutMs: number;
  readonly onEvent: (event: TokenEvent) => void;
}

/** Failures in a row; the last one stands. */
interface Failure {
  readonly error: ProxyError;
  readonly count: number;
  readonly since: Instant;
}

/** When the next mint is planned. */
interface Plan {
  readonly from: Instant;
  readonly delayMs: number;
  /** Whoever needs a token before that gets this error; undefined: may have one minted at once. */
  readonly refusal: ProxyError | undefined;
}

/** One token, minted once however many wait for it, and replaced in the background before it ends. */
export class RefreshingTokenSource implements TokenSource {
  readonly request: TokenRequest;
  readonly #options: RefreshingTokenSourceOptions;
  #held: TokenInMemory | undefined;
  #minting: Promise<HeldToken> | undefined;
  #failure: Failure | undefined;
  /** Undefined until the first mint has ended. */
  #plan: Plan | undefined;
  #cancelTimer: CancelTimer | undefined;
  #closed = false;

  constructor(options: RefreshingTokenSourceOptions) {
    this.request = options.request;
    this.#options = options;
  }

  current(): HeldToken | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    const now = this.#options.clock.now();
    if (!held.isUsableAt(now)) return undefined;
    // The timer that should have done this is late where the machine was suspended; after a refusal there is none.
    if (this.#untilPlannedMs(now) <= 0) this.#refresh();
    return held;
  }

  obtain(): Promise<HeldToken> {
    const held = this.current();
    if (held !== undefined) return Promise.resolve(held);
    if (this.#minting !== undefined) return this.#minting;
    if (this.#closed)
      return Promise.reject(new ProxyError('shutting_down', `${this.#couldNot()}: it was closed.`));
    const waitMs = this.#untilPlannedMs(this.#options.clock.now());
    const refusal = this.#plan?.refusal;
    if (refusal !== undefined && waitMs > 0) return Promise.reject(withRetryAfter(refusal, waitMs));
    return this.#mint();
  }

  async replace(): Promise<HeldToken | undefined> {
    return undefined;
  }

  status(): TokenStatus {
    const held = this.#held;
    const valid = held?.isUsableAt(this.#options.clock.now()) ?? false;
    return {
      state: valid ? 'valid' : this.#minting ? 'minting' : this.#failure ? 'failed' : 'empty',
      identity: held?.identity,
      remainingMs: valid ? held?.remainingMs() : undefined,
      error: this.#failure?.error,
    };
  }

  /** No timer and no mint from now on. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  #refresh(): void {
    if (this.#closed || this.#minting !== undefined) return;
    // Nobody waits for this one: a failure is told by event and by status.
    this.#mint().catch(() => {});
  }

  #mint(): Promise<HeldToken> {
    this.#cancelTimer?.();
    this.#minting = this.#mintOnce();
    return this.#minting;
  }

  async #mintOnce(): Promise<HeldToken> {
    const askedAt = this.#options.clock.now();
    let abandoned = false;
    const answer = this.#ask(askedAt);
    answer.then(
      (held) => {
        if (abandoned && this.#isNewer(held)) this.#take(held);
      },
      () => {},
    );
    try {
      const held = await this.#bound(answer);
      this.#minting = undefined;
      this.#take(held);
      return held;
    } catch (thrown) {
      abandoned = true;
      this.#minting = undefined;
      const error = this.#fail(thrown, askedAt);
      // An answer given up before may have come meanwhile.
      const held = this.current();
      if (held === undefined) throw error;
      return held;
    }
  }

  async #ask(askedAt: Instant): Promise<TokenInMemory> {
    const minted = await this.#options.credential.mint(this.request);
    const held = new TokenInMemory(minted, this.request, askedAt, this.#options.clock);
    this.#check(held);
    return held;
  }

  /** @throws ProxyError for a token that must not be sent */
  #check(held: TokenInMemory): void {
    const refuse = (reason: string, retryAfterMs?: number): ProxyError =>
      toBadAnswer(this.request, this.#options.credential.describe(), reason, retryAfterMs);
    if (!isSendable(held.value)) throw refuse('the token is empty or has characters that no token has');
    if (!Number.isFinite(held.lifetimeMs)) throw refuse('the token does not say when it ends');
    if (held.lifetimeMs <= 0) throw refuse('the token was over before it came', STEADY_DELAY_MS);
    if (!held.isUsableAt(this.#options.clock.now())) throw this.#toEndingError();
  }

  /** The answer, or a failure when it takes too long. */
  #bound<Answer>(answer: Promise<Answer>): Promise<Answer> {
    const { clock, mintTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = clock.schedule(mintTimeoutMs, () => {
        const reason = `no answer from Google within ${mintTimeoutMs / 1000} s`;
        reject(new ProxyError('token_unavailable', `${this.#couldNot()}: ${reason}.`));
      });
      answer.then(resolve, reject).finally(cancel);
    });
  }

  #isNewer(held: TokenInMemory): boolean {
    return !this.#closed && (this.#held === undefined || elapsedMs(this.#held.askedAt, held.askedAt) > 0);
  }

  #take(held: TokenInMemory): void {
    const { clock, random } = this.#options;
    const failure = this.#failure;
    const repeated = held.value === this.#held?.value;
    this.#held = held;
    this.#failure = undefined;
    const nextRefreshMs = planRefresh(held.remainingMs(), random);
    this.#schedule(nextRefreshMs, repeated ? this.#toEndingError() : undefined, true);
    this.#tell({
      type: 'token-minted',
      durationMs: held.ageMs(),
      identity: held.identity,
      remainingMs: held.remainingMs(),
      nextRefreshMs,
      otherAudience: held.otherAudience,
    });
    if (failure === undefined) return;
    const outageMs = elapsedMs(failure.since, clock.now());
    this.#tell({ type: 'token-recovered', failures: failure.count, outageMs });
  }

  #fail(thrown: unknown, askedAt: Instant): ProxyError {
    const { clock, random } = this.#options;
    const error = isProxyError(thrown)
      ? thrown
      : new ProxyError('token_unavailable', `${this.#couldNot()}: unexpected failure.`);
    const count = (this.#failure?.count ?? 0) + 1;
    this.#failure = { error, count, since: this.#failure?.since ?? askedAt };
    const nextTryMs = planRetry(count, error.retryAfterMs ?? 0, random);
    // Somebody has to act before credentials that were refused work again: then a request is the better moment.
    this.#schedule(nextTryMs, error, error.code !== 'credentials_invalid');
    const held = this.#held;
    this.#tell({
      type: 'token-failed',
      durationMs: elapsedMs(askedAt, clock.now()),
      error,
      failures: count,
      nextTryMs,
      servingMs: held?.isUsableAt(clock.now()) ? held.remainingMs() - SKEW_MS : undefined,
    });
    return withRetryAfter(error, nextTryMs);
  }

  #schedule(delayMs: number, refusal: ProxyError | undefined, byTimer: boolean): void {
    const { clock } = this.#options;
    this.#cancelTimer?.();
    this.#plan = { from: clock.now(), delayMs, refusal };
    if (byTimer && !this.#closed) this.#cancelTimer = clock.schedule(delayMs, () => this.#refresh());
  }

  #untilPlannedMs(now: Instant): number {
    return this.#plan === undefined ? 0 : this.#plan.delayMs - elapsedMs(this.#plan.from, now);
  }

  #tell(detail: TokenEventDetail): void {
    const { credential, onEvent } = this.#options;
    onEvent({ credential: credential.describe(), request: this.request, ...detail });
  }

  #couldNot(): string {
    return `Could not get ${describeRequest(this.request)} from ${this.#options.credential.describe()}`;
  }

  #toEndingError(): ProxyError {
    const message = `${this.#couldNot()}: Google gives out a token that is about to end.`;
    return new ProxyError('token_unavailable', message, { retryAfterMs: STEADY_DELAY_MS });
  }
}

/** The same failure for another caller: its own object, and its own time to wait. */
function withRetryAfter({ code, message, hint, cause }: ProxyError, retryAfterMs: number): ProxyError {
  return new ProxyError(code, message, { hint, cause, retryAfterMs });
}
