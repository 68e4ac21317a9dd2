import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTokenCache } from '../../src/auth/token-cache.ts';
import type { MintedToken } from '../../src/auth/token-source.ts';
import { systemClock } from '../../src/clock.ts';
import { isProxyError, ProxyError } from '../../src/errors.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { ask, never, serve, setUp } from './cached-source.ts';
import {
  createFakeCredential,
  HOUR_MS,
  ID_REQUEST,
  MINUTE_MS,
  mintToken,
  mostWithin,
  refused,
  unavailable,
} from './fake-credential.ts';

const PATH = '/home/me/.config/gcloud/application_default_credentials.json';

/** A credential that reads one file: its tokens are for whoever is in there. */
function setUpLogin(login: string | undefined) {
  const setup = setUp();
  const { clock, credential, files } = setup;
  const logIn = (as: string): unknown => files.set(PATH, as);
  if (login !== undefined) logIn(login);
  credential.listFiles = () => [PATH];
  credential.answer = (call) => {
    const as = files.get(PATH);
    if (as === undefined || as.startsWith('half')) return refused();
    return { ...mintToken(clock, `${as}-${call}`), identity: as };
  };
  return { ...setup, logIn, logOut: () => files.delete(PATH) };
}

test('after a login the next request works, whatever the backoff', async () => {
  for (const failures of [1, 2, 5, 12]) {
    const setup = setUpLogin(undefined);
    const { clock, credential, logIn, source } = setup;
    while (credential.calls.length < failures) {
      assert.ok(isProxyError(await ask(setup)));
      await clock.advance(10_000);
    }
    const last = await ask(setup);
    assert.ok(isProxyError(last) && last.code === 'credentials_invalid');
    const calls = credential.calls.length;
    await clock.advance(300);
    logIn('anna');
    assert.equal((await source.obtain()).identity, 'anna');
    assert.equal(credential.calls.length, calls + 1);
  }
});

test('a request that comes right after the login works, though the files were looked at just before', async () => {
  const setup = setUpLogin(undefined);
  await ask(setup);
  setup.logIn('anna');
  assert.equal(await ask(setup, 250), 'anna-2');
});

test('a thousand requests right after a login share one look and one mint', async () => {
  const { clock, credential, logIn, looks, source } = setUpLogin(undefined);
  const first = Promise.allSettled(Array.from({ length: 1000 }, () => source.obtain()));
  await clock.advance(250);
  await first;
  const before = { calls: credential.calls.length, looks: looks.length };
  logIn('anna');
  const tokens = Promise.all(Array.from({ length: 1000 }, () => source.obtain()));
  await clock.advance(250);
  assert.equal(new Set((await tokens).map(({ value }) => value)).size, 1);
  assert.deepEqual([credential.calls.length - before.calls, looks.length - before.looks], [1, 1]);
});

test('a request that waits for a mint begun before the login gets the token of the login', async () => {
  const setup = setUpLogin(undefined);
  const { clock, credential, logIn, source } = setup;
  const answer = credential.answer;
  credential.answer = async (call, request) => {
    if (call > 1) return answer(call, request);
    await clock.wait(2_000);
    return refused();
  };
  source.obtain().catch(() => {});
  await clock.advance(1_000);
  logIn('anna');
  assert.equal(await ask(setup, 2_000), 'anna-2');
});

test('a login ends an outage without a request, and readiness sees it', async () => {
  const setup = setUpLogin(undefined);
  const { clock, credential, events, logIn, source } = setup;
  await ask(setup);
  await clock.advance(10 * MINUTE_MS);
  assert.deepEqual([credential.calls.length, source.status().state], [1, 'failed']);
  logIn('anna');
  await clock.advance(3_000);
  assert.deepEqual([credential.calls.length, source.status().state], [2, 'valid']);
  assert.partialDeepStrictEqual(events.at(-1), { type: 'token-recovered', failures: 1 });
  await clock.advance(30 * MINUTE_MS);
  assert.equal(credential.calls.length, 2);
});

test('R61: files that stay as they are change nothing about an outage', async () => {
  const setup = setUpLogin('anna');
  const { credential } = setup;
  credential.answer = unavailable;
  assert.ok((await serve(setup, HOUR_MS)) > 3_500);
  const steady = credential.calls.filter((at) => at > (credential.calls[0] ?? 0) + 2 * MINUTE_MS);
  assert.ok(mostWithin(MINUTE_MS, steady) <= 2);
  assert.ok(credential.calls.length <= 100, `${credential.calls.length} calls`);
});

