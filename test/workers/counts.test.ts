import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClientSecret, toClientSecret } from '../../src/gate/client-secret.ts';
import { createSignIns } from '../../src/gate/sign-ins.ts';
import { writeMetrics } from '../../src/observe/metrics.ts';
import { createTally } from '../../src/observe/tally.ts';
import { createLedger } from '../../src/workers/ledger.ts';
import { createRemoteRate, createRemoteSignIns } from '../../src/workers/remote-counts.ts';
import { RECORD } from '../observe/exchange-record.ts';
import { readExposition } from '../support/exposition.ts';

test('sums keep what workers counted that are gone, but for what was open there', async () => {
  const ledger = createLedger();
  const [first, second] = [createTally(), createTally()];
  const [one, two] = [{}, {}];
  first.onExchange({ ...RECORD, route: '/a' });
  first.onWebSocket({ ...RECORD, route: '/a' });
  second.onExchange({ ...RECORD, route: '/a' });
  const sums = async () => {
    const { body } = await writeMetrics(ledger.all());
    const { samples } = readExposition(body);
    return [
      'gbp_requests_total{route="/a",method="GET",status="2xx"}',
      'gbp_request_duration_seconds_count{route="/a"}',
      'gbp_websockets_open{route="/a"}',
    ].map((series) => samples.get(series));
  };
  ledger.enter(one, first.families());
  ledger.enter(two, second.families());
  assert.deepEqual(await sums(), [2, 2, 1]);
  ledger.close(one);
  assert.deepEqual(await sums(), [2, 2, 0]);
  ledger.close(two);
  const third = createTally();
  third.onExchange({ ...RECORD, route: '/a' });
  ledger.enter({}, third.families());
  assert.deepEqual(await sums(), [3, 3, 0]);
});

test('while a rate lets nothing pass, nobody is asked', async () => {
  let asked = 0;
  let earlyMs = 0;
  const rate = createRemoteRate({ count: 1, periodMs: 1_000 }, async () => {
    asked += 1;
    return earlyMs;
  });
  assert.equal(await rate.take(0), 0);
  earlyMs = 400;
  assert.equal(await rate.take(100), 400);
  assert.equal(await rate.take(200), 300);
  assert.equal(await rate.take(499), 1);
  assert.equal(asked, 2);
  earlyMs = 0;
  assert.equal(await rate.take(500), 0);
  assert.equal(asked, 3);
});

test('a code is read by a worker and used up by the primary; one that is none is not asked about', async () => {
  const secret = createClientSecret('a-secret-of-enough-characters', new Uint8Array(32));
  const elsewhere = toClientSecret(structuredClone(secret.toKeys()));
  const nowMs = 1_800_000_000_000;
  const signIns = createSignIns(nowMs);
  let asked = 0;
  const workers = [1, 2].map(() =>
    createRemoteSignIns(async (code) => {
      asked += 1;
      return signIns.use(code, nowMs);
    }),
  );
  const code = secret.makeCode(new Uint8Array(16), nowMs);
  const answers = await Promise.all(workers.map((one) => one.redeem(elsewhere, code, nowMs)));
  assert.deepEqual(answers, [true, false]);
  assert.equal(await workers[0]?.redeem(elsewhere, 'x'.repeat(72), nowMs), false);
  assert.equal(asked, 2);
  assert.equal(elsewhere.cookieValue('c'), secret.cookieValue('c'));
});
