import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ConnectionError } from '../../../src/relay/upstream/connection-error.ts';
import type { Reach } from '../../../src/relay/upstream/lane.ts';
import { isRetriable, RetryBudget, toBackoffMs } from '../../../src/relay/upstream/retry.ts';
import type { Transport, UpstreamRequest } from '../../../src/relay/upstream/transport.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { startRawUpstream } from '../../support/sockets.ts';
import {
  begin,
  createFakeLane,
  type FakeLane,
  GET,
  startTransport,
  toBody,
  toOpenBody,
  toSystemError,
} from '../../support/transports.ts';

function request(change: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return { ...GET, ...change };
}

const RESET = toSystemError('ECONNRESET');

function start(t: TestContext, random = 0.5): { clock: FakeClock; lane: FakeLane; transport: Transport } {
  const clock = new FakeClock();
  const lane = createFakeLane();
  const lanes = { http1: lane.make };
  const transport = startTransport(t, 'http://upstream.example', { clock, lanes, random: () => random });
  return { clock, lane, transport };
}

test('R54: what may be sent again depends on how far it can have come, and on its method', () => {
  const may = (reach: Reach) =>
    ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'get'].filter((method) =>
      isRetriable(request({ method }), { cause: RESET, reach }),
    );
  const every = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH', 'get'];
  assert.deepEqual(may('unsent'), every);
  assert.deepEqual(may('unprocessed'), every);
  assert.deepEqual(may('beyond-goaway'), every);
  assert.deepEqual(may('stale'), ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
  assert.deepEqual(may('unknown'), []);
});

test('R54: a failure that another attempt would only repeat is told at once', () => {
  const isTriedAgain = (cause: Error) => isRetriable(request(), { cause, reach: 'unsent' });
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'EAI_AGAIN', 'EPROTO'])
    assert.equal(isTriedAgain(toSystemError(code)), true, code);
  for (const code of [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'CERT_HAS_EXPIRED',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    'EMFILE',
    'ETIMEDOUT',
  ]) {
    assert.equal(isTriedAgain(toSystemError(code)), false, code);
  }
  for (const fault of ['CONNECT_TIMEOUT', 'ALL_BUSY', 'NO_HTTP2'] as const)
    assert.equal(isTriedAgain(new ConnectionError(fault, '')), false, fault);
});

test('R54: a body is sent again as long as all of it is there', async () => {
  const body = toBody(['x'], 1);
  const put = request({ method: 'PUT', body });
  assert.equal(isRetriable(put, { cause: RESET, reach: 'stale' }), true);
  body.open({ onPiece: () => true, onEnd() {}, onBroken() {} });
  await settle();
  assert.equal(isRetriable(put, { cause: RESET, reach: 'stale' }), true);
  body.forget();
  for (const reach of ['stale', 'unprocessed'] as const)
    assert.equal(isRetriable(put, { cause: RESET, reach }), false);
  assert.equal(isRetriable(request({ mayRetry: false }), { cause: RESET, reach: 'unsent' }), false);
});

test('R55: the wait before a second attempt is anything up to 25 ms, and none where only the connection is over', () => {
  const unsent = { cause: RESET, reach: 'unsent' } as const;
  assert.equal(
    toBackoffMs(unsent, () => 0),
    0,
  );
  assert.equal(
    toBackoffMs(unsent, () => 0.5),
    12.5,
  );
  assert.ok(toBackoffMs(unsent, () => 0.999) < 25);
  for (const reach of ['stale', 'beyond-goaway'] as const)
    assert.equal(
      toBackoffMs({ cause: RESET, reach }, () => 0.9),
      0,
    );
});

test('R55: two attempts at most, the second after its wait and on a new connection', async (t) => {
  const { clock, lane, transport } = start(t);
  const { outcome } = begin(transport, { method: 'POST', body: toBody(['x'], 1) });
  lane.fail({ cause: toSystemError('ECONNREFUSED'), reach: 'unsent' });
  await clock.advance(12);
  assert.equal(lane.attempts.length, 1);
  await clock.advance(1);
  assert.equal(lane.attempts.length, 2);
  assert.equal(lane.attempts[1]?.wantsNewConnection, true);
  lane.fail({ cause: toSystemError('ECONNREFUSED'), reach: 'unsent' });
  await clock.advance(1_000);
  assert.equal(lane.attempts.length, 2);
  assert.equal((await outcome).error?.code, 'upstream_refused');
});

test('R55: nothing is sent again after a byte of a response, were it only an interim one', (t) => {
  const { lane, transport } = start(t);
  for (const answer of ['onInterim', 'onHead'] as const) {
    begin(transport);
    const attempt = lane.attempts.at(-1);
    if (answer === 'onInterim') attempt?.onInterim(103, []);
    else attempt?.onHead(200, '', []);
    const before = lane.attempts.length;
    lane.fail({ cause: RESET, reach: 'stale' });
    assert.equal(lane.attempts.length, before);
  }
});

