import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, startStack } from '../support/stack.ts';

interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    readonly route?: string;
  };
}

const ROUTES = `  - { path: /hello, upstream: "<hello>" }
  - { path: /echo, upstream: "<echo>" }`;

test('R15: no route is a 404 that names the routes there are', async (t) => {
  const { call } = await startStack(t, { routes: ROUTES });
  const reply = await call('/nowhere?secret=1');
  assert.equal(reply.status, 404);
  assert.equal(
    reply.headers['proxy-status'],
    'gcp-bearer-proxy; error=destination_not_found; details="no_route"',
  );
  const { error } = reply.json<ErrorBody>();
  assert.equal(error.code, 'no_route');
  assert.equal(error.hint, 'Routes: /hello, /echo');
});

test('R2, R5, R6: what a web page could make a browser send is refused before a service hears of it', async (t) => {
  const { call, cli } = await startStack(t, { routes: ROUTES });
  const cases: [Record<string, string>, number, string][] = [
    [{ Host: 'evil.com:8080' }, 403, 'host_not_allowed'],
    [{ Host: 'localhost.evil.com' }, 403, 'host_not_allowed'],
    [{ Host: 'localhost@evil.com' }, 400, 'bad_host'],
    [{ Origin: 'http://evil.com' }, 403, 'origin_not_allowed'],
    [{ Origin: 'null' }, 403, 'origin_not_allowed'],
    [{ 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' }, 403, 'cross_site_request'],
  ];
  for (const [headers, status, code] of cases) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const reply = await call('/echo', { method, headers });
      assert.equal(reply.status, status, JSON.stringify(headers));
      assert.equal(reply.json<ErrorBody>().error.code, code);
    }
  }
  assert.equal(
    (await call('/echo', { headers: { Origin: 'http://localhost:5173', Host: 'LOCALHOST' } })).status,
    200,
  );
  await cli.seen('"route":"/echo"');
  assert.equal(cli.output.stderr.split('"route":"/echo"').length, 2, 'only the last one reached its route');
});

test('R6: somebody who follows a link from another site gets a page that asks, and can’t be framed', async (t) => {
  const { call } = await startStack(t, { routes: ROUTES });
  const visit = {
    'Sec-Fetch-Site': 'cross-site',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
  };
  const reply = await call('/hello?x="><script>alert(1)</script>'.replace(/ /g, '%20'), {
    headers: { ...visit, Host: 'localhost:8080', Referer: 'https://chat.example/room/1?secret' },
  });
  assert.equal(reply.status, 403);
  assert.match(String(reply.headers['content-type']), /^text\/html/);
  assert.equal(reply.headers['x-frame-options'], 'DENY');
  assert.match(String(reply.headers['content-security-policy']), /frame-ancestors 'none'/);
  assert.match(reply.text, /https:\/\/chat\.example</);
  assert.doesNotMatch(reply.text, /secret|<script/);
  assert.match(reply.text, /href="http:\/\/localhost:8080\/hello\?x=/);
});

test('R21: a route whose token can’t be had says why with the way out, and the others work', async (t) => {
  const { call, ready, cli } = await startStack(t, {
    credentials: `default: { kind: key-file, path: "<dir>/serviceAccount.json" }
  gone: { kind: key-file, path: "<dir>/no-such-key.json" }`,
    routes: `${ROUTES}
  - { path: /broken, upstream: "<hello>", credentials: gone }`,
  });
  const reply = await call('/broken');
  assert.equal(reply.status, 502);
  const { error } = reply.json<ErrorBody>();
  assert.equal(error.code, 'credentials_invalid');
  assert.equal(error.route, '/broken');
  assert.match(error.message, /no-such-key\.json/);
  assert.equal((await call('/hello')).status, 200);
  assert.deepEqual(
    ready.routes.map(({ name, ready }) => [name, ready]),
    [
      ['/hello', true],
      ['/echo', true],
      ['/broken', false],
    ],
  );
  assert.match(cli.output.stderr, /no-such-key\.json/);
});

test('R21, R67: while Google is out of order its routes answer 503 with Retry-After, and the proxy is not ready', async (t) => {
  const { call, ready } = await startStack(t, {
    routes: '  - { path: /hello, upstream: "<hello>" }',
    prepare: ({ faults }) => faults.set('token', { status: 500 }),
  });
  const reply = await call('/hello');
  assert.equal(reply.status, 503);
  assert.match(String(reply.headers['retry-after']), /^\d+$/);
  assert.equal(reply.json<ErrorBody>().error.code, 'token_unavailable');
  const readyz = await send(ready.adminUrl ?? '', '/readyz');
  assert.equal(readyz.status, 503);
  assert.equal(readyz.json<{ routes: { ready: boolean }[] }>().routes[0]?.ready, false);
  assert.equal((await send(ready.adminUrl ?? '', '/livez')).status, 200);
});

test('R67, R10: the admin port says that all is well, to local clients, by GET only', async (t) => {
  const { ready } = await startStack(t, { routes: ROUTES });
  const admin = ready.adminUrl ?? '';
  assert.equal((await send(admin, '/readyz')).status, 200);
  assert.equal((await send(admin, '/readyz', 'HEAD')).text, '');
  assert.equal((await send(admin, '/readyz', 'POST')).status, 405);
  assert.equal((await send(admin, '/readyz', 'GET', { Host: 'evil.com' })).status, 403);
  assert.equal((await send(admin, '/readyz', 'GET', { Origin: 'http://evil.com' })).status, 403);
  assert.equal((await send(admin, '/other')).status, 404);
});

test('an upstream that is not there is a 502 that says so', async (t) => {
  const { call } = await startStack(t, {
    routes: '  - { path: /gone, upstream: "http://127.0.0.1:9", token: none }',
  });
  const reply = await call('/gone');
  assert.equal(reply.status, 502);
  assert.equal(reply.json<ErrorBody>().error.code, 'upstream_refused');
});

test('log lines hold names of query parameters and no values', async (t) => {
  const { call, cli } = await startStack(t, { routes: ROUTES });
  await call('/echo/x?password=hunter2&flag');
  await cli.seen('/echo/x?password=');
  assert.doesNotMatch(cli.output.stderr, /hunter2|flag/);
});
