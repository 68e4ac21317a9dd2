import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isReplaceable,
  isUsable,
  lifetimeMs,
  planRefresh,
  planRenewal,
  planRepeat,
  planRetry,
  SKEW_MS,
} from '../../src/auth/expiry.ts';
import { HOUR_MS, MINUTE_MS } from './fake-credential.ts';

const NOW = Date.UTC(2026, 0, 1);
const fresh = { expiresAtMs: NOW + HOUR_MS, issuedAtMs: NOW, issuerNowMs: undefined };

test('R63: with the issuer’s clock known, the local clock does not change a lifetime', () => {
  for (const offsetMs of [-10 * MINUTE_MS, 0, 10 * MINUTE_MS, 3 * HOUR_MS]) {
    assert.equal(lifetimeMs({ ...fresh, issuerNowMs: NOW }, NOW + offsetMs), HOUR_MS);
  }
});

test('R63: without it, a lifetime is the shorter of what the local clock and the token say', () => {
  assert.equal(lifetimeMs(fresh, NOW - 10 * MINUTE_MS), HOUR_MS);
  assert.equal(lifetimeMs(fresh, NOW + 10 * MINUTE_MS), 50 * MINUTE_MS);
});

test('R63: a local clock by which a token just received is over is not believed', () => {
  assert.equal(lifetimeMs(fresh, NOW + 3 * HOUR_MS), HOUR_MS);
});

test('a token with nothing but its end lives by the local clock', () => {
  const bare = { expiresAtMs: NOW + MINUTE_MS, issuedAtMs: undefined, issuerNowMs: undefined };
  assert.equal(lifetimeMs(bare, NOW), MINUTE_MS);
  assert.equal(lifetimeMs(bare, NOW + HOUR_MS), MINUTE_MS - HOUR_MS);
});

test('a token is usable until 15 s before its end', () => {
  assert.equal(isUsable(15_001), true);
  assert.equal(isUsable(15_000), false);
  assert.equal(isUsable(Number.NaN), false);
});

test('R60: a token of one hour is refreshed when 5 to 4 minutes are left', () => {
  assert.equal(
    planRefresh(HOUR_MS, () => 0),
    55 * MINUTE_MS,
  );
  assert.equal(planRefresh(HOUR_MS, () => 0.999_999) < 56 * MINUTE_MS, true);
  assert.notEqual(
    planRefresh(HOUR_MS, () => 0.25),
    planRefresh(HOUR_MS, () => 0.75),
  );
});

test('R62: a token with less than 5 minutes left is asked for again half a minute on', () => {
  for (const leftMs of [299_000, 100_000, 60_000])
    assert.equal(
      planRefresh(leftMs, () => 0),
      30_000,
    );
  assert.equal(
    planRefresh(47_000, () => 0.9),
    47_000 - SKEW_MS,
  );
  assert.equal(
    planRefresh(20_000, () => 0.9),
    30_000,
  );
});

test('R61: retries back off from 1 s to 60 s and settle at two a minute or fewer', () => {
  const least = [1, 2, 3, 4, 5, 6, 50].map((failures) => planRetry(failures, 0, () => 0));
  const most = [1, 2, 3, 4, 5, 6, 50].map((failures) => planRetry(failures, 0, () => 1));
  assert.deepEqual(least, [1_000, 1_000, 1_000, 1_000, 1_000, 30_000, 30_000]);
  assert.deepEqual(most, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
});

test('a retry waits as long as it was told to', () => {
  assert.equal(
    planRetry(1, 30_000, () => 0.5),
    30_000,
  );
  assert.equal(
    planRetry(6, 30_000, () => 0.5),
    45_000,
  );
});

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('R60 R62: whatever a token’s life, its refresh is no sooner than 30 s, and before it ends where there is room', () => {
  fc.assert(
    fc.property(fc.integer({ min: SKEW_MS + 1, max: 12 * HOUR_MS }), unit, (lifeMs, random) => {
      const delayMs = planRefresh(lifeMs, () => random);
      assert.ok(delayMs >= 30_000);
      assert.ok(delayMs <= Math.max(30_000, lifeMs - SKEW_MS));
    }),
  );
});

test('R61: however often a mint failed, the next try is 1 to 60 s away', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), unit, (failures, random) => {
      const delayMs = planRetry(failures, 0, () => random);
      assert.ok(delayMs >= 1_000 && delayMs <= 60_000);
    }),
  );
});

test('a mint that somebody waits for is repeated after 100 to 500 ms', () => {
  assert.deepEqual([planRepeat(() => 0), planRepeat(() => 1)], [100, 500]);
});

test('after a login, tokens are minted anew within two seconds, not all at once', () => {
  assert.deepEqual([planRenewal(() => 0), planRenewal(() => 0.5), planRenewal(() => 1)], [0, 1_000, 2_000]);
});

test('R56: a refused token is replaced once it is a minute old, and a minute after the one before it was', () => {
  assert.equal(isReplaceable(MINUTE_MS, undefined), true);
  assert.equal(isReplaceable(MINUTE_MS - 1, undefined), false);
  assert.equal(isReplaceable(HOUR_MS, MINUTE_MS - 1), false);
  assert.equal(isReplaceable(HOUR_MS, MINUTE_MS), true);
});
