import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { createTokenCache } from '../../src/auth/token-cache.ts';
import type { TokenNews, TokenSnapshot } from '../../src/workers/protocol.ts';
import { RemoteTokenSource } from '../../src/workers/remote-source.ts';
import { createTokenDesk } from '../../src/workers/token-desk.ts';
import {
  createFakeCredential,
  HOUR_MS,
  ID_REQUEST,
  MINUTE_MS,
  mintToken,
  refused,
  unavailable,
} from '../auth/fake-credential.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { connectLinks } from './channel.ts';

type Primary = {
  readonly obtain: (source: number) => TokenSnapshot;
  readonly replace: (refused: { readonly source: number; readonly serial: number }) => TokenSnapshot;
  readonly used: (source: number) => void;
};
type Worker = { readonly token: (news: TokenNews) => void };

/** A primary with one source, and two workers that have it over a channel each. Each process has its own monotonic clock. */
function setUp(t: TestContext) {
  const clock = new FakeClock();
  const credential = createFakeCredential(clock);
  const desk = createTokenDesk(clock);
  const asked: string[] = [];
  const toWorkers: { tell(name: 'token', news: TokenNews): void }[] = [];
  const cache = createTokenCache({
    clock,
    random: () => 0.5,
    fingerprint: async () => 'same',
    onEvent(event) {
      for (const source of desk.affected(event))
        for (const link of toWorkers) link.tell('token', { source, snapshot: desk.snapshot(source) });
    },
  });
  t.after(() => cache.close());
  const own = cache.source(credential, ID_REQUEST);
  const number = desk.numberOf(own);
  const workers = [1, 2].map(() => {
    const remote: RemoteTokenSource = new RemoteTokenSource({
      request: ID_REQUEST,
      clock,
      obtain: () => toPrimary.ask('obtain', number),
      replace: (serial) => toPrimary.ask('replace', { source: number, serial }),
      onUse: () => toPrimary.tell('used', number),
    });
    const { toPrimary, toWorker, end } = connectLinks<Primary, Worker>(
      t,
      {
        obtain(source) {
          asked.push('obtain');
          return desk.obtain(source);
        },
        replace({ source, serial }) {
          asked.push('replace');
          return desk.replace(source, serial);
        },
        used(source) {
          asked.push('used');
          desk.use(source);
        },
      },
      { token: ({ snapshot }) => remote.take(snapshot) },
      clock,
    );
    toWorkers.push(toWorker);
    return { remote, end };
  });
  const [one, two] = workers.map(({ remote }) => remote) as [RemoteTokenSource, RemoteTokenSource];
  /** Messages between threads take a few turns. */
  const arrive = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await settle();
  };
  return { clock, credential, own, one, two, workers, asked, arrive };
}

test('all who wait in all processes wait for one mint', async (t) => {
  const { credential, one, two } = setUp(t);
  assert.equal(one.current(), undefined);
  const tokens = await Promise.all([one, two, one, two].map((source) => source.obtain()));
  assert.deepEqual(new Set(tokens.map(({ bearer }) => bearer)), new Set(['Bearer token-1']));
  assert.equal(credential.calls.length, 1);
});

test('a renewed token is there without asking, and counts from when Google gave it', async (t) => {
  const { clock, credential, own, one, two, asked, arrive } = setUp(t);
  await own.obtain();
  await arrive();
  assert.equal(two.current()?.value, 'token-1', 'nobody has asked for it');
  assert.equal(one.current()?.identity, 'runner@p.iam.gserviceaccount.com');
  await clock.advance(10 * MINUTE_MS);
  assert.equal(one.current()?.ageMs(), 10 * MINUTE_MS);
  assert.equal(one.current()?.remainingMs(), 50 * MINUTE_MS);
  await clock.advance(46 * MINUTE_MS);
  await arrive();
  assert.equal(credential.calls.length, 2);
  assert.equal(one.current()?.value, 'token-2');
  assert.equal(two.current()?.value, 'token-2');
  assert.deepEqual(asked, []);
});

