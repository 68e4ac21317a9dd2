import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { INSTALL_SPANS } from '../../src/tracing.ts';
import { assertNoToken } from '../support/canary.ts';
import { ROOT, runCli } from '../support/cli.ts';
import { answering, closed, openWebSocket, SWITCHED } from '../support/handshakes.ts';
import { type Collector, startCollector } from '../support/otlp.ts';
import { closedPort, startRawUpstream, startUpstream } from '../support/sockets.ts';
import { createFolder, type Stack, startStack } from '../support/stack.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;
const CREDENTIALS =
  'default: { kind: key-file, path: "<dir>/serviceAccount.json" }\n  nobody: { kind: none }';

const canSignal = process.platform !== 'win32';

/** A stack whose spans go to a collector at once. */
function startTraced(
  t: TestContext,
  routes: string,
  endpoint: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Stack> {
  return startStack(t, {
    routes: `  - { path: /hello, upstream: "<hello>" }\n${routes}`,
    credentials: CREDENTIALS,
    args: ['--log-format', 'json'],
    env: async () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '1', ...env }),
  });
}

/** Nothing that was sent to a collector holds a token, in clear or in base64. */
function assertClean({ requests }: Collector, { emulator }: Stack, canaries: readonly string[]): void {
  const tokens = [...emulator.mints.map(({ value }) => value), ...canaries];
  assert.ok(emulator.mints.length > 0);
  for (const { body } of requests) assertNoToken('what was exported', body.toString('latin1'), tokens);
}

test('R23: a request is a span in its caller’s trace, and what it asks of its upstream one within it; no secret is in them', async (t) => {
  const collector = await startCollector(t);
  const before = Date.now();
  const stack = await startTraced(t, '', collector.endpoint, {
    OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=the%20key',
    OTEL_SERVICE_NAME: 'orders-proxy',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=another,deployment.environment.name=test',
  });
  const client = {
    cookie: 'canary-cookie',
    authorization: 'Bearer canary-authorization',
    'x-own': 'canary-own',
  };
  const reply = await stack.call('/hello/there?key=canary-query', {
    method: 'POST',
    headers: { traceparent: TRACEPARENT, tracestate: 'a=canary-state', ...client },
    body: 'canary-body',
  });
  assert.equal(reply.status, 200);
  const [asked, served] = await collector.count(2);
  assert.ok(asked !== undefined && served !== undefined);
  const upstream = new URL(stack.ready.routes[0]?.upstream ?? '');
  const { 'gcp_bearer_proxy.request_id': requestId, ...attributes } = served.attributes;
  assert.deepEqual(attributes, {
    'http.request.method': 'POST',
    'url.scheme': 'http',
    'url.path': '/hello/there',
    'http.route': '/hello',
    'http.response.status_code': 200,
    'network.protocol.version': '1.1',
    'server.address': new URL(stack.url).hostname.replace(/^\[|\]$/g, ''),
    'server.port': Number(new URL(stack.url).port),
  });
  assert.deepEqual(asked.attributes, {
    'http.request.method': 'POST',
    'url.full': `${upstream.origin}/there`,
    'http.response.status_code': 200,
    'server.address': upstream.hostname,
    'server.port': Number(upstream.port),
  });
  assert.deepEqual(
    [served.name, served.kind, asked.name, asked.kind],
    ['POST /hello', 'server', 'POST', 'client'],
  );
  assert.deepEqual([served.traceId, served.parentSpanId], [TRACE_ID, SPAN_ID]);
  assert.deepEqual([asked.traceId, asked.parentSpanId], [TRACE_ID, served.spanId]);
  const times = [before - 1, served.startMs, asked.startMs, asked.endMs, served.endMs, Date.now() + 1];
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.partialDeepStrictEqual(served.resource, {
    'service.name': 'orders-proxy',
    'service.version': JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).version,
    'deployment.environment.name': 'test',
  });
  assert.match(String(served.resource['service.instance.id']), /^[0-9a-f-]{36}$/);
  await stack.cli.seen(`"requestId":"${requestId}"`);
  const [request] = collector.requests;
  assert.equal(request?.path, '/v1/traces');
  assert.equal(request?.headers['x-api-key'], 'the key');
  assertClean(collector, stack, ['canary']);
});

