import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHealthEndpoints, type HealthOptions } from '../../src/admin/health.ts';
import type { TokenEvent } from '../../src/auth/token-events.ts';
import type { TokenStatus } from '../../src/auth/token-source.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createEmulator } from '../../src/emulator/emulator.ts';
import { ProxyError } from '../../src/errors.ts';
import { createProxy } from '../../src/proxy.ts';
import { scrape } from '../support/exposition.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startProxy } from '../support/proxies.ts';
import { connectTo, readUntil, startUpstream } from '../support/sockets.ts';
import { createFolder, send } from '../support/stack.ts';

interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
  readonly routes: readonly {
    readonly name: string;
    readonly ready: boolean;
    readonly since: string;
    readonly reason?: string;
    readonly token: { readonly state: string; readonly expiresInSeconds?: number; readonly error?: string };
    readonly breaker: string;
  }[];
}

const NOW = Date.UTC(2026, 0, 1);
const VALID: TokenStatus = {
  state: 'valid',
  identity: 'a@example.com',
  remainingMs: 600_400,
  forMs: 60_000,
  error: undefined,
};
const FAILED: TokenStatus = {
  state: 'failed',
  identity: undefined,
  remainingMs: undefined,
  forMs: 5_000,
  error: new ProxyError('token_unavailable', 'Google is away.'),
};

/** What `/readyz` says of routes with these tokens, and what its status is. */
async function ask(tokens: readonly (TokenStatus | undefined)[], change: Partial<HealthOptions> = {}) {
  const endpoints = createHealthEndpoints({
    routes: () =>
      tokens.map((token, i) => ({
        name: `/${i}`,
        upstream: 'https://orders.example',
        status: () => token,
        isBreakerOpen: () => i === 1,
      })),
    isDraining: () => false,
    isStarted: () => true,
    fills: () => ({ requests: { count: 0, limit: 2 }, connections: { count: 1, limit: 2 } }),
    startedAtMs: NOW - 3_600_000,
    wallMs: () => NOW,
    ...change,
  });
  const answer = await endpoints.find(({ path }) => path === '/readyz')?.answer();
  return { status: answer?.status, body: JSON.parse(answer?.body ?? '') as Readiness };
}

test('R67: /readyz lists each route: its token, its upstream, and since when', async () => {
  const { status, body } = await ask([VALID, FAILED, undefined]);
  assert.equal(status, 200, 'a route without its token is not ready alone');
  assert.deepEqual(body.routes, [
    {
      name: '/0',
      upstream: 'https://orders.example',
      ready: true,
      since: '2025-12-31T23:59:00.000Z',
      token: { state: 'valid', identity: 'a@example.com', expiresInSeconds: 600 },
      breaker: 'closed',
    },
    {
      name: '/1',
      upstream: 'https://orders.example',
      ready: false,
      since: '2025-12-31T23:59:55.000Z',
      reason: 'Google is away.',
      token: { state: 'failed', error: 'Google is away.' },
      breaker: 'open',
    },
    {
      name: '/2',
      upstream: 'https://orders.example',
      ready: true,
      since: '2025-12-31T23:00:00.000Z',
      token: { state: 'none' },
      breaker: 'closed',
    },
  ]);
});

test('R67: not ready before the first tokens, without any, while draining, and when full', async () => {
  const full = { count: 2, limit: 2 };
  const free = { count: 0, limit: 2 };
  for (const [tokens, change, reason] of [
    [[VALID], { isStarted: () => false }, 'it is starting'],
    [[VALID], { isDraining: () => true }, 'it is stopping'],
    [[FAILED, FAILED], {}, 'no route has its token'],
    [
      [VALID],
      { fills: () => ({ requests: full, connections: free }) },
      'as many requests are in flight as may be',
    ],
    [
      [VALID],
      { fills: () => ({ requests: free, connections: full }) },
      'as many clients are connected as may be',
    ],
  ] as const) {
    const { status, body } = await ask(tokens, change);
    assert.deepEqual([status, body.ready, body.reason], [503, false, reason]);
  }
});

