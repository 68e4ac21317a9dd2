import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MintedToken, TokenRequest } from '../../src/auth/token-source.ts';
import { isProxyError, ProxyError } from '../../src/errors.ts';
import { type FakeClock, settle } from '../support/fake-clock.ts';
import { ask, never, serve, setUp } from './cached-source.ts';
import {
  createFakeCredential,
  HOUR_MS,
  ID_REQUEST,
  MINUTE_MS,
  mintToken,
  mostWithin,
  refused,
  toMinted,
  unavailable,
} from './fake-credential.ts';

const toName = (audience: string): string => `for-${new URL(audience).hostname}`;

test('nothing is minted before somebody asks', async () => {
  const { clock, credential, source } = setUp();
  await clock.advance(HOUR_MS);
  assert.equal(credential.calls.length, 0);
  assert.equal(source.current(), undefined);
  assert.deepEqual(source.status(), {
    state: 'empty',
    identity: undefined,
    remainingMs: undefined,
    forMs: HOUR_MS,
    error: undefined,
  });
});

test('a token comes ready for a header, with its age', async () => {
  const { clock, source } = setUp();
  const token = await source.obtain();
  await clock.advance(MINUTE_MS);
  assert.equal(token.bearer, 'Bearer token-1');
  assert.equal(token.value, 'token-1');
  assert.equal(token.ageMs(), MINUTE_MS);
  assert.equal(token.remainingMs(), HOUR_MS - MINUTE_MS);
  assert.equal(source.current(), token);
  assert.equal(source.status().state, 'valid');
  assert.equal(source.status().identity, 'runner@p.iam.gserviceaccount.com');
});

test('R67: it is known since when there is a token, or none, across refreshes and outages', async () => {
  const { clock, credential, source } = setUp();
  await clock.advance(MINUTE_MS);
  assert.equal(source.status().forMs, MINUTE_MS, 'none so far');
  await source.obtain();
  await clock.advance(3 * HOUR_MS);
  assert.equal(credential.calls.length > 2, true);
  assert.equal(source.status().forMs, 3 * HOUR_MS, 'a token renewed in time is no new beginning');
  credential.answer = () => {
    throw new ProxyError('token_unavailable', 'Google is away.');
  };
  await clock.advance(2 * HOUR_MS);
  assert.equal(source.status().state, 'failed');
  const emptyMs = source.status().forMs;
  assert.ok(emptyMs > HOUR_MS && emptyMs < 2 * HOUR_MS, `since the last one ended: ${emptyMs}`);
});

test('R59: a thousand requests at once make one mint', async () => {
  const { credential, source } = setUp();
  const tokens = await Promise.all(Array.from({ length: 1000 }, () => source.obtain()));
  assert.equal(credential.calls.length, 1);
  assert.equal(new Set(tokens).size, 1);
});

test('R59: a mint that failed for all who waited does not spoil the next', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = unavailable;
  const waiting = Promise.allSettled(Array.from({ length: 1000 }, () => source.obtain()));
  await settle();
  await clock.advance(500);
  const results = await waiting;
  assert.equal(results.filter((result) => result.status === 'rejected').length, 1000);
  assert.equal(credential.calls.length, 2, 'a passing fault is met with a second call, for all of them');
  credential.answer = () => mintToken(clock, 'after');
  await clock.advance(2_000);
  assert.equal((await source.obtain()).value, 'after');
});

test('R24: requests that say the same share a source, others never do', async () => {
  const { clock, cache, credential, source } = setUp();
  const scopes = ['https://www.googleapis.com/auth/bigquery', 'https://www.googleapis.com/auth/pubsub'];
  assert.equal(cache.source(credential, { ...ID_REQUEST }), source);
  assert.equal(
    cache.source(credential, { kind: 'access', scopes }),
    cache.source(credential, { kind: 'access', scopes: scopes.toReversed() }),
  );
  const different: TokenRequest[] = [
    ID_REQUEST,
    { kind: 'id', audience: `${ID_REQUEST.kind === 'id' && ID_REQUEST.audience}/` },
    { kind: 'access', scopes: [] },
    { kind: 'access', scopes: [scopes.join(' ')] },
    { kind: 'access', scopes },
    { kind: 'access', scopes: scopes.slice(1) },
  ];
  const sources = different.map((request) => cache.source(credential, request));
  sources.push(cache.source(createFakeCredential(clock), ID_REQUEST));
  assert.equal(new Set(sources).size, sources.length);
});

