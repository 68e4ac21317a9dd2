import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { RouteConfig } from '../../src/config/config.ts';
import { corsLimits } from '../support/sites.ts';
import { resolveFile } from './resolve-file.ts';

async function resolveRoute(t: TestContext, lines: string): Promise<RouteConfig> {
  const config = await resolveFile(t, `routes:\n  - { ${lines} }\n`);
  const [route] = config.routes;
  assert.ok(route);
  return route;
}

const ORDERS = 'upstream: https://orders-abc123-an.a.run.app';

for (const [written, name, path, host] of [
  ['path: /', '/', '/', undefined],
  ['path: /orders', '/orders', '/orders', undefined],
  ['path: /orders/', '/orders', '/orders', undefined],
  ['path: /a/b_c-d.e~f', '/a/b_c-d.e~f', '/a/b_c-d.e~f', undefined],
  ['path: /..a', '/..a', '/..a', undefined],
  ['host: Shop.LOCALHOST.', 'shop.localhost', '/', 'shop.localhost'],
  ['host: shop.localhost, path: /', 'shop.localhost', '/', 'shop.localhost'],
  ['host: shop.localhost, path: /api/', 'shop.localhost/api', '/api', 'shop.localhost'],
] as const) {
  test(`a route with ${written} is called ${name}`, async (t) => {
    const route = await resolveRoute(t, `${written}, ${ORDERS}`);
    assert.deepEqual([route.name, route.path, route.host], [name, path, host]);
  });
}

for (const [written, upstream] of [
  ['https://a.run.app', { kind: 'url', origin: 'https://a.run.app', basePath: '/' }],
  ['https://a.run.app/', { kind: 'url', origin: 'https://a.run.app', basePath: '/' }],
  ['HTTPS://A.Run.App:443/V1/', { kind: 'url', origin: 'https://a.run.app', basePath: '/V1' }],
  ['https://a.run.app:8443/v1/x', { kind: 'url', origin: 'https://a.run.app:8443', basePath: '/v1/x' }],
  ['http://localhost:3000', { kind: 'url', origin: 'http://localhost:3000', basePath: '/' }],
  ['http://127.8.9.10/a', { kind: 'url', origin: 'http://127.8.9.10', basePath: '/a' }],
  ['"http://[::1]:3000"', { kind: 'url', origin: 'http://[::1]:3000', basePath: '/' }],
  ['emulator:hello', { kind: 'emulator', service: 'hello', basePath: '/' }],
  ['emulator:status/404/', { kind: 'emulator', service: 'status', basePath: '/404' }],
] as const) {
  test(`R25: the upstream ${written} is taken`, async (t) => {
    assert.deepEqual((await resolveRoute(t, `path: /, upstream: ${written}`)).upstream, upstream);
  });
}

for (const written of [
  'http://localhost.evil.test',
  'http://127.0.0.1.evil.test',
  'http://10.0.0.1',
  '"http://[::2]"',
  'http://localhost.',
]) {
  test(`R25: the upstream ${written} is not loopback, so http: is refused`, async (t) => {
    await assert.rejects(resolveRoute(t, `path: /, upstream: ${written}`), /The upstream is not encrypted/);
  });
}

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
for (const [written, token] of [
  ['id', { kind: 'id', audience: undefined }],
  ['{ kind: id }', { kind: 'id', audience: undefined }],
  ['{ kind: id, audience: 1234.apps.example.com }', { kind: 'id', audience: '1234.apps.example.com' }],
  ['access', { kind: 'access', scopes: [CLOUD_PLATFORM], quotaProject: undefined }],
  ['{ kind: access }', { kind: 'access', scopes: [CLOUD_PLATFORM], quotaProject: undefined }],
  [
    '{ kind: access, scopes: [openid, https://www.googleapis.com/auth/bigquery] }',
    {
      kind: 'access',
      scopes: ['openid', 'https://www.googleapis.com/auth/bigquery'],
      quotaProject: undefined,
    },
  ],
  [
    '{ kind: access, quotaProject: billed-project }',
    { kind: 'access', scopes: [CLOUD_PLATFORM], quotaProject: 'billed-project' },
  ],
  [
    '{ kind: access, quotaProject: "example.com:billed-project" }',
    { kind: 'access', scopes: [CLOUD_PLATFORM], quotaProject: 'example.com:billed-project' },
  ],
  [
    '{ kind: access, quotaProject: "123456789012" }',
    { kind: 'access', scopes: [CLOUD_PLATFORM], quotaProject: '123456789012' },
  ],
  [
    '{ kind: jwt, audience: https://app.example.com/* }',
    { kind: 'jwt', audience: 'https://app.example.com/*' },
  ],
  ['none', { kind: 'none' }],
  ['{ kind: none }', { kind: 'none' }],
] as const) {
  test(`token: ${written} is understood`, async (t) => {
    assert.deepEqual((await resolveRoute(t, `path: /, ${ORDERS}, token: ${written}`)).token, token);
  });
}

