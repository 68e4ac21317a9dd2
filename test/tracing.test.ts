import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../src/clock.ts';
import type { ErrorCode, Observer } from '../src/index.ts';
import { createTracing } from '../src/index.ts';
import { RECORD } from './observe/exchange-record.ts';
import { FakeClock } from './support/fake-clock.ts';
import { ask, connectHttp2 } from './support/http2-clients.ts';
import { startCollector } from './support/otlp.ts';
import { startProxy } from './support/proxies.ts';
import { closedPort, startRawUpstream, startUpstream } from './support/sockets.ts';
import { send } from './support/stack.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
const NOBODY: Observer = { onExchange() {} };

/** Tracing, and what it warns of. */
async function startTracing(
  env: Readonly<Record<string, string>>,
  { clock = systemClock, observer = NOBODY }: { clock?: Clock; observer?: Observer } = {},
) {
  const warnings: { readonly message: string; readonly spans: number | undefined }[] = [];
  const log = {
    info() {},
    warn: (message: string, fields?: { spans?: number }) =>
      void warnings.push({ message, spans: fields?.spans }),
  };
  return { ...(await createTracing({ observer, log, env, clock })), warnings };
}

test('the library: spans of requests in either version of HTTP, of failures and of refusals', async (t) => {
  const { endpoint, spans } = await startCollector(t);
  const { origin } = await startUpstream(t, (_, response) => response.end('ok'));
  const dead = `http://127.0.0.1:${await closedPort()}`;
  const tracing = await startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  const { port, proxy } = await startProxy(
    t,
    `routes: [{ path: /a, upstream: "${origin}" }, { path: /dead, upstream: "${dead}" }]`,
    { observer: tracing.observer },
  );
  const url = `http://127.0.0.1:${port}`;
  const headers = { traceparent: TRACEPARENT };
  await send(url, '/a/b?secret=canary', 'GET', headers);
  await ask(connectHttp2(t, url), { ':path': '/a', ...headers });
  await send(url, '/dead', 'POST', headers);
  await send(url, '/nowhere', 'GET', headers);
  await send(url, '/a', 'GET', { ...headers, host: 'evil.example' });
  await proxy.close(0);
  await tracing.close();
  assert.ok(spans.every(({ traceId }) => traceId === TRACE_ID));
  assert.deepEqual(
    spans.map(({ kind, name, isError, attributes }) => [
      ...[kind, name, attributes['network.protocol.version'], attributes['error.type'], isError],
      attributes['url.path'] ?? attributes['url.full'],
    ]),
    [
      ['client', 'GET', undefined, undefined, false, `${origin}/b`],
      ['server', 'GET /a', '1.1', undefined, false, '/a/b'],
      ['client', 'GET', undefined, undefined, false, `${origin}/`],
      ['server', 'GET /a', '2', undefined, false, '/a'],
      ['client', 'POST', undefined, 'upstream_refused' satisfies ErrorCode, true, `${dead}/`],
      ['server', 'POST /dead', '1.1', 'upstream_refused', true, '/dead'],
      ['server', 'GET', '1.1', 'no_route', false, '/nowhere'],
      ['server', 'GET', '1.1', 'host_not_allowed', false, '/a'],
    ],
  );
  assert.ok(!JSON.stringify(spans).includes('evil.example'), 'a host that isn’t let in is nobody’s');
  assert.deepEqual(tracing.warnings, []);
});

test('who was there before is told of everything, and is alone where nobody wants spans', async (t) => {
  const { endpoint } = await startCollector(t);
  const told: string[] = [];
  const observer: Observer = {
    onExchange: ({ requestId }) => void told.push(requestId),
    onReload: ({ result }) => void told.push(result),
  };
  const tracing = await startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, { observer });
  tracing.observer.onExchange(RECORD);
  tracing.observer.onReload?.({ result: 'applied' });
  assert.deepEqual(told, ['abc-1', 'applied']);
  await tracing.close();
  for (const env of [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' }])
    assert.equal((await startTracing(env, { observer })).observer, observer);
});

test('what the variables say wrongly is said, and spans are made or not', async (t) => {
  const { endpoint, spans } = await startCollector(t);
  const odd = await startTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'odd' });
  odd.observer.onExchange(RECORD);
  await odd.close();
  assert.equal(spans.length, 2);
  assert.match(odd.warnings[0]?.message ?? '', /^OTEL_TRACES_SAMPLER names none/);
  const none = await startTracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  });
  assert.equal(none.observer, NOBODY);
  assert.match(none.warnings[0]?.message ?? '', /^No spans: OTEL_EXPORTER_OTLP_PROTOCOL/);
});

