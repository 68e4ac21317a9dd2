import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { assertNoToken } from '../support/canary.ts';
import { setUp } from './cached-source.ts';
import { MINUTE_MS, mintToken } from './fake-credential.ts';

test('R23: whoever prints a token, its source or the cache sees no token', async () => {
  const { cache, clock, credential, events, source } = setUp();
  credential.answer = (call) => mintToken(clock, `canary-${call}.claims.signature`);
  const waiting = source.obtain();
  const token = await waiting;
  await clock.advance(5 * MINUTE_MS);
  const replacing = source.replace(token);
  await replacing;
  const values = ['canary-1.claims.signature', 'canary-2.claims.signature'];
  const printed = { token, waiting, replacing, source, cache, events, status: source.status() };
  for (const [name, value] of Object.entries(printed)) {
    assertNoToken(`inspect: ${name}`, inspect(value, { depth: 9, showHidden: true }), values);
    assertNoToken(`JSON: ${name}`, JSON.stringify(value), values);
    assertNoToken(`a copy: ${name}`, JSON.stringify({ ...value }), values);
    assertNoToken(`a string: ${name}`, String(value), values);
  }
  assert.equal(token.value, values[0]);
  assert.equal(token.bearer, `Bearer ${values[0]}`);
});