const HOUR_MS = 3_600_000;
for (const [written, timeout] of [
  ['70s', { connectMs: 5_000, headersMs: 70_000, idleMs: 61 * 60_000 }],
  ['500ms', { connectMs: 5_000, headersMs: 500, idleMs: 61 * 60_000 }],
  ['off', { connectMs: 5_000, headersMs: 0, idleMs: 61 * 60_000 }],
  ['0', { connectMs: 5_000, headersMs: 0, idleMs: 61 * 60_000 }],
  ['{ connect: 2s, headers: 24h, idle: 5m }', { connectMs: 2_000, headersMs: 24 * HOUR_MS, idleMs: 300_000 }],
  ['{ idle: off }', { connectMs: 5_000, headersMs: 61 * 60_000, idleMs: 0 }],
] as const) {
  test(`timeout: ${written} is understood`, async (t) => {
    assert.deepEqual((await resolveRoute(t, `path: /, ${ORDERS}, timeout: ${written}`)).timeout, timeout);
  });
}

test('R51: by default the head of a response may take longer than Cloud Run lets a request take', async (t) => {
  assert.ok((await resolveRoute(t, `path: /, ${ORDERS}`)).timeout.headersMs > HOUR_MS);
});

test('names of headers that are set or removed end up in lower case, values as they are', async (t) => {
  const edits =
    "headers: { set: { X-Env: 'Local, É', 'x-empty': '' }, remove: [Cookie, cookie, X-Goog-Api-Key] }";
  assert.deepEqual((await resolveRoute(t, `path: /, ${ORDERS}, ${edits}`)).headers, {
    set: { 'x-env': 'Local, É', 'x-empty': '' },
    remove: ['cookie', 'x-goog-api-key'],
  });
});

test('stripPath, header and credentials are passed on', async (t) => {
  const route = await resolveRoute(
    t,
    `path: /, ${ORDERS}, stripPath: false, header: proxy-authorization, credentials: adc`,
  );
  assert.deepEqual([route.stripPath, route.header, route.credentials], [false, 'proxy-authorization', 'adc']);
});

test('a Google API without an access token is warned about', async (t) => {
  const { warnings } = await resolveFile(
    t,
    'routes: [{ path: /bq, upstream: https://bigquery.googleapis.com }]',
  );
  assert.deepEqual(warnings, [
    {
      route: '/bq',
      message: 'bigquery.googleapis.com is a Google API: those take access tokens.',
      hint: 'Write `token: access`.',
    },
  ]);
});

test('a route for everything at localhost is warned about where it hides others', async (t) => {
  const hiding = 'routes:\n  - { host: localhost, upstream: emulator:hello }\n';
  const hidden = '  - { path: /echo, upstream: emulator:echo }\n';
  assert.deepEqual((await resolveFile(t, hiding)).warnings, []);
  const [warning] = (await resolveFile(t, hiding + hidden)).warnings;
  assert.equal(warning?.route, 'localhost');
  assert.match(warning?.message ?? '', /also what is meant for \/echo/);
});

test('hosts and origins of the gate are brought into one spelling', async (t) => {
  const { gate } = await resolveFile(
    t,
    `gate: { hosts: [Proxy.Internal, 192.168.1.5, "fe80::1"], origins: [HTTPS://App.Example.com:443/, "http://[::1]:3000"] }
routes: [{ path: /, upstream: emulator:hello }]`,
  );
  assert.deepEqual(gate.hosts, ['proxy.internal', '192.168.1.5', 'fe80::1']);
  assert.deepEqual(gate.origins, ['https://app.example.com', 'http://[::1]:3000']);
});