test('the caller’s decision counts, and where there is none the sampler’s', async (t) => {
  const { endpoint, spans } = await startCollector(t);
  const sampled = { traceId: TRACE_ID, spanId: '00f067aa0ba902b7', isSampled: true };
  const tell = async (sampler: string, isSampled: boolean | undefined): Promise<number> => {
    const before = spans.length;
    const { observer, close } = await startTracing({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: '0',
    });
    observer.onExchange({
      ...RECORD,
      trace: isSampled === undefined ? undefined : { ...sampled, isSampled },
    });
    await close();
    return spans.length - before;
  };
  assert.equal(await tell('parentbased_always_on', false), 0);
  assert.equal(await tell('parentbased_always_on', undefined), 2);
  assert.equal(await tell('parentbased_traceidratio', true), 2);
  assert.equal(await tell('parentbased_traceidratio', undefined), 0);
  assert.equal(await tell('always_off', true), 0);
  assert.equal(await tell('always_on', false), 2);
});

test('spans that are sent through the proxy make no spans, whatever the sampler', async (t) => {
  const collector = await startCollector(t);
  const { origin } = await startUpstream(t, (_, response) => response.end());
  const clientPort = await closedPort();
  const through = `http://127.0.0.1:${clientPort}/collector`;
  const tracing = await startTracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: through,
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_BSP_SCHEDULE_DELAY: '1',
  });
  const { port, records, nextRecord } = await startProxy(
    t,
    `routes: [{ path: /collector, upstream: "${collector.endpoint}" }, { path: /a, upstream: "${origin}" }]`,
    { observer: tracing.observer, listen: `127.0.0.1:${clientPort}` },
  );
  await send(`http://127.0.0.1:${port}`, '/a');
  await collector.count(2);
  const exported = records.some(({ route }) => route === '/collector') || (await nextRecord());
  assert.ok(exported);
  await tracing.close();
  assert.deepEqual(
    collector.spans.map(({ name }) => name),
    ['GET', 'GET /a'],
  );
  assert.equal(collector.requests.length, 1);
});

test('a collector that refuses is complained of once, without what else is in its address', async (t) => {
  const refusing = await startCollector(t, 401);
  const tracing = await startTracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${refusing.endpoint.replace('//', '//user:canary@')}/canary`,
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2',
  });
  for (let i = 0; i < 3; i += 1) tracing.observer.onExchange(RECORD);
  await tracing.close();
  assert.equal(refusing.requests.length, 3);
  assert.equal(refusing.requests[0]?.path, '/canary/v1/traces');
  const message = `Spans are lost on their way to ${refusing.endpoint}: the answer was 401. Requests are served all the same.`;
  assert.deepEqual(tracing.warnings, [{ message, spans: 2 }]);
});

test('when too many spans wait, others are lost and counted; the end doesn’t wait for a collector that hangs', async (t) => {
  const clock = new FakeClock();
  const { origin } = await startRawUpstream(t, () => {});
  const tracing = await startTracing(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: origin,
      OTEL_BSP_MAX_QUEUE_SIZE: '4',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4',
      OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
    },
    { clock },
  );
  for (let i = 0; i < 100; i += 1) tracing.observer.onExchange(RECORD);
  assert.match(tracing.warnings[0]?.message ?? '', /: too many wait to be sent\. /);
  await clock.advance(600_001);
  const end = tracing.close();
  await clock.advance(2_000);
  await end;
  assert.match(tracing.warnings[1]?.message ?? '', /: not sent before the end\. /);
  // 4 under way and 4 that wait; the first loss was told.
  assert.equal(tracing.warnings[1]?.spans, 200 - 1);
});