test('R24: a thousand mixed requests at once each get the token of their own audience', async () => {
  const { clock, cache, credential } = setUp();
  credential.answer = (_, request) => mintToken(clock, toName(request.kind === 'id' ? request.audience : ''));
  const audiences = Array.from({ length: 1000 }, (_, index) => `https://s${index % 7}.run.app`);
  const tokens = await Promise.all(
    audiences.map((audience) => cache.source(credential, { kind: 'id', audience }).obtain()),
  );
  assert.deepEqual(
    tokens.map(({ value }) => value),
    audiences.map((audience) => toName(audience)),
  );
  assert.equal(credential.calls.length, 7);
});

test('R60: a day of requests is served without a wait, by one refresh an hour ahead of the end', async () => {
  const { clock, credential, source } = setUp();
  await source.obtain();
  let least = Number.POSITIVE_INFINITY;
  for (let passedMs = 0; passedMs < 24 * HOUR_MS; passedMs += 10_000) {
    await clock.advance(10_000);
    const token = source.current();
    assert.ok(token, 'a valid token can be read at any time');
    least = Math.min(least, token.remainingMs());
  }
  assert.ok(least > 3 * MINUTE_MS);
  assert.ok(
    credential.calls.length >= 25 && credential.calls.length <= 28,
    `${credential.calls.length} mints`,
  );
});

test('R60: while a refresh takes its time, the old token is read', async () => {
  const { clock, credential, source } = setUp();
  const old = await source.obtain();
  credential.answer = () => never;
  await clock.advance(56 * MINUTE_MS);
  assert.equal(credential.calls.length > 1, true);
  assert.equal(source.current(), old);
  assert.equal(await source.obtain(), old);
});

test('R61: in an outage the old token serves until 15 s before its end, and then requests fail at once', async () => {
  const setup = setUp();
  const { clock, credential, source } = setup;
  const old = await source.obtain();
  await clock.advance(30 * MINUTE_MS);
  credential.answer = unavailable;
  assert.equal(await serve(setup, 30 * MINUTE_MS - 16_000), 0);
  assert.equal(source.current(), old);
  assert.equal(source.status().state, 'valid');
  assert.equal(source.status().error?.message, 'Google is away');
  await clock.advance(1_000);
  assert.equal(source.current(), undefined);
  assert.equal(source.status().state, 'failed');
  await assert.rejects(source.obtain(), {
    code: 'token_unavailable',
    status: 503,
    message: 'Google is away',
  });
});

test('R61: an hour of outage costs two calls a minute, and is over within one step of backoff', async () => {
  const setup = setUp();
  const { clock, credential, events, source } = setup;
  credential.answer = unavailable;
  assert.ok((await serve(setup, HOUR_MS)) > 3_500);
  const steady = credential.calls.filter((at) => at > (credential.calls[0] ?? 0) + 2 * MINUTE_MS);
  assert.ok(mostWithin(MINUTE_MS, steady) <= 2);
  assert.ok(steady.length > 50, 'it goes on trying');
  credential.answer = () => mintToken(clock, 'back');
  await clock.advance(MINUTE_MS);
  assert.equal(source.current()?.value, 'back');
  const recovered = events.find((event) => event.type === 'token-recovered');
  assert.ok(recovered && recovered.outageMs > HOUR_MS && recovered.outageMs <= HOUR_MS + MINUTE_MS);
});