test('what is answered or may not be sent again is not remembered', async (t) => {
  const { lane, transport } = start(t);
  const [open, single] = [toOpenBody(), toOpenBody()];
  begin(transport, { method: 'PUT', body: open.body });
  assert.equal(open.body.isWhole, true);
  lane.attempts.at(-1)?.onInterim(103, []);
  assert.equal(open.body.isWhole, false);
  begin(transport, { method: 'PUT', body: single.body, mayRetry: false });
  assert.equal(single.body.isWhole, false);
});

test('R54: over HTTP/1.1 only what may arrive twice is remembered once it is under way', async (t) => {
  for (const [method, isWhole] of [
    ['POST', false],
    ['PUT', true],
  ] as const) {
    const { origin, sockets } = await startRawUpstream(t, () => {});
    const { body, stream } = toOpenBody();
    begin(startTransport(t, origin), { method, body });
    stream.write('x');
    while (sockets.length === 0) await settle();
    const [head] = await once(sockets[0] as Socket, 'data');
    assert.match(String(head), /chunked/);
    assert.equal(body.isWhole, isWhole, method);
  }
});

test('whoever gives up while a second attempt waits is not sent one', async (t) => {
  const { clock, lane, transport } = start(t);
  const { sending } = begin(transport);
  lane.fail({ cause: toSystemError('ECONNREFUSED'), reach: 'unsent' });
  sending.abort();
  await clock.advance(1_000);
  assert.equal(lane.attempts.length, 1);
});

test('a transport that was destroyed begins nothing more', async (t) => {
  const { clock, lane, transport } = start(t);
  const waiting = begin(transport);
  lane.fail({ cause: toSystemError('ECONNREFUSED'), reach: 'unsent' });
  transport.destroy();
  await clock.advance(1_000);
  assert.equal((await waiting.outcome).error?.code, 'shutting_down');
  assert.equal((await begin(transport).outcome).error?.code, 'shutting_down');
  assert.equal(lane.attempts.length, 1);
});

test('R55: retries are a fifth of the requests, and a few more for whoever sends few', async () => {
  const clock = new FakeClock();
  const budget = new RetryBudget(clock);
  const retry = (requests: number): number => {
    let retries = 0;
    for (let i = 0; i < requests; i += 1) {
      budget.onRequest();
      if (budget.take()) retries += 1;
    }
    return retries;
  };
  const retries = retry(1_000);
  assert.ok(retries > 200 && retries <= 210, `${retries} of 1,000`);
  await clock.advance(1_000);
  assert.equal(retry(1), 1);
  await clock.advance(3_600_000);
  const afterPause = retry(50);
  assert.ok(afterPause >= 10 && afterPause <= 20, `${afterPause} of 50 after a pause`);
});

test('R55: what was saved up in good times has an end', () => {
  const budget = new RetryBudget(new FakeClock());
  for (let i = 0; i < 100_000; i += 1) budget.onRequest();
  let retries = 0;
  while (budget.take()) retries += 1;
  assert.equal(retries, 100);
});

test('R55: once the budget is used up, failures are told at once; connections that are over are not its business', async (t) => {
  const { clock, lane, transport } = start(t, 0);
  for (let i = 0; i < 100; i += 1) {
    begin(transport);
    lane.fail({ cause: RESET, reach: 'unprocessed' });
    lane.answer();
  }
  await clock.advance(0);
  const before = lane.attempts.length;
  assert.ok(before <= 100 + 30, `${before} attempts`);
  for (const [i, reach] of (['stale', 'beyond-goaway'] as const).entries()) {
    const { outcome } = begin(transport);
    lane.fail({ cause: RESET, reach });
    assert.equal(lane.attempts.length, before + 2 * (i + 1));
    lane.answer();
    assert.equal((await outcome).status, 200);
  }
});

test('the lane is chosen by the route’s protocol and the request, and made when it is first needed', (t) => {
  for (const [protocol, wantsHttp2, expected] of [
    ['auto', false, 'http1'],
    ['auto', true, 'http2'],
    ['http1', true, 'http1'],
    ['http2', false, 'http2'],
  ] as const) {
    const [http1, http2] = [createFakeLane(), createFakeLane()];
    const lanes = { http1: http1.make, http2: http2.make };
    const transport = startTransport(t, 'http://upstream.example', { protocol, lanes });
    begin(transport, { wantsHttp2 });
    const counts = [http1.attempts.length, http2.attempts.length];
    assert.deepEqual(counts, expected === 'http1' ? [1, 0] : [0, 1], `${protocol} ${wantsHttp2}`);
  }
});
