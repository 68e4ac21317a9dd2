import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyError } from '../../src/errors.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { connectLinks } from './channel.ts';

type Primary = {
  readonly add: (numbers: readonly number[]) => number;
  readonly fail: (kind: 'named' | 'other') => void;
  readonly never: () => void;
};
type Worker = { readonly note: (text: string) => void };

function setUp(t: Parameters<typeof connectLinks>[0]) {
  const clock = new FakeClock();
  const notes: string[] = [];
  const links = connectLinks<Primary, Worker>(
    t,
    {
      add: (numbers) => numbers.reduce((sum, one) => sum + one, 0),
      fail(kind) {
        if (kind === 'other') throw new TypeError('with a secret in it');
        throw new ProxyError('token_unavailable', 'Google is away.', { hint: 'Wait.', retryAfterMs: 1_500 });
      },
      never: () => new Promise<void>(() => {}),
    },
    { note: (text) => void notes.push(text) },
    clock,
  );
  return { clock, notes, ...links };
}

test('what is asked is answered, each question by its own answer', async (t) => {
  const { toPrimary } = setUp(t);
  const sums = await Promise.all([[1, 2], [3], []].map((numbers) => toPrimary.ask('add', numbers)));
  assert.deepEqual(sums, [3, 3, 0]);
});

test('what is told arrives in order, before what is asked afterwards is answered', async (t) => {
  const { toWorker, notes, toPrimary } = setUp(t);
  for (const text of ['a', 'b', 'c']) toWorker.tell('note', text);
  await toWorker.ask('note', 'd');
  assert.deepEqual(notes, ['a', 'b', 'c', 'd']);
  assert.equal(await toPrimary.ask('add', [1]), 1);
});

test('an error arrives with all that clients are told of it', async (t) => {
  const { toPrimary } = setUp(t);
  await assert.rejects(toPrimary.ask('fail', 'named'), {
    name: 'ProxyError',
    code: 'token_unavailable',
    status: 503,
    message: 'Google is away.',
    hint: 'Wait.',
    retryAfterMs: 1_500,
  });
  await assert.rejects(toPrimary.ask('fail', 'other'), (error: ProxyError) => {
    assert.equal(error.code, 'internal');
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test('nobody waits for longer than he says, nor for a process that is gone', async (t) => {
  const { toPrimary, clock, end } = setUp(t);
  const late = assert.rejects(toPrimary.ask('never', undefined, 500), { code: 'internal', message: /never/ });
  const patient = assert.rejects(toPrimary.ask('never', undefined), { code: 'shutting_down' });
  await clock.advance(500);
  await late;
  end();
  await patient;
  await settle();
  await assert.rejects(toPrimary.ask('add', [1]), { code: 'shutting_down' });
  assert.equal(clock.pending, 0);
});
