import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createTokenCache } from '../../src/auth/token-cache.ts';
import { checkRoute, type Probes } from '../../src/check/check-route.ts';
import { askUpstream, type HttpProbe } from '../../src/check/http-probe.ts';
import { tryConnection } from '../../src/check/network-probe.ts';
import type { CheckResult } from '../../src/check/result.ts';
import { createTokenProbe } from '../../src/check/token-probe.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ProxyError } from '../../src/errors.ts';
import type { Route } from '../../src/relay/site.ts';
import { createTransport } from '../../src/relay/upstream/transport.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { heldToken, route } from '../support/sites.ts';
import { startRawUpstream, startUpstream } from '../support/sockets.ts';

function probe(clock: Clock = systemClock): HttpProbe {
  return { clock, timeoutMs: 10_000, userAgent: 'gcp-bearer-proxy/test' };
}

function routeTo(t: TestContext, upstreamOrigin: string, change: Partial<Route> = {}): Route {
  const transport = createTransport({ origin: upstreamOrigin, connectTimeoutMs: 5_000 });
  t.after(() => transport.destroy());
  return route({ transport, upstreamOrigin, upstreamHost: new URL(upstreamOrigin).host, ...change });
}

test('an upstream is asked for its base path, as the relay would ask, and without a token without one', async (t) => {
  const seen: unknown[][] = [];
  const { origin } = await startUpstream(t, ({ method, url, headers }, response) => {
    seen.push([method, url, headers.authorization, headers['x-mine'], headers['user-agent']]);
    response.end();
  });
  const target = routeTo(t, origin, { path: '/orders', basePath: '/v1', setHeaders: ['X-Mine', '1'] });
  await askUpstream(target, heldToken('t0ken'), probe());
  await askUpstream(target, undefined, probe());
  assert.deepEqual(seen, [
    ['GET', '/v1', 'Bearer t0ken', '1', 'gcp-bearer-proxy/test'],
    ['GET', '/v1', undefined, '1', 'gcp-bearer-proxy/test'],
  ]);
});

test('the header that took the token is told', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end());
  const facts = await askUpstream(
    routeTo(t, origin, { header: 'proxy-authorization' }),
    heldToken('t'),
    probe(),
  );
  assert.equal(facts.kind === 'answered' && facts.header, 'Proxy-Authorization');
});

test('of a refusal that never ends 4 KiB are read, of a good answer the head', async (t) => {
  for (const [status, length] of [
    [403, 4_096],
    [200, 0],
  ] as const) {
    const { origin } = await startUpstream(t, (_request, response) => {
      response.writeHead(status, { 'Content-Type': 'text/html' });
      response.write('x'.repeat(100_000));
    });
    const facts = await askUpstream(routeTo(t, origin), heldToken('t'), probe());
    assert.ok(facts.kind === 'answered');
    assert.deepEqual([facts.status, facts.bodyStart.length], [status, length]);
  }
});

test('a clock that is off is measured by Date, to the second; a cache’s answer has no say', async (t) => {
  const dateMs = Math.floor(Date.now() / 1_000) * 1_000 - 600_000;
  const { origin } = await startUpstream(t, ({ url }, response) => {
    response.setHeader('Date', new Date(dateMs).toUTCString());
    if (url === '/cached') response.setHeader('Age', '600');
    response.end();
  });
  const facts = await askUpstream(routeTo(t, origin), undefined, probe());
  assert.ok(facts.kind === 'answered' && facts.clockOffsetMs !== undefined);
  assert.ok(Math.abs(facts.clockOffsetMs - 600_000) < 5_000);
  const cached = await askUpstream(routeTo(t, origin, { basePath: '/cached' }), undefined, probe());
  assert.ok(cached.kind === 'answered' && cached.clockOffsetMs === undefined);
});

test('an upstream that never answers is given up after the time there is', async (t) => {
  const clock = new FakeClock();
  const asked = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, () => asked.resolve());
  const facts = askUpstream(routeTo(t, origin), undefined, probe(clock));
  await asked.promise;
  await clock.advance(10_000);
  const given = await facts;
  assert.ok(given.kind === 'failed');
  assert.equal(given.error.code, 'upstream_timeout');
});

test('a connection that TLS never completes on is given up after the time there is', async (t) => {
  const clock = new FakeClock();
  const connected = Promise.withResolvers<void>();
  const { origin } = await startRawUpstream(t, () => connected.resolve());
  const secure = new URL(origin.replace('http:', 'https:'));
  const facts = tryConnection(secure, undefined, { clock, timeoutMs: 5_000 });
  await connected.promise;
  await clock.advance(5_000);
  const given = await facts;
  assert.equal(given.kind, 'failed');
});

test('routes that share credential and audience share one token, and Google’s clock is told for each', async (t) => {
  const clock = new FakeClock();
  const cache = createTokenCache({ clock });
  t.after(() => cache.close());
  let mints = 0;
  const nowMs = clock.now().wallMs;
  const credential = {
    kind: 'key-file',
    describe: () => 'a key',
    files: () => [],
    projectId: async () => undefined,
    async mint() {
      mints += 1;
      return {
        value: 'opaque',
        expiresAtMs: nowMs + 3_000_000,
        issuedAtMs: nowMs,
        issuerNowMs: nowMs - 600_000,
        identity: 'a@b.iam.gserviceaccount.com',
        quotaProject: undefined,
      };
    },
  };
  const tokens = createTokenProbe({ cache, clock });
  for (let round = 0; round < 2; round += 1) {
    const facts = await tokens.obtain(credential, { kind: 'id', audience: 'https://a.example' });
    assert.ok(facts.kind === 'obtained');
    assert.deepEqual([facts.clockOffsetMs, facts.claims, facts.held.value], [600_000, undefined, 'opaque']);
  }
  assert.equal(mints, 1);
});

test('each look begins before it ends, and the report holds what was told', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end());
  const told: string[] = [];
  const results: CheckResult[] = [];
  const probes: Probes = {
    clock: systemClock,
    tokens: {
      obtain: async () => ({
        kind: 'refused',
        error: new ProxyError('credentials_invalid', 'No token.', { hint: 'log in' }),
        durationMs: 1,
      }),
    },
    network: { clock: systemClock, timeoutMs: 5_000 },
    http: probe(),
  };
  const report = await checkRoute(
    {
      route: routeTo(t, origin),
      forwardProxy: undefined,
      credential: {
        kind: 'adc',
        describe: () => 'a login',
        files: () => [],
        projectId: async () => undefined,
        mint: () => Promise.reject(new Error('not asked')),
      },
      request: { kind: 'id', audience: origin },
    },
    probes,
    {
      begin: (name) => told.push(`begin ${name}`),
      end(result) {
        told.push(`end ${result.name}`);
        results.push(result);
      },
    },
  );
  await settle();
  assert.deepEqual(told, [
    'begin token',
    'end credential',
    'end token',
    'begin dns',
    'end dns',
    'begin connection',
    'end connection',
    'begin without token',
    'end without token',
    'end with token',
    'end clock',
  ]);
  assert.deepEqual(report.checks, results);
  assert.deepEqual([report.lacksToken, report.isFine], [true, false]);
});