test('R61: a fault that passes at once costs the first request half a second at most, and fails nobody', async () => {
  for (const random of [0, 0.999]) {
    const { clock, credential, events, source } = setUp({ random: () => random });
    credential.answer = (call) => (call === 1 ? unavailable() : mintToken(clock, `token-${call}`));
    const tokens = Promise.all(Array.from({ length: 1000 }, () => source.obtain()));
    await settle();
    await clock.advance(99);
    assert.equal(credential.calls.length, 1);
    await clock.advance(401);
    assert.equal(new Set(await tokens).size, 1);
    assert.equal(credential.calls.length, 2);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['token-minted'],
    );
  }
});

test('R61: a second call at once is for the first failure in a row, when no token serves', async () => {
  const setup = setUp();
  const { clock, credential } = setup;
  credential.answer = unavailable;
  await ask(setup);
  assert.equal(credential.calls.length, 2);
  await clock.advance(1_500);
  await clock.advance(500);
  assert.equal(credential.calls.length, 3, 'the next try is one call');
  const held = setUp();
  await held.source.obtain();
  held.credential.answer = unavailable;
  await held.clock.advance(55.5 * MINUTE_MS + 500);
  assert.equal(held.credential.calls.length, 2, 'a refresh in the background is one call');
});

test('R61: refusals, garbage, slow answers and a told time to come back are not met with a second call', async () => {
  const faults: Record<string, (clock: FakeClock) => MintedToken | Promise<MintedToken>> = {
    refusal: refused,
    garbage: (clock) => mintToken(clock, '<html>'),
    ending: (clock) => mintToken(clock, 'ending', 10_000),
    told: () => {
      throw new ProxyError('token_unavailable', 'too many', { retryAfterMs: 5_000 });
    },
    unexpected: () => {
      throw new TypeError('a bug');
    },
    slow: (clock) => clock.wait(4_900).then(unavailable),
  };
  for (const [name, fault] of Object.entries(faults)) {
    const setup = setUp();
    setup.credential.answer = () => fault(setup.clock);
    assert.ok(isProxyError(await ask(setup, 5_000)), name);
    assert.equal(setup.credential.calls.length, 1, name);
  }
});

test('R64: both calls of a first mint have 5 s together', async () => {
  const setup = setUp();
  const { credential, clock } = setup;
  credential.answer = (call) => (call === 1 ? clock.wait(3_000).then(unavailable) : never);
  const failed = assert.rejects(setup.source.obtain(), { message: /no answer within 5 s\.$/ });
  await settle();
  await clock.advance(5_000);
  await failed;
  assert.equal(credential.calls.length, 2);
});

test('no second call is made once the cache is closed', async () => {
  const { cache, clock, credential, source } = setUp();
  credential.answer = unavailable;
  const failed = assert.rejects(source.obtain(), { code: 'shutting_down' });
  await settle();
  cache.close();
  await clock.advance(1_000);
  await failed;
  assert.deepEqual([credential.calls.length, clock.pending], [1, 0]);
});

test('R64: a credential that starts another program has the time it says it needs', async () => {
  const { cache, clock, credential } = setUp();
  credential.answer = () => never;
  const slow = cache.source({ ...credential, mintTimeoutMs: 20_000 }, ID_REQUEST);
  const failed = assert.rejects(slow.obtain(), { message: /no answer within 20 s\.$/ });
  await clock.advance(19_999);
  assert.equal(slow.status().state, 'minting');
  await clock.advance(1);
  await failed;
});

test('R64: a credential that hangs delays nobody else', async () => {
  const { cache, clock, credential, source } = setUp();
  credential.answer = (_, request) => (request.kind === 'access' ? never : mintToken(clock, 'quick'));
  const hanging = createFakeCredential(clock, 'metadata server');
  hanging.answer = () => never;
  const waiting = [
    cache.source(hanging, ID_REQUEST).obtain(),
    cache.source(credential, { kind: 'access', scopes: ['a'] }).obtain(),
  ].map((answer) => assert.rejects(answer, { code: 'token_unavailable' }));
  assert.equal((await source.obtain()).value, 'quick');
  await clock.advance(5_000);
  await Promise.all(waiting);
});

