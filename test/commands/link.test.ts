import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { renderBanner } from '../../src/commands/banner.ts';
import { runCheck } from '../../src/commands/check.ts';
import { type LinkOptions, runLink } from '../../src/commands/link.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createProxy } from '../../src/proxy.ts';
import { writeConfig } from '../config/resolve-file.ts';
import { send } from '../support/stack.ts';
import { createIo } from './config-io.ts';

const ENV = { KNOCK: 'a-secret-of-32-characters-or-so!' };
const CONFIG = `listen: [{ address: localhost:8123, clientSecret: env:KNOCK }, localhost:8124]
gate: { hosts: [proxy.internal] }
routes:
  - { path: /hello, upstream: emulator:hello }
  - { host: shop.localhost, upstream: emulator:hello }
  - { host: shop.localhost, path: /api, upstream: emulator:hello }
`;

/** The links that are printed, taken apart. */
async function linksOf(
  t: TestContext,
  positionals: readonly string[],
  flags: LinkOptions['flags'] = {},
): Promise<URL[]> {
  const { io, written } = createIo(writeConfig(t, CONFIG), ENV);
  assert.equal(await runLink({ flags, positionals }, io), 0);
  assert.match(written.stderr, /once, within ten minutes/);
  return written.stdout
    .trim()
    .split('\n')
    .map((link) => new URL(link));
}

test('link has one link for each host that is served, or those of the routes it is given', async (t) => {
  const hostsOf = async (...given: [readonly string[], LinkOptions['flags']?]): Promise<string[]> =>
    (await linksOf(t, ...given)).map(({ host }) => host);
  assert.deepEqual(await hostsOf([]), ['localhost:8123', 'proxy.internal:8123', 'shop.localhost:8123']);
  assert.deepEqual(await hostsOf(['/hello']), ['localhost:8123', 'proxy.internal:8123']);
  assert.deepEqual(await hostsOf(['shop.localhost/api']), ['shop.localhost:8123']);
  const made = ['/a=emulator:hello'];
  assert.deepEqual(await hostsOf(made, { listen: ['0.0.0.0:8125'], clientSecret: 'env:KNOCK' }), [
    'localhost:8125',
  ]);
  const links = await linksOf(t, []);
  assert.equal(new Set(links.map(({ search }) => search)).size, links.length, 'a code each');
  assert.ok(links.every(({ href }) => !href.includes(ENV.KNOCK)));
});

for (const [what, positionals, flags, reason] of [
  [
    'there is no secret',
    [],
    { listen: ['localhost:8123'] },
    /No listener has a client secret, so nobody has to sign in/,
  ],
  ['the port is any', [], { port: 0 }, /any free port, and only it knows which/],
  ['there is no such route', ['/helo'], {}, /There is no route \/helo\./],
] as const) {
  test(`link says why it has none: ${what}`, async (t) => {
    const { io, written } = createIo(writeConfig(t, CONFIG), ENV);
    await assert.rejects(runLink({ flags, positionals }, io), { code: 'usage', message: reason });
    assert.equal(written.stdout, '');
  });
}

test('link has none for unix sockets', {
  skip: process.platform === 'win32' && 'there are none',
}, async (t) => {
  const { io } = createIo(writeConfig(t, CONFIG), ENV);
  const flags = { listen: ['unix:x'], clientSecret: 'env:KNOCK' };
  await assert.rejects(runLink({ flags, positionals: [] }, io), {
    code: 'usage',
    message: /Browsers open no unix sockets/,
  });
});

test('the banner has a link that works, and a line for curl that holds no secret', async (t) => {
  const cwd = writeConfig(t, CONFIG.replace('8123', '0').replace(', localhost:8124', ''));
  const config = await resolveConfig({ flags: { admin: 'off' }, positionals: [], env: ENV, cwd });
  const proxy = await createProxy({ config, env: ENV });
  t.after(() => proxy.close(0));
  const [listener = {}] = config.listen;
  const signInLink = proxy.signInLink();
  const banner = renderBanner({ proxy, version: '1', source: 'x', listener, signInLink, colour: false });
  const [, link = ''] = /^ {2}sign in {2}(\S+)$/m.exec(banner) ?? [];
  assert.equal(link, signInLink);
  const { host, pathname, search } = new URL(link);
  const reply = await send(proxy.addresses[0] ?? '', pathname + search, 'GET', { Host: host });
  assert.equal(reply.status, 303);
  assert.ok(banner.includes('curl -H "Proxy-Authorization: Bearer $KNOCK" http'));
  assert.ok(!banner.includes(ENV.KNOCK));
  assert.notEqual(proxy.signInLink(), signInLink);
});

test('check says what clients have to show, and that it is missing', async (t) => {
  const cwd = writeConfig(t, CONFIG);
  const offline = createIo(cwd);
  const options = { json: false, positionals: [] };
  assert.equal(await runCheck({ ...options, offline: true }, offline.io), 0);
  assert.match(
    offline.written.stdout,
    /listen {2}localhost:8123 \(client secret in KNOCK\), localhost:8124\n/,
  );
  const missing = createIo(cwd);
  await assert.rejects(runCheck({ ...options, offline: false }, missing.io), {
    code: 'config_invalid',
    message: /\$KNOCK is not there/,
  });
});
