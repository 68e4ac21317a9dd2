import { REFRESH_AHEAD_MS, STEADY_DELAY_MS } from '../auth/expiry.ts';
import { TokenInMemory } from '../auth/held-token.ts';
import type { HeldToken, TokenRequest, TokenSource, TokenStatus } from '../auth/token-source.ts';
import { type Clock, elapsedMs, type Instant } from '../clock.ts';
import { toError } from './fault.ts';
import type { TokenSnapshot } from './protocol.ts';

export interface RemoteTokenSourceOptions {
  readonly request: TokenRequest;
  readonly clock: Clock;
  /** Ask the primary; as `TokenSource.obtain` and `replace`. */
  readonly obtain: () => Promise<TokenSnapshot>;
  readonly replace: (serial: number) => Promise<TokenSnapshot>;
  /** Tells the primary that a token near its end was sent. */
  readonly onUse: () => void;
}

/** A source that the primary has, in a worker. It is told of each token as it comes, and reads it without waiting. */
export class RemoteTokenSource implements TokenSource {
  readonly request: TokenRequest;
  readonly #options: RemoteTokenSourceOptions;
  #held: TokenInMemory | undefined;
  #serial = 0;
  #status: TokenSnapshot['status'] = { state: 'empty', forMs: 0, error: undefined };
  #statusAt: Instant;
  #quietSince: Instant;
  /** Then the primary is to know that the token is still sent. */
  #quietMs = 0;
  #obtaining: Promise<HeldToken> | undefined;

  constructor(options: RemoteTokenSourceOptions) {
    this.request = options.request;
    this.#options = options;
    this.#statusAt = options.clock.now();
    this.#quietSince = this.#statusAt;
  }

  /** What the primary has now. The way here may have taken a while, and the token's life with it. */
  take({ sentMs, token, status }: TokenSnapshot): void {
    const { clock } = this.#options;
    const now = clock.now();
    this.#statusAt = now;
    this.#quietSince = now;
    this.#status = status;
    if (token === undefined) {
      this.#held = undefined;
      return;
    }
    const { value, identity, quotaProject, otherAudience, remainingMs, serial } = token;
    const ageMs = token.ageMs + Math.max(0, now.wallMs - sentMs);
    this.#quietMs = remainingMs - REFRESH_AHEAD_MS;
    if (this.#held?.value === value && serial === this.#serial) return;
    this.#serial = serial;
    const askedAt = { wallMs: now.wallMs - ageMs, monotonicMs: now.monotonicMs - ageMs };
    const lifetimeMs = token.ageMs + remainingMs;
    const asked = this.request.kind === 'id' ? this.request.audience : undefined;
    const minted = {
      value,
      identity,
      quotaProject,
      audience: otherAudience ?? asked,
      // By the issuer's clock, which was worked out where it came.
      issuerNowMs: 0,
      expiresAtMs: lifetimeMs,
      issuedAtMs: undefined,
    };
    this.#held = new TokenInMemory(minted, this.request, askedAt, clock);
  }

  current(): HeldToken | undefined {
    const now = this.#options.clock.now();
    if (!this.#held?.isUsableAt(now)) return undefined;
    if (elapsedMs(this.#quietSince, now) >= this.#quietMs) {
      this.#quietSince = now;
      this.#quietMs = STEADY_DELAY_MS;
      this.#options.onUse();
    }
    return this.#held;
  }

  async obtain(): Promise<HeldToken> {
    const held = this.current();
    if (held !== undefined) return held;
    this.#obtaining ??= this.#ask().finally(() => {
      this.#obtaining = undefined;
    });
    return this.#obtaining;
  }

  async replace(refused: HeldToken): Promise<HeldToken | undefined> {
    const held = this.current();
    if (held !== undefined && held.value !== refused.value) return held;
    // Told by event in the primary: to the caller it is the same as a token that can't be replaced.
    const snapshot = await this.#options.replace(this.#serial).catch(() => undefined);
    if (snapshot !== undefined) this.take(snapshot);
    const next = this.current();
    return next?.value === refused.value ? undefined : next;
  }

  status(): TokenStatus {
    const now = this.#options.clock.now();
    const held = this.#held?.isUsableAt(now) ? this.#held : undefined;
    const { state, forMs, error } = this.#status;
    return {
      state: held !== undefined ? 'valid' : state === 'valid' ? 'empty' : state,
      identity: this.#held?.identity,
      remainingMs: held?.remainingMs(),
      forMs: forMs + elapsedMs(this.#statusAt, now),
      error: error && toError(error),
    };
  }

  async #ask(): Promise<HeldToken> {
    const snapshot = await this.#options.obtain();
    this.take(snapshot);
    if (this.#held !== undefined) return this.#held;
    throw new TypeError('There is no token in the answer.');
  }
}