test('R61: after an hour of outage the first request gets a token within one step of backoff', async () => {
  for (const random of [0, 0.5, 0.999]) {
    const setup = setUp({ random: () => random });
    const { clock, credential, source } = setup;
    await source.obtain();
    credential.answer = unavailable;
    await serve(setup, 2 * HOUR_MS);
    assert.equal(source.status().state, 'failed');
    assert.ok(
      mostWithin(HOUR_MS, credential.calls) <= 2 * 60 + 5,
      `${mostWithin(HOUR_MS, credential.calls)}`,
    );
    const endedMs = clock.now().monotonicMs;
    credential.answer = () => mintToken(clock, 'back');
    const failures = await serve(setup, MINUTE_MS);
    assert.equal(source.current()?.value, 'back');
    const recoveredMs = (credential.calls.at(-1) ?? 0) - endedMs;
    assert.ok(recoveredMs <= MINUTE_MS && failures <= recoveredMs / 1_000 + 1);
  }
});

test('R61: whoever asks during the backoff is told when the next try is, and nobody is asked', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = unavailable;
  const first = await ask({ clock, source });
  await clock.advance(400);
  const second = await source.obtain().catch((error: unknown) => error);
  assert.ok(isProxyError(first) && isProxyError(second));
  assert.notEqual(first, second);
  assert.deepEqual([first.retryAfterMs, second.retryAfterMs], [1_500, 1_100]);
  assert.equal(credential.calls.length, 2);
});

test('R61: what Google says about when to come back is heeded', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = () => {
    throw new ProxyError('token_unavailable', 'too many', { retryAfterMs: 20_000 });
  };
  await assert.rejects(source.obtain(), { retryAfterMs: 20_000 });
  await clock.advance(19_999);
  assert.equal(credential.calls.length, 1);
  await clock.advance(1);
  assert.equal(credential.calls.length, 2);
});

test('R21: refused credentials are not tried again by timer, but by a request after the backoff', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = refused;
  await assert.rejects(source.obtain(), { code: 'credentials_invalid', status: 502, hint: /gcloud/ });
  await assert.rejects(source.obtain(), { code: 'credentials_invalid' });
  await clock.advance(HOUR_MS);
  assert.equal(credential.calls.length, 1);
  credential.answer = () => mintToken(clock, 'after-login');
  assert.equal((await source.obtain()).value, 'after-login');
});

test('R21: credentials refused while a token is still valid are tried again by requests, two a minute', async () => {
  const setup = setUp();
  const { credential, source } = setup;
  await source.obtain();
  credential.answer = refused;
  assert.equal(await serve(setup, 59 * MINUTE_MS), 0);
  const refreshes = credential.calls.slice(1);
  assert.ok(refreshes.length > 5 && refreshes.length < 15, `${refreshes.length} tries`);
});

test('R62: the same token again and again costs one call in 30 s, also past its end', async () => {
  const setup = setUp();
  const { clock, credential, source } = setup;
  const { wallMs } = clock.now();
  credential.answer = () =>
    toMinted('same', { expiresAtMs: wallMs + HOUR_MS, issuedAtMs: wallMs, issuerNowMs: clock.now().wallMs });
  await source.obtain();
  await serve(setup, HOUR_MS + 10 * MINUTE_MS);
  assert.equal(mostWithin(30_000, credential.calls), 1);
  assert.ok(credential.calls.length > 10);
  assert.equal(source.current(), undefined);
});

test('R62: a metadata server that gives out what it holds is asked until it gives a new token', async () => {
  const setup = setUp();
  const { clock, credential } = setup;
  let held = mintToken(clock, 'held-1');
  credential.answer = (call) => {
    const { wallMs } = clock.now();
    if (held.expiresAtMs - wallMs < 4 * MINUTE_MS) held = mintToken(clock, `held-${call}`);
    return { ...held, issuerNowMs: wallMs };
  };
  assert.equal(await serve(setup, 5 * HOUR_MS), 0);
  assert.equal(mostWithin(30_000, credential.calls), 1);
  assert.ok(credential.calls.length < 25, `${credential.calls.length} calls in five hours`);
});

