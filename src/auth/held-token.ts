import { type Clock, elapsedMs, type Instant } from '../clock.ts';
import { isUsable, lifetimeMs } from './expiry.ts';
import type { HeldToken, MintedToken, TokenRequest } from './token-source.ts';

/** The clocks of a machine drift apart by less than this between two looks at them, unless it slept. */
const DRIFT_MS = 1_000;

/**
 * A token in memory. Its age counts from the moment it was asked for, not from its arrival: a slow answer, or a machine
 * suspended in between, makes it look older and never younger. Time spent suspended stays counted when somebody sets the
 * clock back afterwards. Neither `util.inspect` nor `JSON.stringify` shows the token: it is in private fields only.
 */
export class TokenInMemory implements HeldToken {
  readonly #value: string;
  readonly #bearer: string;
  readonly identity: string | undefined;
  readonly quotaProject: string | undefined;
  readonly otherAudience: string | undefined;
  readonly askedAt: Instant;
  /** From `askedAt` to the token's end; NaN where the token doesn't say. */
  readonly lifetimeMs: number;
  readonly #clock: Clock;
  #seenAt: Instant;
  #suspendedMs = 0;

  constructor(minted: MintedToken, request: TokenRequest, askedAt: Instant, clock: Clock) {
    this.#value = minted.value;
    this.#bearer = `Bearer ${minted.value}`;
    this.identity = minted.identity;
    this.quotaProject = minted.quotaProject;
    this.otherAudience = toOtherAudience(request, minted);
    this.askedAt = askedAt;
    this.lifetimeMs = lifetimeMs(minted, askedAt.wallMs);
    this.#clock = clock;
    this.#seenAt = askedAt;
  }

  get value(): string {
    return this.#value;
  }

  get bearer(): string {
    return this.#bearer;
  }

  ageMs(): number {
    return this.#ageAt(this.#clock.now());
  }

  remainingMs(): number {
    return this.lifetimeMs - this.ageMs();
  }

  isUsableAt(now: Instant): boolean {
    return isUsable(this.lifetimeMs - this.#ageAt(now));
  }

  #ageAt(now: Instant): number {
    const awakeMs = now.monotonicMs - this.#seenAt.monotonicMs;
    const asleepMs = now.wallMs - this.#seenAt.wallMs - awakeMs;
    if (asleepMs > DRIFT_MS) this.#suspendedMs += asleepMs;
    this.#seenAt = now;
    return Math.max(
      elapsedMs(this.askedAt, now),
      now.monotonicMs - this.askedAt.monotonicMs + this.#suspendedMs,
    );
  }
}

function toOtherAudience(request: TokenRequest, { audience }: MintedToken): string | undefined {
  return request.kind === 'id' && audience !== request.audience ? audience : undefined;
}
