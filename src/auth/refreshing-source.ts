import { type Clock, elapsedMs, type Instant } from '../clock.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import { mintWithin, toEndingError, toUnavailable } from './bounded-mint.ts';
import { isReplaceable, type Random, SKEW_MS } from './expiry.ts';
import type { FileWatch } from './file-watch.ts';
import type { TokenInMemory } from './held-token.ts';
import { MintPlan, withRetryAfter } from './mint-plan.ts';
import { describeRequest } from './minted.ts';
import type { TokenEvent, TokenEventDetail } from './token-events.ts';
import type { Credential, HeldToken, TokenRequest, TokenSource, TokenStatus } from './token-source.ts';

export interface RefreshingTokenSourceOptions {
  readonly credential: Credential;
  readonly request: TokenRequest;
  /** Watches the credential's files. Whoever made it calls `renew` and `retry`. */
  readonly files: FileWatch;
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

/** One token, minted once however many wait for it, and replaced in the background before it ends. */
export class RefreshingTokenSource implements TokenSource {
  readonly request: TokenRequest;
  readonly #options: RefreshingTokenSourceOptions;
  readonly #plan: MintPlan;
  #held: TokenInMemory | undefined;
  readonly #madeAt: Instant;
  /** When the token held, or the first in a row with it, came. */
  #validSince: Instant | undefined;
  #minting: Promise<HeldToken> | undefined;
  /** How often the credential's files changed. */
  #changes = 0;
  #failure: Failure | undefined;
  /** When a token was last minted because an upstream refused the one before. */
  #replacedAt: Instant | undefined;
  #closed = false;

  constructor(options: RefreshingTokenSourceOptions) {
    this.request = options.request;
    this.#options = options;
    this.#madeAt = options.clock.now();
    this.#plan = new MintPlan({ ...options, onDue: () => this.#refresh() });
  }