test('R62: a token that ends within seconds is not handed out', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = () => mintToken(clock, 'ending', 10_000);
  await assert.rejects(source.obtain(), { code: 'token_unavailable', retryAfterMs: 30_000 });
  assert.equal(source.current(), undefined);
});

test('R63: a local clock 10 minutes off changes neither refresh nor service', async () => {
  for (const offsetMs of [-10 * MINUTE_MS, 10 * MINUTE_MS]) {
    const setup = setUp();
    const { clock, credential } = setup;
    credential.answer = (call) => {
      const issuerNowMs = clock.now().wallMs - offsetMs;
      return toMinted(`t${call}`, {
        expiresAtMs: issuerNowMs + HOUR_MS,
        issuedAtMs: issuerNowMs,
        issuerNowMs,
      });
    };
    assert.equal(await serve(setup, 3 * HOUR_MS), 0);
    assert.equal(credential.calls.length, 4);
  }
});

test('R63: after two hours of suspension the token is minted anew before it is used', async () => {
  const { clock, credential, source } = setUp();
  await source.obtain();
  clock.suspend(2 * HOUR_MS);
  assert.equal(source.current(), undefined);
  assert.equal((await source.obtain()).value, 'token-2');
  assert.equal(credential.calls.length, 2);
});

test('R63: a suspension into the last minutes is noticed by the next read, which does not wait', async () => {
  const { clock, credential, source } = setUp();
  const old = await source.obtain();
  clock.suspend(57 * MINUTE_MS);
  assert.equal(source.current(), old);
  await settle();
  assert.equal(source.current()?.value, 'token-2');
  assert.equal(credential.calls.length, 2);
});

test('R63: a clock set back makes no token younger', async () => {
  const { clock, source } = setUp();
  const token = await source.obtain();
  clock.setWall(clock.now().wallMs - HOUR_MS);
  await clock.advance(20 * MINUTE_MS);
  assert.equal(token.ageMs(), 20 * MINUTE_MS);
});

test('R63: suspensions too short to be noticed one by one add up', async () => {
  const { clock, source } = setUp();
  const token = await source.obtain();
  for (let nap = 0; nap < 100; nap += 1) {
    clock.suspend(500);
    assert.equal(token.ageMs(), (nap + 1) * 500);
  }
});

test('R63: time spent suspended stays counted when the clock is set back afterwards', async () => {
  const { clock, source } = setUp();
  const token = await source.obtain();
  for (let night = 1; night <= 3; night += 1) {
    clock.suspend(10 * MINUTE_MS);
    assert.equal(token.ageMs(), night * 10 * MINUTE_MS);
    clock.setWall(clock.now().wallMs - 10 * MINUTE_MS);
    assert.equal(token.ageMs(), night * 10 * MINUTE_MS);
  }
});

test('R63: a suspension while Google answers counts against the token', async () => {
  const { clock, credential, source } = setUp();
  const minted = mintToken(clock, 'old');
  credential.answer = async () => {
    clock.suspend(2 * HOUR_MS);
    return minted;
  };
  await assert.rejects(source.obtain(), { code: 'token_unavailable' });
});

test('R64: an endpoint that takes 10 s fails a request after 5 s, naming credential, audience and bound', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = () => never;
  const message =
    'Could not get an ID token for https://orders-abc-an.a.run.app from fake credential: no answer within 5 s.';
  const failed = assert.rejects(source.obtain(), { code: 'token_unavailable', message });
  await clock.advance(4_999);
  assert.equal(source.status().state, 'minting');
  await clock.advance(1);
  assert.equal(source.status().state, 'failed');
  await failed;
});

