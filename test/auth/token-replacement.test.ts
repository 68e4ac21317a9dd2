import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MintedToken } from '../../src/auth/token-source.ts';
import { settle } from '../support/fake-clock.ts';
import { never, setUp } from './cached-source.ts';
import { HOUR_MS, MINUTE_MS, mintToken, mostWithin, refused, unavailable } from './fake-credential.ts';

/** A source whose token is ten minutes old. */
async function setUpHeld() {
  const setup = setUp();
  const token = await setup.source.obtain();
  await setup.clock.advance(10 * MINUTE_MS);
  return { ...setup, token };
}

/** Lets upstreams refuse whatever token there is, ten times a second. */
async function refuseAll({ clock, source }: ReturnType<typeof setUp>, forMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < forMs; passedMs += 1_000) {
    const token = source.current();
    assert.ok(token, 'a valid token can be read at any time');
    for (let request = 0; request < 10; request += 1) source.replace(token);
    await clock.advance(1_000);
  }
}

test('R56: a thousand requests whose token was refused share one mint, and get another token', async () => {
  const { credential, source, token } = await setUpHeld();
  const tokens = await Promise.all(Array.from({ length: 1000 }, () => source.replace(token)));
  assert.equal(credential.calls.length, 2);
  assert.deepEqual([...new Set(tokens.map((replaced) => replaced?.value))], ['token-2']);
  assert.equal(source.current(), tokens[0]);
});

test('R56: a token that was replaced meanwhile costs no call', async () => {
  const { credential, source, token } = await setUpHeld();
  const next = await source.replace(token);
  assert.equal(await source.replace(token), next);
  assert.equal(credential.calls.length, 2);
});

test('R56: a token younger than a minute is not replaced', async () => {
  const { clock, credential, source } = setUp();
  const token = await source.obtain();
  await clock.advance(MINUTE_MS - 1);
  assert.equal(await source.replace(token), undefined);
  assert.equal(credential.calls.length, 1);
  await clock.advance(1);
  assert.equal((await source.replace(token))?.value, 'token-2');
});

test('R56: while a refresh is under way, its token is the replacement', async () => {
  const { clock, credential, source, token } = await setUpHeld();
  let answer = (_: MintedToken): void => {};
  credential.answer = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await clock.advance(45.5 * MINUTE_MS);
  const replaced = Promise.all([source.replace(token), source.replace(token)]);
  await settle();
  assert.equal(credential.calls.length, 2);
  answer(mintToken(clock, 'refreshed'));
  assert.deepEqual(
    (await replaced).map((next) => next?.value),
    ['refreshed', 'refreshed'],
  );
});

test('R56: a replacement that fails gives nothing, and changes nothing about the token held', async () => {
  for (const fault of ['away', 'refusing', 'garbage'] as const) {
    const { clock, credential, events, source, token } = await setUpHeld();
    credential.answer = { away: unavailable, refusing: refused, garbage: () => mintToken(clock, '<html>') }[
      fault
    ];
    assert.equal(await source.replace(token), undefined);
    assert.equal(credential.calls.length, 2, 'no second try: the old token serves');
    assert.equal(source.current(), token);
    assert.deepEqual(source.status(), {
      state: 'valid',
      identity: token.identity,
      remainingMs: 50 * MINUTE_MS,
      forMs: 10 * MINUTE_MS,
      error: undefined,
    });
    assert.partialDeepStrictEqual(events.at(-1), {
      type: 'token-failed',
      nextTryMs: 45.5 * MINUTE_MS,
      servingMs: 50 * MINUTE_MS - 15_000,
    });
    credential.answer = (call) => mintToken(clock, `token-${call}`);
    await clock.advance(45.5 * MINUTE_MS - 1);
    assert.equal(credential.calls.length, 2, 'the refresh is not sooner');
    await clock.advance(1);
    assert.equal(source.current()?.value, 'token-3', 'nor later');
  }
});

test('R56: a replacement that hangs is given up after 5 s, and used should it still come', async () => {
  const { clock, credential, source, token } = await setUpHeld();
  credential.answer = () =>
    new Promise((resolve) => clock.schedule(20_000, () => resolve(mintToken(clock, 'late'))));
  const replaced = source.replace(token);
  await clock.advance(4_999);
  assert.equal(await source.obtain(), token, 'others have the old one');
  await clock.advance(1);
  assert.equal(await replaced, undefined);
  await clock.advance(15_000);
  assert.equal(source.current()?.value, 'late');
});

test('R56: a refresh that comes due during a replacement that fails is tried again by backoff', async () => {
  const { clock, credential, source, token } = await setUpHeld();
  await clock.advance(45.5 * MINUTE_MS - 1_000);
  credential.answer = () => never;
  const replaced = source.replace(token);
  await clock.advance(5_000);
  assert.equal(await replaced, undefined);
  credential.answer = (call) => mintToken(clock, `token-${call}`);
  await clock.advance(2_000);
  assert.equal(source.current()?.value, 'token-3');
});

test('R56 R62: an hour of refusals costs one mint a minute, whether mints work, fail or bring nothing new', async () => {
  for (const weather of ['fine', 'away', 'same'] as const) {
    const setup = await setUpHeld();
    const { clock, credential } = setup;
    if (weather === 'away') credential.answer = unavailable;
    if (weather === 'same') credential.answer = () => mintToken(clock, 'token-1');
    await refuseAll(setup, 40 * MINUTE_MS);
    assert.equal(mostWithin(MINUTE_MS, credential.calls), 1, weather);
    assert.ok(credential.calls.length >= 40, `${weather}: ${credential.calls.length} calls`);
  }
});

test('R56: the same token again is no replacement', async () => {
  const { clock, credential, source, token } = await setUpHeld();
  credential.answer = () => mintToken(clock, 'token-1');
  assert.equal(await source.replace(token), undefined);
  assert.equal(source.current()?.value, 'token-1');
  assert.equal(await source.replace(token), undefined);
  assert.equal(credential.calls.length, 2);
});

test('R61: while mints fail, refusals cost no calls beyond the backoff', async () => {
  const setup = await setUpHeld();
  const { clock, credential, source, token } = setup;
  credential.answer = unavailable;
  await clock.advance(46 * MINUTE_MS);
  assert.ok(source.status().error);
  const before = credential.calls.length;
  assert.equal(await source.replace(token), undefined);
  assert.equal(credential.calls.length, before);
  await refuseAll(setup, 3 * MINUTE_MS);
  assert.ok(mostWithin(MINUTE_MS, credential.calls.slice(before + 2)) <= 2);
});

test('a token that ended on its way is replaced like one that is missing', async () => {
  const { clock, credential, source } = setUp();
  const token = await source.obtain();
  clock.suspend(2 * HOUR_MS);
  assert.equal((await source.replace(token))?.value, 'token-2');
  clock.suspend(2 * HOUR_MS);
  credential.answer = refused;
  assert.equal(await source.replace(token), undefined);
});

test('after close nothing is replaced', async () => {
  const { cache, credential, source, token } = await setUpHeld();
  cache.close();
  assert.equal(await source.replace(token), undefined);
  assert.equal(credential.calls.length, 1);
});
