import type { MintedToken } from './token-source.ts';

/** A token this close to its end is no longer sent: it has to survive the way to Google and clocks that differ. */
export const SKEW_MS = 15_000;

/** Refreshing begins when this much life is left. Google's metadata server hands out a new token only from here on. */
export const REFRESH_AHEAD_MS = 300_000;

/** Refreshing is spread over this long, so that tokens minted together are not refreshed together. */
const REFRESH_SPREAD_MS = 60_000;

/** Least time between calls that bring nothing new: two calls a minute. */
export const STEADY_DELAY_MS = 30_000;
const STEADY_SPREAD_MS = 5_000;

const RETRY_FLOOR_MS = 1_000;
const RETRY_CAP_MS = 60_000;

/** A first mint that failed is repeated after 100 to 500 ms, while its requests wait. */
const REPEAT_FLOOR_MS = 100;
const REPEAT_SPREAD_MS = 400;

/** After a login, tokens are minted anew within this long, not all at once. */
const RENEWAL_SPREAD_MS = 2_000;

/** An upstream that refuses tokens has one minted ahead of time this often at most, and none younger than this. */
const REPLACE_MS = 60_000;

/** A random number in [0, 1). */
export type Random = () => number;

/**
 * How long a token will live, in ms counted from the moment it was asked for; zero or less when it is over already.
 * The issuer's clock decides where it is known. Else the shorter of what the local clock and the token itself say; a
 * local clock by which a token just received is over is not to be believed.
 */
export function lifetimeMs(
  { expiresAtMs, issuedAtMs, issuerNowMs }: Pick<MintedToken, 'expiresAtMs' | 'issuedAtMs' | 'issuerNowMs'>,
  localNowMs: number,
): number {
  if (issuerNowMs !== undefined) return expiresAtMs - issuerNowMs;
  const byLocalClock = expiresAtMs - localNowMs;
  if (issuedAtMs === undefined) return byLocalClock;
  const byItself = expiresAtMs - issuedAtMs;
  return byLocalClock > 0 ? Math.min(byLocalClock, byItself) : byItself;
}

/** Whether a token with this much life left may be sent. */
export function isUsable(remainingMs: number): boolean {
  return remainingMs > SKEW_MS;
}

/**
 * When to ask for the next token, in ms from the arrival of one with this lifetime: 5 to 4 minutes before its end, and
 * for a token that hasn't that long to live (the metadata server gives out tokens it still holds) half a minute on,
 * before its end where there is room. Never sooner than half a minute, so that the same token again makes no loop.
 */
export function planRefresh(lifetimeMs: number, random: Random): number {
  const ahead = lifetimeMs - REFRESH_AHEAD_MS + random() * REFRESH_SPREAD_MS;
  if (ahead >= STEADY_DELAY_MS) return ahead;
  const soon = STEADY_DELAY_MS + random() * STEADY_SPREAD_MS;
  return Math.max(STEADY_DELAY_MS, Math.min(soon, lifetimeMs - SKEW_MS));
}

/**
 * When to try again after so many failures in a row (1 or more), in ms from the last: exponential backoff with full
 * jitter from 1 s up to 60 s, and 30 to 60 s once it has grown that far; never sooner than `leastMs`.
 */
export function planRetry(failures: number, leastMs: number, random: Random): number {
  const ceiling = Math.min(RETRY_CAP_MS, RETRY_FLOOR_MS * 2 ** Math.min(failures, 30));
  const floor = ceiling === RETRY_CAP_MS ? STEADY_DELAY_MS : RETRY_FLOOR_MS;
  return Math.max(leastMs, floor + random() * (ceiling - floor));
}

/** When to repeat a mint that somebody waits for, after a fault that may be over already. In ms. */
export function planRepeat(random: Random): number {
  return REPEAT_FLOOR_MS + random() * REPEAT_SPREAD_MS;
}

/** When to mint anew after the credential's files changed, while the token held still serves. In ms. */
export function planRenewal(random: Random): number {
  return random() * RENEWAL_SPREAD_MS;
}

/**
 * Whether a token that an upstream refused is worth a new one. A fresh one is refused for another reason than its age,
 * and whoever refused one a minute ago will refuse the next.
 * @param ageMs of the token
 * @param sinceLastMs since a token was last minted for this reason, undefined for never
 */
export function isReplaceable(ageMs: number, sinceLastMs: number | undefined): boolean {
  return ageMs >= REPLACE_MS && (sinceLastMs === undefined || sinceLastMs >= REPLACE_MS);
}