test('traceparent goes upstream as it came, byte for byte, and none is added; who is not sampled is not traced', async (t) => {
  const collector = await startCollector(t);
  const got: unknown[] = [];
  const { origin } = await startUpstream(t, ({ rawHeaders }, response) => {
    const at = rawHeaders.findIndex((name) => name.toLowerCase() === 'traceparent');
    got.push(at === -1 ? undefined : rawHeaders.slice(at, at + 2));
    response.end();
  });
  const stack = await startTraced(
    t,
    `  - { path: /plain, upstream: "${origin}", credentials: nobody }`,
    collector.endpoint,
  );
  const unsampled = TRACEPARENT.replace(/01$/, '00');
  const odd = 'not-a-traceparent';
  // It loads OpenTelemetry's API as well, a copy of its own where it has one.
  assert.equal((await fetch(`${stack.ready.adminUrl}/metrics`)).status, 200);
  for (const traceparent of [TRACEPARENT, unsampled, odd])
    await stack.call('/plain', { headers: { TraceParent: traceparent } });
  await stack.call('/plain');
  await stack.call('/nowhere', { headers: { traceparent: TRACEPARENT } });
  await collector.count(7);
  assert.deepEqual(got, [
    ['TraceParent', TRACEPARENT],
    ['TraceParent', unsampled],
    ['TraceParent', odd],
    undefined,
  ]);
  const served = collector.spans.filter(({ kind }) => kind === 'server');
  assert.deepEqual(
    served.map(({ name, parentSpanId }) => [name, parentSpanId]),
    [
      ['GET /plain', SPAN_ID],
      ['GET /plain', ''],
      ['GET /plain', ''],
      ['GET', SPAN_ID],
    ],
  );
  const [, second, third] = served;
  assert.ok(second?.traceId !== TRACE_ID && second?.traceId !== third?.traceId, 'each a trace of its own');
});

test('a WebSocket’s span is its handshake, sent while it is open; the log says when it opens and when it is over', async (t) => {
  const collector = await startCollector(t);
  const { origin } = await startRawUpstream(t, answering(SWITCHED));
  const stack = await startTraced(
    t,
    `  - { path: /, upstream: "${origin}", credentials: nobody }`,
    collector.endpoint,
  );
  const socket = await openWebSocket(t, stack.url);
  const [asked, served] = await collector.count(2);
  assert.deepEqual(
    [
      served?.name,
      served?.attributes['http.response.status_code'],
      asked?.attributes['http.response.status_code'],
    ],
    ['GET /', 101, 101],
  );
  await stack.cli.seen('"websocket open"');
  socket.destroy();
  await closed(socket);
  await stack.cli.seen('"msg":"request"');
  const { stderr } = await stack.cli.stop();
  assert.equal(collector.spans.length, 2, 'its end is no other span');
  const lines = stderr.split('\n').filter((line) => line.includes('"status":101'));
  const [opened, over] = lines.map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  assert.deepEqual([opened.msg, over.msg], ['websocket open', 'request']);
  assert.deepEqual([opened.requestId, opened.route], [over.requestId, over.route]);
  assert.ok(opened.totalMs <= over.totalMs);
});

test('spans that wait are sent before the end, those of the last requests among them', {
  skip: !canSignal && 'no signals on Windows',
}, async (t) => {
  const collector = await startCollector(t);
  const stack = await startTraced(t, '', collector.endpoint, { OTEL_BSP_SCHEDULE_DELAY: '600000' });
  for (let i = 0; i < 10; i += 1) await stack.call('/hello');
  assert.equal(collector.spans.length, 0);
  assert.equal((await stack.cli.stop('SIGTERM')).code, 143);
  assert.equal(collector.spans.length, 20);
});

test('without a collector requests are served, one line complains, and the end comes in time', {
  skip: !canSignal && 'no signals on Windows',
}, async (t) => {
  const stack = await startTraced(t, '', `http://127.0.0.1:${await closedPort()}`, {
    // So that sending is given up while this test looks on.
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  });
  assert.equal((await stack.call('/hello')).status, 200);
  await stack.cli.seen('Spans are lost');
  for (let i = 0; i < 5; i += 1) assert.equal((await stack.call('/hello')).status, 200);
  const askedMs = performance.now();
  const { code, stderr } = await stack.cli.stop('SIGTERM');
  assert.equal(code, 143);
  assert.ok(performance.now() - askedMs < 8_000, 'far from the drain’s ten seconds');
  const complaints = stderr.split('\n').filter((line) => line.includes('Spans are lost'));
  assert.equal(complaints.length, 1);
  assert.match(complaints[0] ?? '', /127\.0\.0\.1:\d+: ECONNREFUSED\. Requests are served all the same\./);
});

test('the end waits two seconds for a collector that isn’t there, and no longer', {
  skip: !canSignal && 'no signals on Windows',
}, async (t) => {
  const stack = await startTraced(t, '', `http://127.0.0.1:${await closedPort()}`);
  assert.equal((await stack.call('/hello')).status, 200);
  const askedMs = performance.now();
  const { code, stderr } = await stack.cli.stop('SIGTERM');
  const tookMs = performance.now() - askedMs;
  assert.equal(code, 143);
  assert.ok(tookMs < 8_000, `${tookMs} ms, where sending is tried for ten seconds`);
  assert.match(
    stderr,
    /Spans are lost .*: not sent before the end\..*"spans":2\b|"spans":2\b.*not sent before the end/,
  );
});