  current(): TokenInMemory | undefined {
    const now = this.#options.clock.now();
    const held = this.#usableAt(now);
    // The timer that should have done this is late where the machine was suspended; after a refusal there is none.
    if (held !== undefined && this.#plan.untilMs(now) <= 0) this.#refresh();
    return held;
  }

  async obtain(): Promise<HeldToken> {
    const held = this.current();
    if (held !== undefined) return held;
    try {
      return await this.#mintUnlessRefused();
    } catch {
      // Somebody may have logged in, perhaps while the mint was under way: nobody is refused without a look.
      await this.#options.files.look();
      return this.current() ?? this.#mintUnlessRefused();
    }
  }

  async replace(refused: HeldToken): Promise<HeldToken | undefined> {
    const held = this.current();
    if (held !== undefined && held.value !== refused.value) return held;
    try {
      if (held === undefined) await this.obtain();
      else if (this.#minting !== undefined) await this.#minting;
      else if (this.#mayReplace(held)) {
        this.#replacedAt = this.#options.clock.now();
        await this.#mint();
      }
    } catch {
      // Told by event: to the caller it is the same as a token that can't be replaced.
    }
    const next = this.current();
    return next?.value === refused.value ? undefined : next;
  }

  status(): TokenStatus {
    const now = this.#options.clock.now();
    const valid = this.#usableAt(now);
    const otherwise = this.#minting ? 'minting' : this.#failure ? 'failed' : 'empty';
    return {
      state: valid ? 'valid' : otherwise,
      identity: this.#held?.identity,
      remainingMs: valid?.remainingMs(),
      forMs: valid ? elapsedMs(this.#validSince ?? valid.askedAt, now) : this.#emptyForMs(now),
      error: this.#failure?.error,
    };
  }

  /**
   * The credential's files changed: what failed may work now, and what is held may be somebody else's. Nothing happens to
   * a source that was never asked for a token.
   */
  renew(): void {
    this.#changes += 1;
    // A mint under way may have read the files before: its end is the time to plan another.
    if (this.#minting === undefined && !this.#plan.isEmpty) this.#planAnew();
  }

  /** The credential's files changed some time ago, and not since: a mint that failed meanwhile may have read half of one. */
  retry(): void {
    if (this.#failure !== undefined) this.renew();
  }

  /** Renews nothing ahead of time from now on. Whoever still asks gets a token, minted if need be. */
  retire(): void {
    this.#plan.close();
  }

  /** No timer and no mint from now on. */
  close(): void {
    this.#closed = true;
    this.#plan.close();
  }

  #emptyForMs(now: Instant): number {
    const sinceStartMs = elapsedMs(this.#madeAt, now);
    const overMs = this.#held === undefined ? Number.NaN : SKEW_MS - this.#held.remainingMs();
    return Number.isNaN(overMs) ? sinceStartMs : Math.min(sinceStartMs, Math.max(0, overMs));
  }

  #usableAt(now: Instant): TokenInMemory | undefined {
    return this.#held?.isUsableAt(now) ? this.#held : undefined;
  }

  #mintUnlessRefused(): Promise<HeldToken> {
    if (this.#minting !== undefined) return this.#minting;
    if (this.#closed) {
      const message = `Could not get ${describeRequest(this.request)}: the proxy is stopping.`;
      return Promise.reject(new ProxyError('shutting_down', message));
    }
    const refusal = this.#plan.refusalAt(this.#options.clock.now());
    return refusal === undefined ? this.#mint() : Promise.reject(refusal);
  }

  #mayReplace(held: TokenInMemory): boolean {
    // While mints fail, the backoff says when the next one is.
    if (this.#closed || this.#failure !== undefined) return false;
    const sinceMs = this.#replacedAt && elapsedMs(this.#replacedAt, this.#options.clock.now());
    return isReplaceable(held.ageMs(), sinceMs);
  }

  #refresh(): void {
    if (this.#closed || this.#minting !== undefined) return;
    // Nobody waits for this one: a failure is told by event and by status.
    this.#mint().catch(() => {});
  }

  #mint(): Promise<HeldToken> {
    this.#minting = this.#mintOnce();
    return this.#minting;
  }

  async #mintOnce(): Promise<HeldToken> {
    const { credential, clock, mintTimeoutMs } = this.#options;
    const askedAt = clock.now();
    const changes = this.#changes;
    try {
      const held = await mintWithin({
        ...this.#options,
        request: this.request,
        timeoutMs: credential.mintTimeoutMs ?? mintTimeoutMs,
        // A second call at once only where somebody waits, and only for the first failure in a row.
        mayRepeat: () => !this.#closed && this.#failure === undefined && !this.#usableAt(clock.now()),
        onLate: (late) => {
          if (this.#isNewer(late)) this.#take(late, changes);
        },
      });
      this.#minting = undefined;
      this.#take(held, changes);
      return held;
    } catch (thrown) {
      this.#minting = undefined;
      const error = this.#fail(thrown, askedAt);
      // There is a token still when this was a refresh, or when an answer given up before has come meanwhile.
      const held = this.#usableAt(clock.now());
      if (changes !== this.#changes) this.#planAnew();
      if (held === undefined) throw error;
      return held;
    }
  }

  #planAnew(): void {
    this.#plan.afterChange(this.#usableAt(this.#options.clock.now()) !== undefined);
  }

  #isNewer(held: TokenInMemory): boolean {
    return !this.#closed && (this.#held === undefined || elapsedMs(this.#held.askedAt, held.askedAt) > 0);
  }

  /** @param changes how often the credential's files had changed when it was asked for */
  #take(held: TokenInMemory, changes: number): void {
    const { credential, clock } = this.#options;
    const failure = this.#failure;
    const repeated = held.value === this.#held?.value;
    const now = clock.now();
    if (this.#usableAt(now) === undefined) this.#validSince = now;
    this.#held = held;
    this.#failure = undefined;
    const refusal = repeated ? toEndingError(this.request, credential) : undefined;
    const nextRefreshMs = this.#plan.afterToken(held.remainingMs(), refusal);
    if (changes !== this.#changes) this.#planAnew();
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
    const { credential, clock } = this.#options;
    const now = clock.now();
    const error = isProxyError(thrown)
      ? thrown
      : toUnavailable(this.request, credential, 'unexpected failure');
    const { count = 0, since = askedAt } = this.#failure ?? {};
    const held = this.#usableAt(now);
    const plannedMs = this.#plan.untilMs(now);
    // A replacement that failed, or a mint whose predecessor has answered late: the token held and its plan are as good.
    const keepsPlan = held !== undefined && plannedMs > 0;
    const nextTryMs = keepsPlan ? plannedMs : this.#plan.afterFailure(error);
    if (!keepsPlan) this.#failure = { error, count: count + 1, since };
    this.#tell({
      type: 'token-failed',
      durationMs: elapsedMs(askedAt, now),
      error,
      failures: count + 1,
      nextTryMs,
      servingMs: held && held.remainingMs() - SKEW_MS,
    });
    return withRetryAfter(error, nextTryMs);
  }

  #tell(detail: TokenEventDetail): void {
    const { credential, onEvent } = this.#options;
    onEvent({ credential: credential.describe(), request: this.request, ...detail });
  }
}
