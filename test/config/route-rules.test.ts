import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Config, RouteConfig } from '../../src/config/config.ts';
import { resolveFile } from './resolve-file.ts';

function resolveRules(t: TestContext, lines: string, path = '/orders'): Promise<Config> {
  const upstream = 'https://orders-abc123-an.a.run.app';
  return resolveFile(t, `routes:\n  - { path: ${path}, upstream: ${upstream}, ${lines} }\n`);
}

const NO_LIMITS = { bodyBytes: undefined, rate: undefined };
const OPEN = { methods: undefined, readOnly: false, paths: undefined, limits: NO_LIMITS };

for (const [written, expected] of [
  ['methods: [GET]', { methods: ['GET'] }],
  ['methods: [GET, POST, GET, PROPFIND]', { methods: ['GET', 'POST', 'PROPFIND'] }],
  ['readOnly: false', {}],
  ['readOnly: true', { readOnly: true, methods: ['GET', 'HEAD', 'OPTIONS'] }],
  ['readOnly: true, methods: [HEAD, GET]', { readOnly: true, methods: ['HEAD', 'GET'] }],
  ['paths: [/]', { paths: ['/'] }],
  [
    'paths: [/healthz, /v1/**, /users/*/avatar, /a/, /b/*, "/x/y:run@2,(3)!"]',
    { paths: ['/healthz', '/v1/**', '/users/*/avatar', '/a/', '/b/*', '/x/y:run@2,(3)!'] },
  ],
  ['limits: {}', {}],
  ['limits: { body: 512 }', { limits: { ...NO_LIMITS, bodyBytes: 512 } }],
  ['limits: { body: "512" }', { limits: { ...NO_LIMITS, bodyBytes: 512 } }],
  ['limits: { body: 1B }', { limits: { ...NO_LIMITS, bodyBytes: 1 } }],
  ['limits: { body: 64KiB }', { limits: { ...NO_LIMITS, bodyBytes: 65_536 } }],
  ['limits: { body: 32MiB }', { limits: { ...NO_LIMITS, bodyBytes: 33_554_432 } }],
  ['limits: { body: 1024GiB }', { limits: { ...NO_LIMITS, bodyBytes: 1_099_511_627_776 } }],
  ['limits: { body: 3kB }', { limits: { ...NO_LIMITS, bodyBytes: 3_000 } }],
  ['limits: { body: 3MB }', { limits: { ...NO_LIMITS, bodyBytes: 3_000_000 } }],
  ['limits: { body: 3GB }', { limits: { ...NO_LIMITS, bodyBytes: 3_000_000_000 } }],
  ['limits: { rate: 100/s }', { limits: { ...NO_LIMITS, rate: { count: 100, periodMs: 1_000 } } }],
  ['limits: { rate: 600/min }', { limits: { ...NO_LIMITS, rate: { count: 600, periodMs: 60_000 } } }],
  [
    'limits: { body: 1MiB, rate: 1 / h }',
    { limits: { bodyBytes: 1_048_576, rate: { count: 1, periodMs: 3_600_000 } } },
  ],
] as const) {
  test(`a route with ${written} is understood`, async (t) => {
    const [route] = (await resolveRules(t, written)).routes;
    const { methods, readOnly, paths, limits } = route as RouteConfig;
    assert.deepEqual({ methods, readOnly, paths, limits }, { ...OPEN, ...expected });
  });
}

test('paths that leave everything open, or say the route’s own path again, are warned about', async (t) => {
  const open = await resolveRules(t, 'paths: [/**, /a]');
  assert.deepEqual(open.warnings, [
    { route: '/orders', message: 'Its `paths` have /**, which is every path.', hint: 'Leave them out.' },
  ]);
  const repeated = await resolveRules(t, 'paths: [/a, /orders/**]');
  assert.deepEqual(repeated.warnings, [
    {
      route: '/orders',
      message:
        "The line /orders/** of its `paths` takes /orders/orders/**: they begin behind the route's own path.",
      hint: 'Write `/**`, if that is what was meant.',
    },
  ]);
  const whole = await resolveRules(t, 'paths: [/orders]');
  assert.equal(whole.warnings[0]?.hint, 'Write `/`, if that is what was meant.');
  assert.deepEqual((await resolveRules(t, 'paths: [/a/**, /b]', '/')).warnings, []);
});
