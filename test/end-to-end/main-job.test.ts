import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, startStack } from '../support/stack.ts';

interface Hello {
  readonly service: string;
  readonly verified: { readonly email: string; readonly audience: string; readonly expiresInSeconds: number };
}

test('a request reaches a private service, which verifies whom it is from', async (t) => {
  const { call, emulator, ready } = await startStack(t, {
    routes: '  - { path: /hello, upstream: "<hello>" }',
  });
  const reply = await call('/hello');
  assert.equal(reply.status, 200);
  const { service, verified } = reply.json<Hello>();
  assert.equal(service, 'hello');
  assert.equal(verified.email, emulator.accounts.developer);
  assert.equal(verified.audience, emulator.services.hello?.audience);
  assert.ok(verified.expiresInSeconds > 3_000 && verified.expiresInSeconds <= 3_600);
  assert.deepEqual(
    ready.routes.map(({ name, identity, ready }) => ({ name, identity, ready })),
    [{ name: '/hello', identity: emulator.accounts.developer, ready: true }],
  );
});

test('called directly, the private service answers 403 as Cloud Run does', async (t) => {
  const { emulator } = await startStack(t, { routes: '  - { path: /hello, upstream: "<hello>" }' });
  const reply = await send(emulator.services.hello?.url ?? '', '/');
  assert.equal(reply.status, 403);
  assert.match(reply.text, /Your client does not have permission to get URL <code>\/<\/code>/);
});

test('each route goes as its own identity, in one process', async (t) => {
  const { call, emulator } = await startStack(t, {
    credentials: `default: { kind: key-file, path: "<dir>/serviceAccount.json" }
  user: { kind: adc }
  stranger: { kind: key-file, path: "<dir>/stranger.json" }`,
    routes: `  - { path: /developer, upstream: "<hello>" }
  - { path: /stranger, upstream: "<hello>", credentials: stranger }
  - { path: /nobody, upstream: "<hello>", token: none }`,
  });
  assert.equal((await call('/developer')).json<Hello>().verified.email, emulator.accounts.developer);
  const stranger = await call('/stranger');
  assert.equal(stranger.status, 403, 'known to Google, and not allowed to call the service');
  assert.equal(
    stranger.headers['proxy-status'],
    'gcp-bearer-proxy; received-status=403; details="google-front-end: missing-role"',
  );
  assert.match(stranger.text, /<title>403 Forbidden<\/title>/);
  assert.equal((await call('/nobody')).status, 403);
});

test('the application sees the request as it was sent, and a token it can’t use elsewhere', async (t) => {
  const { call } = await startStack(t, { routes: '  - { path: /echo, upstream: "<echo>" }' });
  const reply = await call('/echo/a//b%20c?x=1&x=2&y', {
    method: 'POST',
    headers: { 'X-Mixed-Case': 'kept' },
    body: 'some body',
  });
  const echo = reply.json<{ method: string; path: string; headers: [string, string][]; bodyBytes: number }>();
  assert.equal(echo.method, 'POST');
  assert.equal(echo.path, '/a//b%20c?x=1&x=2&y');
  assert.equal(echo.bodyBytes, 9);
  assert.ok(echo.headers.some(([name, value]) => name === 'X-Mixed-Case' && value === 'kept'));
  const authorization = echo.headers.filter(([name]) => name.toLowerCase() === 'authorization');
  assert.equal(authorization.length, 1);
  assert.match(authorization[0]?.[1] ?? '', /^Bearer .*\.SIGNATURE_REMOVED_BY_GOOGLE$/);
});

test('R24: a token made for one audience never goes to another upstream (1000 mixed requests)', async (t) => {
  const { call, emulator } = await startStack(t, {
    routes: `  - { path: /hello, upstream: "<hello>" }
  - { path: /echo, upstream: "<echo>" }
  - { path: /status, upstream: "<status>" }`,
  });
  const paths = ['/hello', '/echo', '/status/200'];
  const replies = await Promise.all(Array.from({ length: 1000 }, (_, i) => call(paths[i % 3] ?? '')));
  assert.ok(
    replies.every(({ status }) => status === 200),
    'each service takes only tokens with its own audience',
  );
  assert.equal(emulator.mints.length, 3);
});

test('R22: a redirect is relayed, never followed', async (t) => {
  const { call } = await startStack(t, { routes: '  - { path: /status, upstream: "<status>" }' });
  assert.equal((await call('/status/302')).status, 302);
});
