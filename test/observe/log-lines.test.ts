import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import type { ExchangeRecord } from '../../src/observe/events.ts';
import { createLog, type LogOptions } from '../../src/observe/log.ts';
import { parseTraceparent } from '../../src/observe/trace.ts';
import { startProxy } from '../support/proxies.ts';
import { startUpstream } from '../support/sockets.ts';
import { send, startStack } from '../support/stack.ts';
import { RECORD } from './exchange-record.ts';

type Line = Readonly<Record<string, unknown>>;

/** A log, and what it has written. */
async function startLog(options: Partial<LogOptions> = {}) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const log = await createLog({ stream, pretty: false, colour: false, quiet: false, ...options });
  const lines = (): Line[] => written.map((text) => JSON.parse(text));
  return { log, lines };
}

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const record: ExchangeRecord = { ...RECORD, requestBytes: 0, responseBytes: 0 };

test('google: a line has the names that Cloud Logging makes something of, the trace among them', async () => {
  const { log, lines } = await startLog({ format: 'google', project: 'my-project' });
  log.observer.onExchange({ ...record, trace: parseTraceparent(TRACEPARENT) });
  log.observer.onExchange({ ...record, status: 0, error: 'upstream_refused', message: 'It refused.' });
  log.observer.onExchange({ ...record, status: 502, error: 'upstream_refused', message: 'It refused.' });
  log.observer.onExchange({ ...record, status: 500, error: 'internal', cause: new Error('why') });
  log.info('Something.');
  const [good, gone, bad, broken, plain] = lines();
  const { time, ...rest } = good ?? {};
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(rest, {
    severity: 'INFO',
    httpRequest: { requestMethod: 'GET', requestUrl: '/orders?id=…', status: 200, latency: '0.038260s' },
    requestId: 'abc-1',
    route: '/orders',
    upstreamMs: 37,
    tokenAgeS: 720,
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    'logging.googleapis.com/trace': 'projects/my-project/traces/4bf92f3577b34da6a3ce929d0e0e4736',
    'logging.googleapis.com/spanId': '00f067aa0ba902b7',
    'logging.googleapis.com/trace_sampled': true,
    message: 'request',
  });
  assert.deepEqual(
    gone?.httpRequest,
    { requestMethod: 'GET', requestUrl: '/orders?id=…', latency: '0.038260s' },
    'no status was sent',
  );
  assert.partialDeepStrictEqual(bad, {
    severity: 'WARNING',
    error: 'upstream_refused',
    message: 'It refused.',
  });
  assert.equal(broken?.severity, 'ERROR');
  assert.partialDeepStrictEqual(plain, { severity: 'INFO', message: 'Something.' });
});

test('a traceparent is read as W3C Trace Context says, and nothing else is', () => {
  assert.deepEqual(parseTraceparent(TRACEPARENT), {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    isSampled: true,
  });
  assert.equal(parseTraceparent(TRACEPARENT.replace(/01$/, '00'))?.isSampled, false);
  assert.ok(parseTraceparent(`cc${TRACEPARENT.slice(2)}-more`), 'a later version may say more');
  for (const text of [
    '',
    'x',
    TRACEPARENT.toUpperCase(),
    `ff${TRACEPARENT.slice(2)}`,
    `${TRACEPARENT}0`,
    TRACEPARENT.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    TRACEPARENT.replace('00f067aa0ba902b7', '0'.repeat(16)),
    `${TRACEPARENT}, ${TRACEPARENT}`,
    ' '.repeat(10_000),
  ])
    assert.equal(parseTraceparent(text), undefined, text.slice(0, 80));
});

test('of the requests that went well a share has lines; those that failed, were refused or were slow all have one', async () => {
  const { log, lines } = await startLog({ sample: 0.1, slowMs: 1_000 });
  for (let i = 0; i < 100; i += 1) log.observer.onExchange(record);
  assert.equal(lines().length, 10);
  assert.ok(
    lines().every(({ sample }) => sample === 0.1),
    'each says how many it stands for',
  );
  const others: readonly Partial<ExchangeRecord>[] = [
    { status: 503 },
    { status: 403, error: 'origin_not_allowed' },
    { status: 401, refusal: { by: 'iap', cause: 'expired', message: 'It is.', hint: undefined } },
    { upstreamMs: 1_000 },
    { upstreamMs: undefined, totalMs: 2_000 },
  ];
  for (const change of others) log.observer.onExchange({ ...record, ...change });
  const rest = lines().slice(10);
  assert.deepEqual(
    rest.map(({ status, slow, sample }) => [status, slow, sample]),
    [
      [503, undefined, undefined],
      [403, undefined, undefined],
      [401, undefined, undefined],
      [200, true, undefined],
      [200, true, undefined],
    ],
  );
  // What goes on for hours is not slow: its answer had begun at once.
  for (let i = 0; i < 9; i += 1) log.observer.onExchange({ ...record, totalMs: 3_600_000 });
  for (let i = 0; i < 9; i += 1)
    log.observer.onExchange({ ...record, status: 101, upstreamMs: 5_000, totalMs: 3_600_000 });
  assert.equal(lines().filter(({ slow }) => slow).length, 2);
});