test('R64: an answer after 10 s is used when it comes, and not lost on a later mint that is given up', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = (call) =>
    new Promise((resolve) => clock.schedule(10_000, () => resolve(mintToken(clock, `slow-${call}`))));
  const first = source.obtain().catch(() => 'failed');
  await clock.advance(7_000);
  const second = source.obtain();
  assert.equal(await first, 'failed');
  await clock.advance(3_000);
  assert.equal(source.current()?.value, 'slow-1');
  await clock.advance(2_000);
  assert.equal((await second).value, 'slow-1');
});

test('R64: a late answer does not replace a newer token', async () => {
  const { clock, credential, source } = setUp();
  credential.answer = (call) => {
    if (call > 1) return mintToken(clock, `quick-${call}`);
    return new Promise((resolve) => clock.schedule(10_000, () => resolve(mintToken(clock, 'late'))));
  };
  source.obtain().catch(() => {});
  await clock.advance(9_000);
  assert.equal(source.current()?.value, 'quick-2');
  await clock.advance(5_000);
  assert.equal(source.current()?.value, 'quick-2');
});

test('R64: what is no token is never handed out', async () => {
  const bad = ['', ' ', '<html>no</html>\n', 'a b', 'a\r\nX-Evil: 1', 'a\0', 'tokén', 'a\t'];
  for (const value of bad) {
    const { clock, credential, source } = setUp();
    credential.answer = () => mintToken(clock, value);
    await assert.rejects(source.obtain(), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'credentials_invalid');
      assert.ok(!error.message.includes('html'));
      return true;
    });
    assert.equal(source.current(), undefined);
  }
});

test('R64: a token that is over, or has no end, is never handed out', async () => {
  for (const lifetimeMs of [0, -1, -HOUR_MS, Number.NaN, Number.POSITIVE_INFINITY]) {
    const { clock, credential, source } = setUp();
    credential.answer = () => mintToken(clock, 'token', lifetimeMs);
    await assert.rejects(source.obtain(), { code: 'credentials_invalid' });
    assert.equal(source.current(), undefined);
  }
});

test('R64: garbage does not replace a valid token', async () => {
  const { clock, credential, source } = setUp();
  const old = await source.obtain();
  credential.answer = () => mintToken(clock, '<html>');
  await clock.advance(58 * MINUTE_MS);
  assert.ok(credential.calls.length > 1);
  assert.equal(source.current(), old);
});

test('a failure nobody named becomes one with a name, and its text is not shown', async () => {
  const { credential, source } = setUp();
  credential.answer = () => {
    throw new TypeError('canary');
  };
  await assert.rejects(source.obtain(), (error: Error & { code?: string }) => {
    return error.code === 'token_unavailable' && !error.message.includes('canary');
  });
});

test('mints, failures and recovery are told, and no event holds a token', async () => {
  const { clock, credential, events, source } = setUp();
  credential.answer = unavailable;
  await ask({ clock, source });
  credential.answer = () => ({
    ...mintToken(clock, 'canary-token'),
    audience: 'client-id.apps.googleusercontent.com',
  });
  await clock.advance(1_500);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['token-failed', 'token-minted', 'token-recovered'],
  );
  const [failed, minted, recovered] = events;
  assert.partialDeepStrictEqual(failed, {
    credential: 'fake credential',
    failures: 1,
    nextTryMs: 1_500,
    request: ID_REQUEST,
  });
  assert.partialDeepStrictEqual(minted, {
    otherAudience: 'client-id.apps.googleusercontent.com',
    remainingMs: HOUR_MS,
  });
  assert.partialDeepStrictEqual(recovered, { failures: 1, outageMs: 1_800 });
  assert.ok(!JSON.stringify(events).includes('canary-token'));
});

test('an audience that is the one asked for is not told of', async () => {
  const { clock, credential, events, source } = setUp();
  credential.answer = () => ({ ...mintToken(clock, 't'), audience: 'https://orders-abc-an.a.run.app' });
  await source.obtain();
  assert.partialDeepStrictEqual(events, [{ type: 'token-minted', otherAudience: undefined }]);
});