for (const [written, listen] of [
  ['8080', { host: 'localhost', port: 8080 }],
  ['"8080"', { host: 'localhost', port: 8080 }],
  ['":8080"', { host: 'localhost', port: 8080 }],
  ['LocalHost:8080', { host: 'localhost', port: 8080 }],
  ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
  ['"[::1]:65535"', { host: '::1', port: 65_535 }],
  ['["[::1]:1"]', { host: '::1', port: 1 }],
] as const) {
  test(`listen: ${written} is ${listen.host} port ${listen.port}`, async (t) => {
    const config = await resolveFile(
      t,
      `listen: ${written}\nroutes: [{ path: /, upstream: emulator:hello }]`,
    );
    assert.deepEqual(config.listen, [{ address: listen, tls: undefined }]);
  });
}

test('a service elsewhere on the port the proxy listens on is not the proxy', async (t) => {
  const config = await resolveFile(
    t,
    `listen: 0.0.0.0:443
gate: { allowUnauthenticatedClients: true }
routes:
  - { path: /a, ${ORDERS} }
  - { path: /b, upstream: "http://localhost:8080" }`,
  );
  assert.equal(config.routes.length, 2);
});

test('two free ports on one host are not one address', async (t) => {
  const config = await resolveFile(
    t,
    'listen: [localhost:0, localhost:0]\nroutes: [{ path: /, upstream: emulator:hello }]',
  );
  assert.equal(config.listen.length, 2);
});

for (const written of ['false', 'off']) {
  test(`admin: ${written} turns the second port off`, async (t) => {
    const config = await resolveFile(t, `admin: ${written}\nroutes: [{ path: /, upstream: emulator:hello }]`);
    assert.equal(config.admin, undefined);
  });
}

test('how a request travels is said route by route', async (t) => {
  const { protocol, localize, presentOrigin, forwarded, retry } = await resolveRoute(
    t,
    `path: /, ${ORDERS}, protocol: http2, localize: false, origin: upstream, forwarded: both, retry: false`,
  );
  assert.deepEqual(
    { protocol, localize, presentOrigin, forwarded, retry },
    {
      protocol: 'http2',
      localize: { redirects: false, cookies: false },
      presentOrigin: true,
      forwarded: 'both',
      retry: false,
    },
  );
});

for (const [written, localize] of [
  ['true', { redirects: true, cookies: true }],
  ['{}', { redirects: true, cookies: true }],
  ['{ redirects: false }', { redirects: false, cookies: true }],
  ['{ cookies: false }', { redirects: true, cookies: false }],
] as const) {
  test(`localize: ${written} is ${JSON.stringify(localize)}`, async (t) => {
    const route = await resolveRoute(t, `path: /, ${ORDERS}, localize: ${written}`);
    assert.deepEqual(route.localize, localize);
  });
}

for (const [written, cors] of [
  ['true', corsLimits()],
  ['{}', corsLimits()],
  ['false', { kind: 'closed' }],
  ['upstream', { kind: 'upstream' }],
  [
    '{ methods: [GET, PUT, GET], headers: [X-A, x-a], exposeHeaders: [ETag], credentials: false, maxAge: 5m }',
    corsLimits({
      methods: ['GET', 'PUT'],
      headers: ['x-a'],
      exposeHeaders: ['etag'],
      credentials: false,
      maxAgeMs: 300_000,
    }),
  ],
  [
    '{ methods: [], exposeHeaders: [], maxAge: off }',
    corsLimits({ methods: [], exposeHeaders: [], maxAgeMs: 0 }),
  ],
] as const) {
  test(`cors: ${written} is understood`, async (t) => {
    assert.deepEqual((await resolveRoute(t, `path: /, ${ORDERS}, cors: ${written}`)).cors, cors);
  });
}

test('a limit that is left out keeps its default', async (t) => {
  const routes = 'routes: [{ path: /, upstream: emulator:hello }]';
  const { limits } = await resolveFile(t, `limits: { requests: 1 }\n${routes}`);
  assert.deepEqual(limits, { connections: 8_192, requests: 1 });
  const most = await resolveFile(t, `limits: { connections: 1000000 }\n${routes}`);
  assert.deepEqual(most.limits, { connections: 1_000_000, requests: 4_096 });
});
