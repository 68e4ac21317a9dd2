import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLifetime, toExitCode } from '../../src/commands/lifetime.ts';

test('R65: flags count before the environment, and that before what is usual', () => {
  assert.deepEqual(readLifetime({}, {}), {
    drainDelayMs: 0,
    drainTimeoutMs: 10_000,
    maxLifetimeMs: undefined,
    exitZeroOnSigterm: false,
  });
  const env = { GBP_DRAIN_DELAY: '5s', GBP_DRAIN_TIMEOUT: '25s', GBP_MAX_LIFETIME: '55m' };
  assert.deepEqual(readLifetime({ drainTimeout: '0', exitZeroOnSigterm: true }, env), {
    drainDelayMs: 5_000,
    drainTimeoutMs: 0,
    maxLifetimeMs: 3_300_000,
    exitZeroOnSigterm: true,
  });
});

test('R65: a duration that is none names its flag or variable', () => {
  for (const [flags, env, message] of [
    [{ drainTimeout: '10' }, {}, /^--drain-timeout: The duration 10 has no unit\.$/],
    [{ drainDelay: 'soon' }, {}, /^--drain-delay: "soon" is not a duration\.$/],
    [{}, { GBP_DRAIN_TIMEOUT: 'off' }, /^GBP_DRAIN_TIMEOUT has no "off"\.$/],
    [{ maxLifetime: '0' }, {}, /^--max-lifetime 0 /],
    [{}, { GBP_MAX_LIFETIME: '25h' }, /^GBP_MAX_LIFETIME: .* longer than 24h\.$/],
  ] as const) {
    assert.throws(() => readLifetime(flags, env), { code: 'usage', message });
  }
});

test('R65: only SIGTERM is no success, unless it is said to be one', () => {
  const lifetime = readLifetime({}, {});
  assert.deepEqual(
    ['SIGTERM', 'SIGINT', 'POST /quit', '--max-lifetime'].map((reason) => toExitCode(reason, lifetime)),
    [143, 0, 0, 0],
  );
  assert.equal(toExitCode('SIGTERM', readLifetime({ exitZeroOnSigterm: true }, {})), 0);
});