test('after close nothing is minted, and no timer is left', async () => {
  const { clock, cache, credential, source } = setUp();
  const token = await source.obtain();
  const other = cache.source(credential, { kind: 'access', scopes: ['a'] });
  credential.answer = unavailable;
  await ask({ clock, source: other });
  cache.close();
  assert.equal(clock.pending, 0);
  assert.equal(await source.obtain(), token);
  await clock.advance(2 * HOUR_MS);
  assert.equal(source.current(), undefined);
  await assert.rejects(source.obtain(), { code: 'shutting_down' });
  await assert.rejects(cache.source(credential, { kind: 'access', scopes: ['b'] }).obtain(), {
    code: 'shutting_down',
  });
  assert.equal(credential.calls.length, 3);
});

test('a request that waits when the cache is closed still gets its token, and no timer is set', async () => {
  const { clock, cache, credential, source } = setUp();
  let answer = (_: MintedToken): void => {};
  credential.answer = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const waiting = source.obtain();
  await settle();
  cache.close();
  answer(mintToken(clock, 'in-time'));
  assert.equal((await waiting).value, 'in-time');
  await settle();
  assert.equal(clock.pending, 0);
});

type Weather = 'fine' | 'away' | 'refusing' | 'hanging' | 'short' | 'same';

test('R60-R64: whatever Google and the clocks do, no token is read past its end and no loop is made', async () => {
  const step = fc.record({
    weather: fc.constantFrom<Weather>('fine', 'away', 'refusing', 'hanging', 'short', 'same'),
    event: fc.constantFrom('time', 'time', 'time', 'suspend', 'set'),
    ms: fc.integer({ min: MINUTE_MS, max: 20 * MINUTE_MS }),
  });
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 12 }),
    fc.integer(),
    async (steps, seed) => {
      const random = fc.sample(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
        numRuns: 50,
        seed,
      });
      let drawn = 0;
      const setup = setUp({ random: () => random[drawn++ % random.length] ?? 0 });
      const { clock, credential, source } = setup;
      // The issuer's own time goes on whatever is done to the local clocks.
      let issuerMs = clock.now().wallMs;
      const ends = new Map<string, number>();
      let last: MintedToken | undefined;
      let weather: Weather = 'fine';
      let lastWallMs = issuerMs;
      const issuerNow = (): number => issuerMs + clock.now().wallMs - lastWallMs;
      credential.answer = (call) => {
        if (weather === 'away') unavailable();
        if (weather === 'refusing') refused();
        if (weather === 'hanging') return never;
        const issuerNowMs = issuerNow();
        if (weather === 'same' && last !== undefined) return { ...last, issuerNowMs };
        const expiresAtMs = issuerNowMs + (weather === 'short' ? 40_000 : HOUR_MS);
        last = toMinted(`t${call}`, { expiresAtMs, issuedAtMs: issuerNowMs, issuerNowMs });
        ends.set(last.value, expiresAtMs);
        return last;
      };
      for (const { weather: next, event, ms } of steps) {
        weather = next;
        if (event === 'suspend') clock.suspend(ms);
        issuerMs = issuerNow();
        if (event === 'set') clock.setWall(clock.now().wallMs - ms);
        lastWallMs = clock.now().wallMs;
        for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
          source.obtain().catch(() => {});
          await clock.advance(Math.min(5_000, ms - passedMs));
          const token = source.current();
          if (token !== undefined) source.replace(token);
          if (token !== undefined) assert.ok((ends.get(token.value) ?? 0) - issuerNow() > 15_000);
        }
      }
      // A minute sees two kinds of weather at most, each begins a row of 6 tries before it settles, and upstreams refuse.
      assert.ok(mostWithin(MINUTE_MS, credential.calls) <= 15);
    },
  );
  await fc.assert(property, { numRuns: 60 });
});
