import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRateLimit } from '../../src/relay/rate-limit.ts';

test('as many requests pass at once as there may be in a period, then one for each part of it', () => {
  const limit = createRateLimit({ count: 3, periodMs: 60_000 });
  for (let i = 0; i < 3; i += 1) assert.equal(limit.take(5_000), 0);
  assert.equal(limit.take(5_000), 20_000);
  assert.equal(limit.take(10_000), 15_000);
  assert.equal(limit.take(24_999), 1);
  assert.equal(limit.take(25_000), 0);
  assert.equal(limit.take(25_000), 20_000);
});

test('what is refused is not counted, and a long silence saves up no more than a period’s worth', () => {
  const limit = createRateLimit({ count: 1, periodMs: 3_600_000 });
  assert.equal(limit.take(0), 0);
  for (let i = 0; i < 100; i += 1) assert.equal(limit.take(1_800_000), 1_800_000);
  assert.equal(limit.take(3_600_000), 0);
  assert.equal(limit.take(9 * 3_600_000), 0);
  assert.equal(limit.take(9 * 3_600_000), 3_600_000);
});

test('in no stretch of time does more pass than a period’s worth and what the time brings; and who waits as told passes', () => {
  const config = fc.record({
    count: fc.integer({ min: 1, max: 1_000_000 }),
    periodMs: fc.constantFrom(1_000, 60_000, 3_600_000),
  });
  const gapsMs = fc.array(fc.oneof(fc.nat(5), fc.nat(100_000)), { maxLength: 60 });
  fc.assert(
    fc.property(config, gapsMs, ({ count, periodMs }, gaps) => {
      const limit = createRateLimit({ count, periodMs });
      const passedAtMs: number[] = [];
      let nowMs = 1_000;
      for (const gapMs of gaps) {
        nowMs += gapMs;
        const earlyMs = limit.take(nowMs);
        if (earlyMs === 0) passedAtMs.push(nowMs);
        else {
          nowMs += Math.ceil(earlyMs);
          assert.equal(limit.take(nowMs), 0);
          passedAtMs.push(nowMs);
        }
      }
      for (const [i, fromMs] of passedAtMs.entries()) {
        for (const [j, toMs] of passedAtMs.entries()) {
          if (j >= i) assert.ok(j - i + 1 <= count + ((toMs - fromMs) * count) / periodMs + 1e-6);
        }
      }
    }),
    { numRuns: 500 },
  );
});
