import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createCounter, createHistogram } from '../../src/observe/instruments.ts';
import { writeMetrics } from '../../src/observe/metrics.ts';
import { createTally } from '../../src/observe/tally.ts';
import { readExposition, type Scrape, scrape } from '../support/exposition.ts';
import { answering, openWebSocket, SWITCHED } from '../support/handshakes.ts';
import { startProxy } from '../support/proxies.ts';
import { closedPort, connectTo, exchangeBytes, startRawUpstream, startUpstream } from '../support/sockets.ts';
import { createFolder, send } from '../support/stack.ts';

/** Those of the samples whose name begins like this, but for the buckets. */
function samplesOf({ samples }: Scrape, name: string): Record<string, number> {
  return Object.fromEntries([...samples].filter(([key]) => key.startsWith(name) && !key.includes('_bucket')));
}

test('a request is counted by route, method and class of status, with its time and its bytes', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    request.resume();
    response.statusCode = request.url === '/missing' ? 404 : 200;
    response.end('four');
  });
  const { port, admin } = await startProxy(t, `routes: [{ path: /a, upstream: "${origin}" }]`, {
    admin: true,
  });
  const url = `http://127.0.0.1:${port}`;
  for (let time = 0; time < 3; time += 1) await send(url, '/a');
  await send(url, '/a/missing');
  await send(url, '/a', 'POST', { 'Content-Length': '5' }, 'hello');
  const found = await scrape(admin);
  assert.deepEqual(samplesOf(found, 'gbp_requests_total'), {
    'gbp_requests_total{route="/a",method="GET",status="2xx"}': 3,
    'gbp_requests_total{route="/a",method="GET",status="4xx"}': 1,
    'gbp_requests_total{route="/a",method="POST",status="2xx"}': 1,
  });
  assert.deepEqual(samplesOf(found, 'gbp_errors_total'), {
    'gbp_errors_total{route="/a",code="internal"}': 0,
  });
  const { samples } = found;
  for (const name of ['gbp_request_duration_seconds', 'gbp_upstream_duration_seconds']) {
    assert.equal(samples.get(`${name}_count{route="/a"}`), 5);
    assert.equal(samples.get(`${name}_bucket{route="/a",le="+Inf"}`), 5);
    const sum = samples.get(`${name}_sum{route="/a"}`) ?? 0;
    assert.ok(sum > 0 && sum < 30, `${name} is in seconds: ${sum}`);
  }
  assert.equal(samples.get('gbp_request_body_bytes_total{route="/a"}'), 5);
  assert.equal(samples.get('gbp_response_body_bytes_total{route="/a"}'), 20);
  assert.equal(samples.get('gbp_requests_in_flight'), 0);
  assert.equal(samples.get('gbp_requests_in_flight_limit'), 4_096);
  assert.equal(samples.get('gbp_client_connections_limit'), 8_192);
  assert.equal(samples.get(`gbp_upstream_connects_total{upstream="${origin}"}`), 1);
  assert.equal(
    samples.get(`gbp_upstream_connections{upstream="${origin}",protocol="http1",state="idle"}`),
    1,
  );
  assert.equal(samples.get('gbp_route_ready{route="/a"}'), 1);
  assert.equal(samples.get('gbp_build_info{version="0.1.0"}'), 1);
  assert.ok((samples.get('process_resident_memory_bytes') ?? 0) > 1e6);
});

