import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ConnectionError } from '../../../src/relay/upstream/connection-error.ts';
import type { Transport } from '../../../src/relay/upstream/transport.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { closedPort, startUpstream } from '../../support/sockets.ts';
import {
  begin,
  createFakeLane,
  type FakeLane,
  type Outcome,
  send,
  startTransport,
  toSystemError,
} from '../../support/transports.ts';

const REFUSED = { cause: toSystemError('ECONNREFUSED'), reach: 'unsent' } as const;

interface Setting {
  readonly clock: FakeClock;
  readonly lane: FakeLane;
  readonly transport: Transport;
  /** Sends a request that fails with its second attempt, too. */
  fail(failure?: Parameters<FakeLane['fail']>[0]): Promise<Outcome>;
}

function start(t: TestContext, { origin = 'https://upstream.example', random = 1 } = {}): Setting {
  const clock = new FakeClock();
  const lane = createFakeLane();
  const lanes = { http1: lane.make };
  const transport = startTransport(t, origin, { clock, lanes, random: () => random });
  return {
    clock,
    lane,
    transport,
    async fail(failure = REFUSED) {
      const { outcome } = begin(transport);
      const first = lane.attempts.length;
      lane.fail(failure);
      if (clock.pending > 0) await clock.advance(25);
      if (lane.attempts.length > first) lane.fail(failure);
      return outcome;
    },
  };
}

test('R58: five requests in a row that found no connection are answered 502, then 503 without dialling', async (t) => {
  const { lane, transport, fail } = start(t);
  for (let i = 0; i < 5; i += 1) assert.equal((await fail()).error?.code, 'upstream_refused');
  const before = lane.attempts.length;
  const { error } = await send(transport);
  assert.equal(lane.attempts.length, before);
  assert.equal(error?.code, 'circuit_open');
  assert.equal(error?.status, 503);
  assert.match(
    error?.message ?? '',
    /^The last 5 connections to https:\/\/upstream\.example failed.* refused the connection\.$/,
  );
  assert.equal(error?.hint, 'Is the service running, and is the port right?');
  assert.equal(error?.retryAfterMs, 2_000);
});

test('R58: a real port that nobody listens on opens it', async (t) => {
  const transport = startTransport(t, `http://127.0.0.1:${await closedPort()}`, { random: () => 0 });
  const codes: (string | undefined)[] = [];
  for (let i = 0; i < 6; i += 1) codes.push((await send(transport)).error?.code);
  assert.deepEqual(codes, [...Array(5).fill('upstream_refused'), 'circuit_open']);
});

