import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { runWait } from '../../src/commands/wait.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createProxy } from '../../src/proxy.ts';
import { writeConfig } from '../config/resolve-file.ts';
import { createFolder, send } from '../support/stack.ts';
import { createIo } from './config-io.ts';

/** A proxy with an admin port, once each of its routes has a token or was refused one. */
async function startProxy(t: TestContext, routes: readonly string[]): Promise<string> {
  const cwd = await createFolder(t);
  const flags = { port: 0, admin: '127.0.0.1:0' };
  const env = { GOOGLE_APPLICATION_CREDENTIALS: `${cwd}/none.json` };
  const proxy = await createProxy({
    config: await resolveConfig({ positionals: routes, flags, env, cwd }),
    env,
  });
  t.after(() => proxy.close(0));
  await proxy.ready;
  return proxy.adminUrl ?? '';
}

const ask = (t: TestContext, url: string, timeoutMs: number) =>
  runWait({ flags: {}, url, timeoutMs }, createIo(writeConfig(t, ''), {}).io);

test('wait ends once every route has its token, and HEAD tells the same', async (t) => {
  const url = await startProxy(t, ['/hello=emulator:hello']);
  assert.equal(await ask(t, url, 30_000), 0);
  const head = await send(url, '/readyz', 'HEAD');
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('wait says which routes are missing, and why, when its time is up', async (t) => {
  const url = await startProxy(t, ['/orders=https://orders.localhost:1', '/hello=emulator:hello']);
  await assert.rejects(ask(t, url, 2_000), (error: Error) => {
    assert.match(error.message, /^Not ready after 2 s: \n {2}\/orders: .*none\.json/);
    assert.ok(!error.message.includes('/hello'));
    return 'exitCode' in error && error.exitCode === 1;
  });
  assert.equal((await send(url, '/readyz', 'HEAD')).status, 200, 'one bad route is not ready alone');
});

test('wait tells nobody there, and somebody else there, from a proxy that is not ready', async (t) => {
  const other = createServer((_request, response) => response.writeHead(404).end('\u001b[2J')).listen(
    0,
    '127.0.0.1',
  );
  t.after(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const address = other.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  await Promise.all([
    assert.rejects(ask(t, 'http://127.0.0.1:1', 1_000), /nobody answers at 127\.0\.0\.1:1/),
    assert.rejects(ask(t, `http://127.0.0.1:${port}`, 1_000), /404 from what is not the admin port/),
  ]);
});

test('wait finds the admin port in the configuration and in GBP_ADMIN, and says where there is none to ask', async (t) => {
  const run = (text: string | undefined, env: Record<string, string> = {}) =>
    runWait(
      { flags: {}, url: undefined, timeoutMs: 1_000 },
      createIo(text === undefined ? writeConfig(t, '', 'none.txt') : writeConfig(t, text), env).io,
    );
  const routes = 'routes: [{ path: /a, upstream: emulator:hello }]\n';
  await Promise.all([
    assert.rejects(run(`admin: 127.0.0.1:2\n${routes}`), /127\.0\.0\.1:2/),
    assert.rejects(run(`admin: 127.0.0.1:2\n${routes}`, { GBP_ADMIN: '127.0.0.1:3' }), /127\.0\.0\.1:3/),
    assert.rejects(run(undefined, { GBP_ADMIN: '127.0.0.1:3' }), /127\.0\.0\.1:3/),
  ]);
  await assert.rejects(run(`admin: false\n${routes}`), { code: 'usage', message: /turned off/ });
  await assert.rejects(run(routes, { GBP_ADMIN: '127.0.0.1:0' }), {
    code: 'usage',
    message: /any free port/,
  });
});