test('a sample of none leaves the failures', async () => {
  const { log, lines } = await startLog({ sample: 0 });
  for (let i = 0; i < 1_000; i += 1) log.observer.onExchange(record);
  log.observer.onExchange({ ...record, status: 500 });
  assert.deepEqual(
    lines().map(({ status }) => status),
    [500],
  );
});

test('the level says what is left out, and quiet leaves out what is not a warning', async () => {
  const write = async (options: Partial<LogOptions>) => {
    const { log, lines } = await startLog({ ...options, slowMs: 1 });
    log.observer.onExchange(record);
    log.observer.onExchange({ ...record, status: 502, error: 'upstream_refused' });
    log.observer.onExchange({ ...record, status: 500, error: 'internal', cause: new Error('why') });
    log.observer.onUpstream?.({ type: 'breaker-opened', origin: 'https://orders.example', failures: 5 });
    return lines().map(({ level }) => level);
  };
  assert.deepEqual(await write({}), ['info', 'warn', 'error', 'warn']);
  assert.deepEqual(await write({ level: 'warn' }), ['warn', 'error', 'warn']);
  assert.deepEqual(await write({ quiet: true }), ['warn', 'error', 'warn']);
  assert.deepEqual(await write({ level: 'error' }), ['error']);
  assert.deepEqual(await write({ level: 'error', quiet: true }), ['error']);
});

test('traceparent, tracestate and baggage reach the upstream as they came, even when they are none', async (t) => {
  const got: unknown[] = [];
  const { origin } = await startUpstream(t, ({ headers }, response) => {
    got.push([headers.traceparent, headers.tracestate, headers.baggage]);
    response.end();
  });
  const { port, records } = await startProxy(t, `routes: [{ path: /, upstream: "${origin}" }]`);
  const url = `http://127.0.0.1:${port}`;
  const vendors = { tracestate: 'a=1,b=2', baggage: 'user=7' };
  await send(url, '/', 'GET', { traceparent: TRACEPARENT, ...vendors });
  await send(url, '/', 'GET', { traceparent: 'odd', ...vendors });
  await send(url, '/');
  assert.deepEqual(got, [
    [TRACEPARENT, 'a=1,b=2', 'user=7'],
    ['odd', 'a=1,b=2', 'user=7'],
    [undefined, undefined, undefined],
  ]);
  assert.deepEqual(
    records.map(({ trace }) => trace?.traceId),
    ['4bf92f3577b34da6a3ce929d0e0e4736', undefined, undefined],
  );
});

test('the program takes format, level and sample from flags and variables, and ties lines to traces of its project', async (t) => {
  const { call, cli } = await startStack(t, {
    routes: '  - { path: /hello, upstream: "<hello>" }',
    args: ['--log-format', 'google'],
    env: async () => ({
      GBP_LOG_SAMPLE: '50%',
      GBP_LOG_FORMAT: 'pretty',
      GOOGLE_CLOUD_PROJECT: 'my-project',
    }),
  });
  for (let i = 0; i < 2; i += 1) await call('/hello', { headers: { traceparent: TRACEPARENT } });
  await call('/nowhere');
  await cli.seen('no_route');
  const lines = cli.output.stderr.split('\n').filter((line) => line.startsWith('{'));
  const requests = lines.map((line) => JSON.parse(line)).filter(({ httpRequest }) => httpRequest);
  assert.deepEqual(
    requests.map((line) => [line.httpRequest.status, line.sample, line['logging.googleapis.com/trace']]),
    [
      [200, 0.5, 'projects/my-project/traces/4bf92f3577b34da6a3ce929d0e0e4736'],
      [404, undefined, undefined],
    ],
  );
});