/** The files that a process has loaded, by Node's own coverage. */
async function loadedBy(t: TestContext, env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const dir = await createFolder(t);
  const stack = await startTraced(t, '', '', { NODE_V8_COVERAGE: dir, ...env });
  assert.equal((await stack.call('/hello')).status, 200);
  await stack.cli.stop();
  const reports = (await readdir(dir)).map((name) => readFile(join(dir, name), 'utf8'));
  const texts = (await Promise.all(reports)).map((text) => JSON.parse(text));
  return texts.flatMap(({ result }: { result: { url: string }[] }) => result.map(({ url }) => url));
}

test('OpenTelemetry is loaded only where its variables ask for spans', {
  skip: !canSignal && 'Node writes no coverage when it is ended on Windows',
}, async (t) => {
  const { endpoint } = await startCollector(t);
  const isTheirs = (url: string): boolean => url.includes('@opentelemetry');
  const plain = await loadedBy(t, {});
  assert.ok(plain.some((url) => url.endsWith('/src/tracing.ts')));
  assert.deepEqual(plain.filter(isTheirs), []);
  const disabled = await loadedBy(t, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' });
  assert.deepEqual(disabled.filter(isTheirs), []);
  const traced = await loadedBy(t, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/v1/traces` });
  assert.ok(traced.some((url) => url.includes('@opentelemetry/sdk-trace')));
});

/** This program where only what it needs is installed. */
async function copyWithoutSpans(t: TestContext): Promise<string> {
  const dir = await createFolder(t);
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  await cp(join(ROOT, 'src'), join(dir, 'src'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(dir, 'package.json'));
  await mkdir(join(dir, 'node_modules'));
  for (const name of Object.keys(manifest.dependencies))
    await symlink(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name), 'junction');
  return dir;
}

test('where OpenTelemetry isn’t installed the proxy starts, and says what to install', async (t) => {
  const { endpoint, requests } = await startCollector(t);
  const dir = await copyWithoutSpans(t);
  const { PATH, HOME, USERPROFILE, SystemRoot } = process.env;
  const script = 'fetch(process.env.GBP_URL_HELLO).then(({ status }) => console.log(status))';
  const child = spawn(
    process.execPath,
    [join(dir, 'src', 'cli.ts'), 'exec', '/hello=emulator:hello', '--', process.execPath, '-e', script],
    {
      cwd: dir,
      env: { PATH, HOME, USERPROFILE, SystemRoot, NO_COLOR: '1', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.on('data', (text) => {
    output.stderr += text;
  });
  const [code] = await once(child, 'close');
  assert.deepEqual([code, output.stdout], [0, '200\n'], output.stderr);
  const lines = output.stderr.split('\n').filter((line) => line.startsWith('{'));
  assert.equal(lines.length, 1, output.stderr);
  const { level, msg, hint } = JSON.parse(lines[0] ?? '');
  assert.deepEqual([level, msg], ['warn', 'No spans: OpenTelemetry, which they take, is not installed.']);
  assert.ok(hint.startsWith(INSTALL_SPANS), hint);
  assert.equal(requests.length, 0);
});

test('exec makes spans too, and sends them before it ends', async (t) => {
  const collector = await startCollector(t);
  const script = 'fetch(process.env.GBP_URL_HELLO).then(({ status }) => console.log(status))';
  const { code, stdout, stderr } = await runCli(
    t,
    ['exec', '/hello=emulator:hello', '--', process.execPath, '-e', script],
    { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } },
  );
  assert.deepEqual([code, stdout, stderr], [0, '200\n', '']);
  assert.deepEqual(
    collector.spans.map(({ name }) => name),
    ['GET', 'GET /hello'],
  );
});

test('the line that installs OpenTelemetry is that of package.json and of the documents', async () => {
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const peers: Readonly<Record<string, string>> = manifest.peerDependencies;
  const wanted = Object.entries(peers).map(([name, range]) => `${name}@${/\d+/.exec(range)?.[0]}`);
  assert.deepEqual(INSTALL_SPANS.split(' ').slice(2).sort(), wanted.sort());
  assert.deepEqual(Object.keys(manifest.peerDependenciesMeta), Object.keys(peers));
  assert.ok(
    Object.values(manifest.peerDependenciesMeta).every((meta) => (meta as { optional?: boolean }).optional),
  );
  assert.ok((await readFile(join(ROOT, 'docs', 'operating.md'), 'utf8')).includes(INSTALL_SPANS));
});

test('workers send the spans of what they serve, and what is wrong with a variable is said once', async (t) => {
  const collector = await startCollector(t);
  const stack = await startTraced(t, '', collector.endpoint, {
    GBP_WORKERS: '2',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=the%20key',
    OTEL_TRACES_SAMPLER: 'sometimes',
  });
  const headers = { traceparent: TRACEPARENT };
  assert.equal((await stack.call('/hello', { headers })).status, 200);
  const [, served] = await collector.count(2);
  assert.deepEqual([served?.traceId, served?.parentSpanId], [TRACE_ID, SPAN_ID]);
  assert.equal(collector.requests[0]?.headers['x-api-key'], 'the key');
  assert.equal(stack.cli.output.stderr.match(/OTEL_TRACES_SAMPLER/g)?.length, 1);
  assertClean(collector, stack, []);
});