test('a new login replaces a token held within seconds, and the old one serves meanwhile', async () => {
  const { clock, credential, logIn, source } = setUpLogin('anna');
  const old = await source.obtain();
  await clock.advance(10 * MINUTE_MS);
  logIn('bert');
  const mint = credential.answer;
  credential.answer = async (call, request) => {
    await clock.wait(2_000);
    return mint(call, request);
  };
  await clock.advance(5_000);
  assert.equal(credential.calls.length, 2);
  assert.equal(source.current(), old);
  await clock.advance(2_000);
  assert.equal(source.current()?.identity, 'bert');
  await clock.advance(30 * MINUTE_MS);
  assert.equal(credential.calls.length, 2);
});

test('a logout leaves the token held until it ends, and costs no more than any failure', async () => {
  const setup = setUpLogin('anna');
  const { clock, credential, events, logOut, source } = setup;
  const old = await source.obtain();
  await clock.advance(10 * MINUTE_MS);
  logOut();
  await clock.advance(10_000);
  assert.equal(source.current(), old);
  assert.equal(events.at(-1)?.type, 'token-failed');
  assert.equal(await serve(setup, 40 * MINUTE_MS), 0);
  assert.ok(mostWithin(MINUTE_MS, credential.calls.slice(10)) <= 2);
  await serve(setup, 10 * MINUTE_MS);
  assert.equal(source.current(), undefined);
});

test('a login that is written piece by piece works when it is whole', async () => {
  const setup = setUpLogin(undefined);
  const { clock, logIn } = setup;
  await ask(setup);
  await clock.advance(1_000);
  for (const half of ['half', 'half more']) {
    logIn(half);
    assert.ok(isProxyError(await ask(setup)));
  }
  logIn('anna');
  assert.equal(await ask(setup, 250), 'anna-4');
});

test('a login whose second half leaves the same fingerprint is tried again within seconds', async () => {
  for (const held of [false, true]) {
    const setup = setUpLogin(held ? 'anna' : undefined);
    const { clock, credential, files, logIn, source } = setup;
    await ask(setup);
    await clock.advance(5 * MINUTE_MS);
    logIn('half');
    await clock.advance(5_000);
    assert.ok(source.status().error, 'what there was is no login');
    credential.answer = (call) => ({ ...mintToken(clock, `bert-${call}`), identity: 'bert' });
    assert.equal(files.get(PATH), 'half');
    await clock.advance(5_000);
    assert.equal(source.current()?.identity, 'bert');
  }
});

test('a login that works nowhere costs two calls, and then waits for a request', async () => {
  const setup = setUpLogin(undefined);
  const { clock, credential, logIn } = setup;
  await ask(setup);
  await clock.advance(MINUTE_MS);
  logIn('half');
  await clock.advance(HOUR_MS);
  assert.equal(credential.calls.length, 3);
});

test('a login while a refresh is under way counts, also when the refresh answers late', async () => {
  for (const lateMs of [2_000, 4_500, 20_000]) {
    const { clock, credential, logIn, source } = setUpLogin('anna');
    await source.obtain();
    const mint = credential.answer;
    const anna = { ...mintToken(clock, 'anna-late', 2 * HOUR_MS), identity: 'anna' };
    credential.answer = async (call, request) => {
      if (call > 2) return mint(call, request);
      await clock.wait(lateMs);
      return anna;
    };
    await clock.advance(55.5 * MINUTE_MS);
    assert.equal(credential.calls.length, 2, 'a refresh is under way');
    logIn('bert');
    await clock.advance(40_000);
    assert.equal(source.current()?.identity, 'bert');
    await clock.advance(10 * MINUTE_MS);
    assert.equal(source.current()?.identity, 'bert');
  }
});

test('a login seen while a mint is under way counts when that mint is refused', async () => {
  const { clock, credential, logIn, source } = setUpLogin(undefined);
  const mint = credential.answer;
  credential.answer = async (call, request) => {
    if (call > 1) return mint(call, request);
    await clock.wait(4_500);
    return refused();
  };
  const waiting = source.obtain();
  await settle();
  await clock.advance(2_000);
  logIn('anna');
  await clock.advance(3_000);
  assert.equal((await waiting).identity, 'anna');
  assert.equal(credential.calls.length, 2);
});

