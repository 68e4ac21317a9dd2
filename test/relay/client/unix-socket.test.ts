import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, watch } from 'node:fs';
import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { createProxy } from '../../../src/proxy.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { startRelay } from '../../support/relays.ts';
import { readBody, startUpstream } from '../../support/sockets.ts';
import { createFolder } from '../../support/stack.ts';

/** For an address with colons node:http2 makes one that is none. */
const AUTHORITY = { ':authority': 'localhost' };

async function createPath(t: TestContext): Promise<string> {
  return join(await createFolder(t), 'proxy.sock');
}

async function startEcho(t: TestContext) {
  return startUpstream(t, (request, response) => {
    const { 'x-forwarded-for': client, 'x-forwarded-host': host } = request.headers;
    response.end(`<${client} ${host}>`);
  });
}

async function getThrough(socketPath: string): Promise<string> {
  const request = httpRequest({ socketPath, path: '/', headers: { Host: 'localhost' }, agent: false }).end();
  const [response] = await once(request, 'response');
  return (await readBody(response)).toString();
}

test('a unix socket is served over both versions of HTTP, to this user alone, and removed in the end', async (t) => {
  const path = await createPath(t);
  const { origin } = await startEcho(t);
  const relay = await startRelay(t, origin, {}, { address: { path } });
  assert.equal(relay.url, `unix:${path}`);
  assert.equal((await lstat(path)).mode & 0o777, 0o600);
  assert.equal(await getThrough(path), '<127.0.0.1 localhost>');
  const session = connectHttp2(t, 'http://localhost', { createConnection: () => connect({ path }) });
  assert.equal((await ask(session, AUTHORITY)).body, '<127.0.0.1 localhost>');
  session.destroy();
  await relay.drain(1_000);
  await assert.rejects(lstat(path), { code: 'ENOENT' });
});

test('a burst of connections to a unix socket is held until they are accepted', async (t) => {
  // Other systems hold fewer.
  if (process.platform !== 'linux') return;
  const path = await createPath(t);
  const { origin } = await startEcho(t);
  await startRelay(t, origin, {}, { address: { path }, maxConnections: 2_000 });
  // All of them before the first is accepted: the listener is in this process.
  const sockets = Array.from({ length: 1_000 }, () => connect({ path }).on('error', () => {}));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
});

for (const [mode, umask] of [
  [undefined, 0o000],
  [0o660, 0o000],
  [0o666, 0o177],
  [0o620, 0o022],
] as const) {
  const wanted = mode ?? 0o600;
  test(`a unix socket has its mode (0${wanted.toString(8)}) from its first moment on, whatever the umask (0${umask.toString(8)}), which is left as it was`, async (t) => {
    const before = process.umask(umask);
    t.after(() => process.umask(before));
    const path = await createPath(t);
    const modes: number[] = [];
    const watcher = watch(join(path, '..'), () => {
      try {
        modes.push(lstatSync(path).mode & 0o777);
      } catch {
        // It came and went.
      }
    });
    t.after(() => watcher.close());
    const { origin } = await startEcho(t);
    const seen = once(watcher, 'change');
    const starting = startRelay(t, origin, {}, { address: { path, ...(mode && { mode }) } });
    await seen;
    await starting;
    assert.deepEqual([...new Set(modes)], [wanted]);
    assert.equal(process.umask(), umask);
  });
}

test('R9: on a unix socket that everybody may open, clients are asked for the secret, in both versions of HTTP', async (t) => {
  const path = await createPath(t);
  const { origin } = await startEcho(t);
  const clientSecret = 'a-secret-of-32-characters-or-so!';
  await startRelay(t, origin, {}, { address: { path, mode: 0o666 }, clientSecret });
  assert.match(await getThrough(path), /"client_not_authenticated"/);
  const session = connectHttp2(t, 'http://localhost', { createConnection: () => connect({ path }) });
  assert.equal((await ask(session, AUTHORITY)).status, 401);
  const known = { ...AUTHORITY, authorization: `Bearer ${clientSecret}` };
  assert.equal((await ask(session, known)).body, '<127.0.0.1 localhost>');
});

test('a socket that a program left behind is replaced', async (t) => {
  const path = await createPath(t);
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script, path], { stdio: 'ignore' }), 'exit');
  assert.ok((await lstat(path)).isSocket());
  const { origin } = await startEcho(t);
  await startRelay(t, origin, {}, { address: { path } });
  assert.equal(await getThrough(path), '<127.0.0.1 localhost>');
});