test('no client can make a label: methods, paths, hosts and origins of its own count under names there are', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end());
  const { port, admin } = await startProxy(t, `routes: [{ path: /a, upstream: "${origin}" }]`, {
    admin: true,
  });
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 20; i += 1) {
    const close = 'Connection: close\r\n\r\n';
    await exchangeBytes(url, `PROPFIND /evil${i}?evil=${i} HTTP/1.1\r\nHost: localhost\r\n${close}`);
    await exchangeBytes(url, `GET /a/evil${i} HTTP/1.1\r\nHost: evil${i}.example\r\n${close}`);
    await exchangeBytes(
      url,
      `GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil${i}.example\r\n${close}`,
    );
    await exchangeBytes(url, `REPORT /a HTTP/1.1\r\nHost: localhost\r\nTraceparent: evil\r\n${close}`);
  }
  const found = await scrape(admin);
  assert.doesNotMatch(found.text, /evil|PROPFIND|REPORT/);
  assert.deepEqual(samplesOf(found, 'gbp_requests_total'), {
    'gbp_requests_total{route="",method="other",status="4xx"}': 20,
    'gbp_requests_total{route="",method="GET",status="4xx"}': 40,
    'gbp_requests_total{route="/a",method="other",status="2xx"}': 20,
  });
  assert.deepEqual(samplesOf(found, 'gbp_errors_total'), {
    'gbp_errors_total{route="",code="internal"}': 0,
    'gbp_errors_total{route="/a",code="internal"}': 0,
    'gbp_errors_total{route="",code="no_route"}': 20,
    'gbp_errors_total{route="",code="host_not_allowed"}': 20,
    'gbp_errors_total{route="",code="origin_not_allowed"}': 20,
  });
});

test('an upstream says what status it likes, and makes no label of it either', async (t) => {
  const tally = createTally();
  const { port, admin, records } = await startProxy(
    t,
    `routes: [{ path: /, upstream: "${
      (await startRawUpstream(t, answering('HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n'))).origin
    }" }]`,
    { admin: true },
  );
  await send(`http://127.0.0.1:${port}`, '/');
  const [record] = records;
  assert.ok(record);
  for (const status of [600, 742, 999]) tally.onExchange({ ...record, status });
  const labels = tally.families().find(({ name }) => name === 'gbp_requests_total')?.values;
  assert.deepEqual(
    labels?.map(({ labels: { status }, value }) => [status, value]),
    [['other', 3]],
  );
  const known = ['none', '1xx', '2xx', '3xx', '4xx', '5xx', 'other'];
  for (const key of Object.keys(samplesOf(await scrape(admin), 'gbp_requests_total')))
    assert.ok(
      known.some((one) => key.endsWith(`status="${one}"}`)),
      key,
    );
});

test('R58: retries, the breaker and what it refuses are counted', async (t) => {
  const gone = `http://127.0.0.1:${await closedPort()}`;
  const { port, admin } = await startProxy(t, `routes: [{ path: /, upstream: "${gone}" }]`, {
    admin: true,
  });
  for (let i = 0; i < 6; i += 1) await send(`http://127.0.0.1:${port}`, '/');
  const { samples } = await scrape(admin);
  assert.equal(samples.get('gbp_errors_total{route="/",code="upstream_refused"}'), 5);
  assert.equal(samples.get('gbp_errors_total{route="/",code="circuit_open"}'), 1);
  assert.equal(samples.get(`gbp_upstream_retries_total{upstream="${gone}",reason="unsent"}`), 4);
  assert.equal(samples.get(`gbp_upstream_breaker_opens_total{upstream="${gone}"}`), 1);
  assert.equal(samples.get(`gbp_upstream_breaker_open{upstream="${gone}"}`), 1);
});

test('WebSockets are counted while they are open, and their hours are no request time', async (t) => {
  const { origin } = await startRawUpstream(t, answering(SWITCHED));
  const { port, admin, nextRecord } = await startProxy(t, `routes: [{ path: /, upstream: "${origin}" }]`, {
    admin: true,
  });
  const url = `http://127.0.0.1:${port}`;
  const sockets = [await openWebSocket(t, url), await openWebSocket(t, url)];
  const open = await scrape(admin);
  assert.equal(open.samples.get('gbp_websockets_open{route="/"}'), 2);
  assert.equal(open.samples.get('gbp_requests_in_flight'), 2);
  for (const socket of sockets) {
    const over = nextRecord();
    socket.destroy();
    await over;
  }
  const { samples } = await scrape(admin);
  assert.equal(samples.get('gbp_websockets_open{route="/"}'), 0);
  assert.equal(samples.get('gbp_requests_in_flight'), 0);
  assert.equal(samples.get('gbp_requests_total{route="/",method="GET",status="1xx"}'), 2);
  assert.equal(samples.get('gbp_request_duration_seconds_count{route="/"}'), 0);
});