test('the backoff begins anew after a login', async () => {
  const setup = setUpLogin(undefined);
  const { clock, credential, logIn } = setup;
  while (credential.calls.length < 8) {
    await ask(setup);
    await clock.advance(MINUTE_MS);
  }
  const late = await ask(setup);
  assert.ok(isProxyError(late) && (late.retryAfterMs ?? 0) > 30_000);
  await clock.advance(1_000);
  logIn('half');
  const soon = await ask(setup);
  assert.ok(isProxyError(soon) && (soon.retryAfterMs ?? 0) <= 2_000);
});

test('a late answer of the old login does not outlive a new one', async () => {
  const { clock, credential, logIn, source } = setUpLogin('anna');
  const anna = { ...mintToken(clock, 'anna-late'), identity: 'anna' };
  const mint = credential.answer;
  credential.answer = async (call, request) => {
    if (call > 1) return call < 3 ? never : mint(call, request);
    await clock.wait(12_000);
    return anna;
  };
  source.obtain().catch(() => {});
  await clock.advance(5_100);
  logIn('bert');
  // The mint for the new login hangs when the answer for the old one comes.
  await clock.advance(8_000);
  await clock.advance(10_000);
  assert.equal(source.current()?.identity, 'bert');
});

test('one look serves all tokens of a credential, and each is minted anew', async () => {
  const { clock, cache, credential, logIn, looks } = setUpLogin('anna');
  const sources = Array.from({ length: 10 }, (_, index) =>
    cache.source(credential, { kind: 'id', audience: `https://s${index}.run.app` }),
  );
  await Promise.all(sources.map((source) => source.obtain()));
  const idle = cache.source(credential, { kind: 'access', scopes: ['never asked for'] });
  assert.equal(looks.length, 1);
  await clock.advance(MINUTE_MS);
  assert.equal(looks.length, 21);
  logIn('bert');
  await clock.advance(5_000);
  assert.deepEqual(
    sources.map((source) => source.current()?.identity),
    sources.map(() => 'bert'),
  );
  assert.equal(credential.calls.length, 20);
  assert.equal(idle.status().state, 'empty');
});

test('nobody looks before the first mint, nor after close, and no timer is left', async () => {
  const { cache, clock, credential, logIn, looks, source } = setUpLogin('anna');
  await clock.advance(MINUTE_MS);
  assert.deepEqual([looks.length, clock.pending], [0, 0]);
  await source.obtain();
  cache.close();
  logIn('bert');
  await clock.advance(2 * HOUR_MS);
  assert.deepEqual([looks.length, credential.calls.length, clock.pending], [1, 1, 0]);
});

test('a program that rewrites the file with each mint makes no loop', async () => {
  for (const works of [true, false]) {
    const setup = setUpLogin('anna');
    const { clock, credential, files } = setup;
    credential.answer = (call): MintedToken => {
      files.set(PATH, `call ${call}`);
      return works ? mintToken(clock, `token-${call}`) : refused();
    };
    await serve(setup, 10 * MINUTE_MS);
    // Six changes, each with a second look for what was half written, and the backoff's own two.
    const most = mostWithin(MINUTE_MS, credential.calls.slice(20));
    assert.ok(most <= 14, `${most} calls a minute`);
  }
});

test('a credential that can’t name its files at the moment still gives tokens', async () => {
  const { credential, source } = setUp();
  credential.listFiles = () => {
    throw new Error('no such variable');
  };
  assert.equal((await source.obtain()).value, 'token-1');
});

test('with real files and the real clock: after the login the next request works', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gbp-relogin-'));
  const path = join(folder, 'login.json');
  const cache = createTokenCache({ clock: systemClock });
  t.after(async () => {
    cache.close();
    await rm(folder, { recursive: true });
  });
  const credential = createFakeCredential(new FakeClock());
  credential.listFiles = () => [path];
  credential.answer = async (call) => {
    try {
      const { identity } = JSON.parse(await readFile(path, 'utf8'));
      return { ...mintToken(new FakeClock(Date.now()), `token-${call}`), identity };
    } catch (cause) {
      throw new ProxyError('credentials_invalid', 'There is no login.', { cause });
    }
  };
  const source = cache.source(credential, ID_REQUEST);
  await assert.rejects(source.obtain(), { code: 'credentials_invalid' });
  await writeFile(path, '{"identity":');
  await assert.rejects(source.obtain(), { code: 'credentials_invalid' });
  assert.equal(credential.calls.length, 2);
  await writeFile(path, '{"identity":"anna"}');
  assert.equal((await source.obtain()).identity, 'anna');
});