test('R67, R52: while as many requests are in flight as may be, /readyz is 503 and /livez 200', async (t) => {
  const { promise: asked, resolve } = Promise.withResolvers<() => void>();
  const { origin } = await startUpstream(t, (_request, response) => resolve(() => response.end('done')));
  const { port, admin } = await startProxy(
    t,
    `limits: { requests: 1 }\nroutes: [{ path: /, upstream: "${origin}" }]`,
    { admin: true },
  );
  const status = async (path: string) => (await send(admin, path)).status;
  assert.equal(await status('/readyz'), 200);
  const socket = connectTo(`http://127.0.0.1:${port}`);
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const answer = await asked;
  assert.equal(await status('/readyz'), 503);
  assert.equal(await status('/livez'), 200);
  answer();
  await readUntil(socket, 'done');
  assert.equal(await status('/readyz'), 200);
  socket.destroy();
});

test('R67: /startupz is 503 until every route has its token or was refused one, and 200 from then on', async (t) => {
  const clock = new FakeClock(Date.now());
  const emulator = await createEmulator({ services: ['hello'], clock });
  t.after(() => emulator.close());
  emulator.faults.set('token', 'hang');
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'key.json'), JSON.stringify(emulator.credentials.serviceAccount));
  await writeFile(
    join(cwd, 'proxy.yaml'),
    `admin: 127.0.0.1:0
credentials: { default: { kind: key-file, path: key.json } }
routes: [{ path: /, upstream: "${emulator.services.hello?.url}" }]`,
  );
  const config = await resolveConfig({ flags: { port: 0 }, positionals: [], env: {}, cwd });
  const { promise: minted, resolve } = Promise.withResolvers<void>();
  const onToken = ({ type }: TokenEvent): void => {
    if (type === 'token-minted') resolve();
  };
  const proxy = await createProxy({ config, env: {}, clock, onToken });
  t.after(() => proxy.close(0));
  const admin = proxy.adminUrl ?? '';
  const ask = async () => {
    const [startupz, readyz] = [await send(admin, '/startupz'), await send(admin, '/readyz')];
    return [startupz.status, readyz.status, readyz.json<Readiness>().reason];
  };
  assert.deepEqual(await ask(), [503, 503, 'it is starting']);
  await clock.advance(30_000);
  await proxy.ready;
  assert.deepEqual(await ask(), [200, 503, 'no route has its token']);
  emulator.faults.clear();
  await clock.advance(60_000);
  await minted;
  assert.deepEqual(await ask(), [200, 200, undefined]);
  const { samples } = await scrape(admin);
  assert.equal(samples.get('gbp_route_ready{route="/"}'), 1);
  const expirySeconds = samples.get('gbp_token_expiry_seconds{route="/"}') ?? 0;
  assert.ok(expirySeconds > 3_500 && expirySeconds <= 3_600, `${expirySeconds}`);
  const failures = [...samples].filter(
    ([name, value]) => name.startsWith('gbp_token_mint_failures_total') && value > 0,
  );
  assert.deepEqual(
    failures.map(([name]) => /code="(\w+)"/.exec(name)?.[1]),
    ['token_unavailable'],
  );
});

test('/startupz, /metrics and /config answer HEAD as they do GET, and nothing else', async (t) => {
  const { admin } = await startProxy(t, 'routes: [{ path: /, upstream: "http://127.0.0.1:9" }]', {
    admin: true,
  });
  for (const path of ['/livez', '/readyz', '/startupz', '/metrics', '/config']) {
    const head = await send(admin, path, 'HEAD');
    assert.deepEqual([head.status, head.text], [200, ''], path);
    assert.equal((await send(admin, path, 'POST')).status, 405, path);
    assert.equal((await send(admin, path, 'GET', { Origin: 'https://evil.example' })).status, 403, path);
  }
});

test('/config is the configuration in force, with defaults and without what may be a secret', async (t) => {
  const { admin } = await startProxy(
    t,
    `limits: { requests: 7 }\nroutes: [{ path: /a, upstream: "https://x.example", headers: { set: { X-Api-Key: s3cret-key } } }]`,
    { admin: true, clientSecret: 's3cret-of-clients-which-is-long-enough' },
  );
  const reply = await send(admin, '/config');
  assert.equal(reply.status, 200);
  assert.doesNotMatch(reply.text, /s3cret/);
  const config = reply.json<{
    limits: object;
    listen: readonly object[];
    routes: readonly { name: string; headers: object }[];
  }>();
  assert.deepEqual(config.limits, { connections: 8_192, requests: 7 });
  assert.deepEqual(config.routes[0]?.headers, { set: { 'x-api-key': '(hidden)' }, remove: [] });
  assert.partialDeepStrictEqual(config.listen[0], {
    clientSecret: { kind: 'env', name: 'GBP_CLIENT_SECRET' },
  });
});