test('a socket that somebody answers on is left alone: address_in_use', async (t) => {
  const path = await createPath(t);
  const other = createServer((socket) => socket.on('error', () => {}).end('other')).listen(path);
  await once(other, 'listening');
  t.after(() => other.close());
  const { origin } = await startEcho(t);
  await assert.rejects(startRelay(t, origin, {}, { address: { path } }), {
    code: 'address_in_use',
    message: new RegExp(`unix:${path}`),
  });
  assert.ok((await lstat(path)).isSocket());
  assert.ok(other.listening);
});

test('what is no socket is left alone, and so is what a link leads to: address_unavailable', async (t) => {
  const { origin } = await startEcho(t);
  const folder = await createFolder(t);
  const file = join(folder, 'file');
  await writeFile(file, 'precious');
  const link = join(folder, 'link');
  await symlink(file, link);
  const directory = join(folder, 'directory');
  await mkdir(directory);
  for (const path of [
    file,
    link,
    directory,
    join(folder, 'missing', 'proxy.sock'),
    join(folder, 'x'.repeat(100)),
  ]) {
    await assert.rejects(startRelay(t, origin, {}, { address: { path } }), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, 'address_unavailable', path);
      assert.ok(error.message.includes(path));
      return true;
    });
  }
  assert.equal(await readFile(file, 'utf8'), 'precious');
  assert.ok((await lstat(link)).isSymbolicLink());
});

/** A configuration file as the program would read it. */
async function configure(t: TestContext, yaml: string) {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'proxy.yaml'), yaml);
  return resolveConfig({ flags: { admin: 'off' }, positionals: [], env: {}, cwd });
}

test('a proxy listens on TCP, with TLS and on a unix socket at once', async (t) => {
  const { origin } = await startEcho(t);
  const folder = await createFolder(t);
  const authority = createTestAuthority();
  const { key, cert } = authority.issue(['localhost']);
  await writeFile(join(folder, 'key.pem'), key);
  await writeFile(join(folder, 'cert.pem'), cert);
  const path = join(folder, 'proxy.sock');
  const config = await configure(
    t,
    `listen:
  - localhost:0
  - { address: "localhost:0", tls: { cert: ${join(folder, 'cert.pem')}, key: ${join(folder, 'key.pem')} } }
  - unix:${path}
routes: [{ path: /, upstream: "${origin}", token: none }]`,
  );
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  assert.match(proxy.url, /^http:\/\/localhost:\d+$/);
  const clear = proxy.addresses.filter((url) => url.startsWith('http:'));
  const secure = proxy.addresses.filter((url) => url.startsWith('https:'));
  assert.deepEqual(
    [clear.length, secure.length, proxy.addresses.length],
    [2, 2, 5],
    'localhost is 127.0.0.1 and ::1',
  );
  assert.equal(proxy.addresses.at(-1), `unix:${path}`);
  for (const url of clear)
    assert.match((await ask(connectHttp2(t, url), AUTHORITY)).body, /^<(127\.0\.0\.1|::1) /, url);
  for (const url of secure) {
    const session = connectHttp2(t, url, { ca: authority.cert, servername: 'localhost' });
    assert.match((await ask(session, AUTHORITY)).body, /^<(127\.0\.0\.1|::1) /, url);
  }
  assert.equal(await getThrough(path), '<127.0.0.1 localhost>');
});

test('R70: localhost answers on both loopback families on one port, over both versions of HTTP', async (t) => {
  const { origin } = await startEcho(t);
  const config = await configure(
    t,
    `listen: localhost:0\nroutes: [{ path: /, upstream: "${origin}", token: none }]`,
  );
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const { port } = new URL(proxy.url);
  assert.deepEqual(proxy.addresses, [`http://127.0.0.1:${port}`, `http://[::1]:${port}`]);
  for (const url of proxy.addresses) {
    assert.equal((await ask(connectHttp2(t, url), AUTHORITY)).status, 200);
    assert.equal((await fetch(url)).status, 200);
  }
});

test('of several addresses, one that can’t be had gives the others back', async (t) => {
  const { origin } = await startEcho(t);
  const path = await createPath(t);
  const file = join(await createFolder(t), 'file');
  await writeFile(file, 'precious');
  const config = await configure(
    t,
    `listen: ["localhost:0", "unix:${path}", "unix:${file}"]
routes: [{ path: /, upstream: "${origin}", token: none }]`,
  );
  await assert.rejects(createProxy({ config, env: {} }), { code: 'address_unavailable' });
  await assert.rejects(lstat(path), { code: 'ENOENT' });
});