test('a message that lay about for a while makes no token younger', async () => {
  const clock = new FakeClock();
  const unused = () => Promise.reject(new Error('nobody asks'));
  const source = new RemoteTokenSource({
    request: ID_REQUEST,
    clock,
    obtain: unused,
    replace: unused,
    onUse: () => {},
  });
  const sentMs = clock.now().wallMs;
  await clock.advance(HOUR_MS / 2);
  source.take({
    sentMs,
    token: {
      serial: 1,
      value: 'token',
      identity: undefined,
      quotaProject: undefined,
      otherAudience: undefined,
      ageMs: MINUTE_MS,
      remainingMs: HOUR_MS,
    },
    status: { state: 'valid', forMs: 0, error: undefined },
  });
  assert.equal(source.current()?.ageMs(), HOUR_MS / 2 + MINUTE_MS);
  assert.equal(source.current()?.remainingMs(), HOUR_MS / 2);
  await clock.advance(HOUR_MS / 2 - 15_000);
  assert.equal(source.current(), undefined, 'it is about to end');
});

test('a suspended machine ends a token in a worker, too, and the next request gets another', async (t) => {
  const { clock, credential, own, one, arrive } = setUp(t);
  await own.obtain();
  await arrive();
  clock.suspend(2 * HOUR_MS);
  assert.equal(one.current(), undefined);
  assert.equal((await one.obtain()).value, 'token-2');
  assert.equal(credential.calls.length, 2);
});

test('why there is no token is said as the primary says it', async (t) => {
  const { credential, one, arrive } = setUp(t);
  credential.answer = refused;
  await assert.rejects(one.obtain(), {
    name: 'ProxyError',
    code: 'credentials_invalid',
    hint: 'gcloud auth application-default login',
  });
  await arrive();
  const { state, error } = one.status();
  assert.equal(state, 'failed');
  assert.equal(error?.message, 'Google refuses');
});

test('a token that failed to come says when the next try is', async (t) => {
  const { clock, credential, one, arrive } = setUp(t);
  credential.answer = unavailable;
  const asked = one.obtain();
  const rejected = assert.rejects(asked, (error: { code: string; retryAfterMs: number }) => {
    assert.equal(error.code, 'token_unavailable');
    assert.ok(error.retryAfterMs > 0);
    return true;
  });
  await arrive();
  // The first failure is tried once more while somebody waits.
  await clock.advance(500);
  await rejected;
});

test('one refused token is replaced once, whoever noticed it', async (t) => {
  const { clock, credential, one, two, asked, arrive } = setUp(t);
  const first = await one.obtain();
  await arrive();
  const same = two.current();
  assert.ok(same);
  await clock.advance(2 * MINUTE_MS);
  const [other, another] = await Promise.all([one.replace(first), two.replace(same)]);
  assert.equal(other?.value, 'token-2');
  assert.equal(another?.value, 'token-2');
  assert.equal(credential.calls.length, 2);
  asked.length = 0;
  assert.equal((await one.replace(first))?.value, 'token-2', 'it is another already');
  assert.deepEqual(asked, []);
  const second = one.current();
  assert.ok(second);
  assert.equal(await one.replace(second), undefined, 'it is fresh');
});

test('where no timer sees to the next mint, a request does: one word in half a minute', async (t) => {
  const { clock, credential, own, one, asked, arrive } = setUp(t);
  await own.obtain();
  credential.answer = (call) => (call < 4 ? refused() : mintToken(clock, `token-${call}`));
  // The refresh is refused, and nothing but a request brings the next try.
  await clock.advance(57 * MINUTE_MS);
  await arrive();
  const calls = credential.calls.length;
  assert.ok(calls >= 2);
  for (let i = 0; i < 50; i += 1) assert.equal(one.current()?.value, 'token-1');
  await arrive();
  assert.deepEqual(asked, ['used']);
  await clock.advance(40_000);
  one.current();
  await arrive();
  assert.deepEqual(asked, ['used', 'used']);
  assert.ok(credential.calls.length > calls);
});

test('a worker whose primary is gone refuses what it has no token for', async (t) => {
  const { one, workers, arrive } = setUp(t);
  workers[0]?.end();
  await arrive();
  await assert.rejects(one.obtain(), { code: 'shutting_down' });
});

test('R23: neither inspect nor JSON shows a token that a worker holds', async (t) => {
  const { one } = setUp(t);
  await one.obtain();
  for (const text of [inspect(one, { depth: 9, showHidden: true }), JSON.stringify(one)])
    assert.doesNotMatch(text, /token-1/);
});
