import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createFolder } from './resolve-file.ts';

function resolveArguments(t: TestContext, ...positionals: string[]): Promise<Config> {
  return resolveConfig({ flags: {}, positionals, env: {}, cwd: createFolder(t) });
}

for (const [argument, name, upstream] of [
  [
    'https://svc-abc-an.a.run.app',
    '/',
    { kind: 'url', origin: 'https://svc-abc-an.a.run.app', basePath: '/' },
  ],
  [
    '/orders=https://svc-abc-an.a.run.app/v1',
    '/orders',
    { kind: 'url', origin: 'https://svc-abc-an.a.run.app', basePath: '/v1' },
  ],
  [
    'shop.localhost=https://svc-abc-an.a.run.app',
    'shop.localhost',
    { kind: 'url', origin: 'https://svc-abc-an.a.run.app', basePath: '/' },
  ],
  [
    'shop.localhost/api=http://localhost:3000',
    'shop.localhost/api',
    { kind: 'url', origin: 'http://localhost:3000', basePath: '/' },
  ],
  ['emulator:hello', '/', { kind: 'emulator', service: 'hello', basePath: '/' }],
  ['/s=emulator:status/404', '/s', { kind: 'emulator', service: 'status', basePath: '/404' }],
] as const) {
  test(`the argument ${argument} makes the route ${name}`, async (t) => {
    const config = await resolveArguments(t, argument);
    assert.equal(config.source, 'command line');
    assert.deepEqual(config.credentials, { default: { kind: 'adc' } });
    assert.deepEqual([config.routes[0]?.name, config.routes[0]?.upstream], [name, upstream]);
  });
}

test('several arguments make several routes', async (t) => {
  const config = await resolveArguments(t, '/orders=https://a.run.app', '/users=https://b.run.app');
  assert.deepEqual(
    config.routes.map((route) => route.name),
    ['/orders', '/users'],
  );
});

test('with routes on the command line no file is read', async (t) => {
  const cwd = createFolder(t);
  writeFileSync(join(cwd, 'proxy.yaml'), 'this is: [broken');
  const env = { GBP_CONFIG: 'proxy.yaml', GBP_PORT: '0' };
  const config = await resolveConfig({ flags: {}, positionals: ['https://a.run.app'], env, cwd });
  assert.deepEqual(config.listen, [{ address: { host: 'localhost', port: 0 }, tls: undefined }]);
});

test('routes on the command line and --config exclude each other', async (t) => {
  const input = {
    flags: { config: 'proxy.yaml' },
    positionals: ['https://a.run.app'],
    env: {},
    cwd: createFolder(t),
  };
  await assert.rejects(resolveConfig(input), { code: 'usage', exitCode: 2 });
});

for (const [argument, message] of [
  [
    '/orders',
    'This argument says where from, but not where to.\n   | /orders\n   | ^^^^^^^\n  Write `/orders=https://…`.',
  ],
  [
    '/orders=http://a.example.com',
    'The upstream is not encrypted: tokens go over http: only to this machine (localhost, 127.0.0.0/8, [::1]).\n   | /orders=http://a.example.com\n   |         ^^^^^^^^^^^^^^^^^^^^\n  Write `https://a.example.com`.',
  ],
  [
    '/a%20b=https://a.run.app',
    'The path "/a%20b" can\'t have percent escapes.\n   | /a%20b=https://a.run.app\n   | ^^^^^^\n  Use a path of plain letters, digits and -._~',
  ],
  [
    'shop:80/x=https://a.run.app',
    'The host "shop:80" has to be a name alone, without a port.\n   | shop:80/x=https://a.run.app\n   | ^^^^^^^\n  Write `shop`: it is matched on every port.',
  ],
  [
    'a.run.app',
    'The upstream "a.run.app" has no scheme.\n   | a.run.app\n   | ^^^^^^^^^\n  Write `https://a.run.app`.',
  ],
  [
    'emulator:helo',
    'The emulator has no service "helo".\n   | emulator:helo\n   | ^^^^^^^^^^^^^\n  Did you mean `emulator:hello`? There are: hello, echo, slow, stream, status.',
  ],
  [
    '/x=',
    'The upstream is empty.\n   | /x=\n   |    ^\n  Upstreams look like `https://orders-abc123-an.a.run.app`.',
  ],
  [
    'C:/Program Files/Git/x=https://a.run.app',
    'The path "C:/Program Files/Git/x" has to start with a slash.\n   | C:/Program Files/Git/x=https://a.run.app\n   | ^^^^^^^^^^^^^^^^^^^^^^\n  Git Bash makes Windows paths of arguments that start with a slash, unless MSYS_NO_PATHCONV=1 is set.',
  ],
] as const) {
  test(`the argument ${argument} is refused by the rules for files, and named`, async (t) => {
    await assert.rejects(resolveArguments(t, argument), {
      code: 'config_invalid',
      message: `The configuration has a mistake:\n\nargument 1: ${message}`,
    });
  });
}

test('all arguments are judged at once, in their order', async (t) => {
  const good = Array.from({ length: 9 }, (_, index) => `/r${index}=https://a.run.app`);
  await assert.rejects(resolveArguments(t, '/a', ...good, '/b', '/r0=https://b.run.app'), (error: Error) => {
    assert.deepEqual(error.message.match(/^argument \d+/gm), ['argument 1', 'argument 11', 'argument 12']);
    return true;
  });
});