test('a client that goes away before its answer counts as one without a status', async (t) => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, () => resolve());
  const { port, admin, nextRecord } = await startProxy(t, `routes: [{ path: /, upstream: "${origin}" }]`, {
    admin: true,
  });
  const socket = connectTo(`http://127.0.0.1:${port}`);
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await asked;
  const over = nextRecord();
  socket.destroy();
  await Promise.all([over, once(socket, 'close')]);
  const { samples } = await scrape(admin);
  assert.equal(samples.get('gbp_requests_total{route="/",method="GET",status="none"}'), 1);
});

test('tokens are counted by what they are for, and their failures by code', async () => {
  const tally = createTally();
  const mint = { kind: 'id', audience: 'https://orders.example', durationMs: 120 };
  tally.onToken({ ...mint, error: undefined });
  tally.onToken({ ...mint, error: 'token_unavailable' });
  tally.onToken({ ...mint, error: 'token_unavailable' });
  tally.onReload({ result: 'applied' });
  tally.onReload({ result: 'refused' });
  const { samples } = readExposition((await writeMetrics([tally.families()])).body);
  const labels = 'kind="id",audience="https://orders.example"';
  assert.equal(samples.get(`gbp_token_mints_total{${labels}}`), 1);
  assert.equal(samples.get(`gbp_token_mint_failures_total{${labels},code="token_unavailable"}`), 2);
  assert.equal(samples.get('gbp_token_mint_duration_seconds_bucket{kind="id",le="0.1"}'), 0);
  assert.equal(samples.get('gbp_token_mint_duration_seconds_bucket{kind="id",le="0.25"}'), 3);
  assert.equal(samples.get('gbp_config_reloads_total{result="applied"}'), 1);
  assert.equal(samples.get('gbp_config_reloads_total{result="refused"}'), 1);
});

test('the library is loaded by the first scrape: a proxy that nobody scrapes does without', async (t) => {
  const script = `
    import { createRequire } from 'node:module';
    import { createProxy, resolveConfig } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url))};
    const isLoaded = () => Object.keys(createRequire(import.meta.url).cache).some((name) => name.includes('prom-client'));
    const flags = { port: 0, admin: '127.0.0.1:0' };
    const config = await resolveConfig({ flags, positionals: ['http://127.0.0.1:9'], env: {}, cwd: '.' });
    const proxy = await createProxy({ config, env: {} });
    await fetch(proxy.addresses[0] + '/.gcp-bearer-proxy');
    const before = isLoaded();
    await fetch(proxy.adminUrl + '/metrics').then((response) => response.text());
    console.log(JSON.stringify([before, isLoaded()]));
    await proxy.close(0);
  `;
  const cwd = await createFolder(t);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd });
  assert.equal(stdout.trim(), '[false,true]');
});

test('R68: what fails by a fault of the proxy itself is counted as such', async (t) => {
  const { port, records } = await startProxy(t, 'routes: [{ path: /, upstream: "http://127.0.0.1:9" }]');
  await send(`http://127.0.0.1:${port}`, '/');
  const [record] = records;
  assert.ok(record);
  const tally = createTally();
  tally.onExchange({ ...record, status: 500, error: 'internal' });
  const { samples } = readExposition((await writeMetrics([tally.families()])).body);
  assert.equal(samples.get('gbp_errors_total{route="/",code="internal"}'), 1);
});

test('what several processes counted becomes one', async () => {
  const count = (value: number) => {
    const counter = createCounter({ name: 'tries_total', help: 'Tries.', labels: ['route'] });
    counter.of('/a').value = value;
    const histogram = createHistogram({ name: 'wait_seconds', help: 'Waits.', labels: [] }, [1, 2]);
    histogram.of().record(value);
    // As it comes from another process.
    return JSON.parse(JSON.stringify([counter.toFamily(), histogram.toFamily()]));
  };
  const { samples } = readExposition((await writeMetrics([count(1), count(2), count(7)])).body);
  assert.equal(samples.get('tries_total{route="/a"}'), 10);
  const buckets = ['1', '2', '+Inf'].map((le) => samples.get(`wait_seconds_bucket{le="${le}"}`));
  assert.deepEqual(buckets, [1, 2, 3]);
  assert.equal(samples.get('wait_seconds_sum'), 10);
  assert.equal(samples.get('wait_seconds_count'), 3);
});