test('R58: trials come one at a time, after waits that double up to half a minute', async (t) => {
  for (const [random, waits] of [
    [1, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
    [0, [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]],
  ] as const) {
    const { clock, lane, transport, fail } = start(t, { random });
    for (let i = 0; i < 5; i += 1) await fail();
    for (const waitMs of waits) {
      await clock.advance(waitMs - 1);
      assert.equal((await send(transport)).error?.code, 'circuit_open');
      await clock.advance(1);
      const before = lane.attempts.length;
      const trial = begin(transport);
      assert.equal(lane.attempts.length, before + 1);
      assert.equal(lane.attempts.at(-1)?.wantsNewConnection, true);
      const meanwhile = await send(transport);
      assert.equal(meanwhile.error?.code, 'circuit_open');
      assert.equal(meanwhile.error?.retryAfterMs, 1_000);
      lane.fail(REFUSED);
      assert.equal((await trial.outcome).error?.code, 'upstream_refused');
      assert.equal(lane.attempts.length, before + 1);
    }
  }
});

test('R58: a service on this machine is tried again within a second, however long it was down', async (t) => {
  for (const origin of ['http://127.0.0.1:8081', 'http://localhost:8081', 'http://[::1]:8081']) {
    const { clock, lane, transport, fail } = start(t, { origin });
    for (let i = 0; i < 5; i += 1) await fail();
    for (let i = 0; i < 6; i += 1) {
      await clock.advance(1_000);
      begin(transport);
      lane.fail(REFUSED);
    }
    await clock.advance(1_000);
    const before = lane.attempts.length;
    begin(transport);
    assert.equal(lane.attempts.length, before + 1);
  }
});

test('R58: it closes as soon as a connection stands, not only once something is answered', async (t) => {
  const { clock, lane, transport, fail } = start(t);
  for (let i = 0; i < 5; i += 1) await fail();
  await clock.advance(2_000);
  begin(transport);
  lane.connect();
  const before = lane.attempts.length;
  begin(transport);
  begin(transport);
  assert.equal(lane.attempts.length, before + 2);
});

test('R58: what fails together counts once, however many requests it is', async (t) => {
  const { clock, lane, transport } = start(t);
  for (let burst = 1; burst <= 5; burst += 1) {
    const first = lane.attempts.length;
    const sent = Array.from({ length: 50 }, () => begin(transport));
    assert.equal(lane.attempts.length, first + 50, `burst ${burst}`);
    for (const attempt of lane.attempts.slice(first)) lane.fail(REFUSED, attempt);
    const again = lane.attempts.length;
    await clock.advance(25);
    for (const attempt of lane.attempts.slice(again)) lane.fail(REFUSED, attempt);
    for (const { outcome } of sent) assert.equal((await outcome).error?.code, 'upstream_refused');
  }
  assert.equal((await send(transport)).error?.code, 'circuit_open');
});

test('R58: statuses, broken connections and this process’s own limits never open it', async (t) => {
  const { lane, transport, fail } = start(t);
  for (let i = 0; i < 20; i += 1) {
    begin(transport);
    lane.answer(503);
    await fail({ cause: toSystemError('ECONNRESET'), reach: 'unknown' });
    await fail({ cause: toSystemError('EMFILE'), reach: 'unsent' });
    await fail({ cause: new ConnectionError('ALL_BUSY', 'all are busy'), reach: 'unsent' });
    await fail({ cause: new ConnectionError('NO_HTTP2', 'none'), reach: 'unsent' });
  }
  begin(transport);
  lane.answer();
  assert.equal(lane.attempts.length, 5 * 20 + 1);
});

test('R58: any answer in between begins the count anew', async (t) => {
  const { lane, transport, fail } = start(t);
  for (let i = 0; i < 4; i += 1) await fail();
  begin(transport);
  lane.answer(500);
  for (let i = 0; i < 4; i += 1) assert.equal((await fail()).error?.code, 'upstream_refused');
  begin(transport);
  lane.answer();
});

test('R58: a trial whose client gives up, or that never ends, leaves the way to the next one', async (t) => {
  const { clock, lane, transport, fail } = start(t);
  for (let i = 0; i < 5; i += 1) await fail();
  await clock.advance(2_000);
  begin(transport).sending.abort();
  assert.equal(lane.aborted, 1);
  const before = lane.attempts.length;
  begin(transport);
  assert.equal(lane.attempts.length, before + 1);
  await clock.advance(30_000);
  begin(transport);
  assert.equal(lane.attempts.length, before + 2);
});

test('a refusal is told after `send` has returned, and not to whoever has given up', async (t) => {
  const { transport, fail } = start(t);
  for (let i = 0; i < 5; i += 1) await fail();
  let isTold = false;
  const { sending, outcome } = begin(transport);
  outcome.then(() => {
    isTold = true;
  });
  sending.abort();
  await settle();
  assert.equal(isTold, false);
});

test('R58: a service that is started while it is open is served after one wait', async (t) => {
  const clock = new FakeClock();
  const port = await closedPort();
  const transport = startTransport(t, `http://127.0.0.1:${port}`, { clock, random: () => 0 });
  for (let i = 0; i < 5; i += 1) await send(transport);
  assert.equal((await send(transport)).error?.code, 'circuit_open');
  const { server } = await startUpstream(t, (_request, response) => response.end('up'), port);
  assert.ok(server.listening);
  await clock.advance(500);
  assert.equal((await send(transport)).body, 'up');
  assert.equal((await send(transport)).body, 'up');
});
