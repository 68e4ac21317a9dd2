import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { renderBanner } from '../src/commands/banner.ts';
import { resolveConfig } from '../src/config/resolve.ts';
import { EMULATED_SERVICES } from '../src/config/schema.ts';
import { createEmulator, type Emulator, SERVICE_NAMES } from '../src/emulator/emulator.ts';
import { createProxy } from '../src/proxy.ts';
import { createFakeGcloud } from './auth/credentials/fake-gcloud.ts';
import { createTestAuthority } from './support/certificates.ts';
import { FakeClock, settle } from './support/fake-clock.ts';
import { answering, closed, openClient, SWITCHED } from './support/handshakes.ts';
import { closedPort, readBody, readUntil, startRawUpstream, startUpstream } from './support/sockets.ts';
import { createFolder, send } from './support/stack.ts';

/** A configuration file as the program would read it, on free ports. */
async function configure(t: TestContext, yaml: string) {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'proxy.yaml'), yaml);
  return resolveConfig({ flags: { port: 0, admin: 'off' }, positionals: [], env: {}, cwd });
}

/** One route, to the emulated `hello`, with the developer's key. */
async function configureHello(t: TestContext, emulator: Emulator) {
  const key = join(await createFolder(t), 'key.json');
  await writeFile(key, JSON.stringify(emulator.credentials.serviceAccount));
  return configure(
    t,
    `credentials: { default: { kind: key-file, path: ${JSON.stringify(key)} } }
routes: [{ path: /, upstream: "${emulator.services.hello?.url}" }]`,
  );
}

test('R59: 1000 requests at once that come before the token are one mint', async (t) => {
  const clock = new FakeClock(Date.now());
  const emulator = await createEmulator({ services: ['hello'], clock });
  t.after(() => emulator.close());
  emulator.faults.set('token', { delayMs: 1_000 });
  const config = await configureHello(t, emulator);
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  while (emulator.requests.token === 0) await settle();
  assert.equal(proxy.routes[0]?.status()?.state, 'minting');
  const [url = ''] = proxy.addresses;
  const requests = Array.from({ length: 1000 }, () => httpRequest(url).end());
  const replies = Promise.all(requests.map((request) => once(request, 'response')));
  await Promise.all(requests.map((request) => once(request, 'finish')));
  await clock.advance(1_000);
  for (const [response] of await replies) assert.equal(response.resume().statusCode, 200);
  assert.equal(emulator.requests.token, 1);
});

test('R56: a token that Google refuses is replaced once, for all who were refused at once', async (t) => {
  const clock = new FakeClock(Date.now());
  const emulator = await createEmulator({ services: ['hello'], clock });
  t.after(() => emulator.close());
  emulator.faults.set('token', { audience: 'https://revoked.example' }, 1);
  const config = await configureHello(t, emulator);
  const proxy = await createProxy({ config, env: {}, clock });
  t.after(() => proxy.close(0));
  await proxy.ready;
  const [url = ''] = proxy.addresses;
  assert.equal((await send(url, '/')).status, 401, 'a token so young is not replaced');
  assert.equal(emulator.requests.token, 1);
  await clock.advance(61_000);
  const replies = await Promise.all(Array.from({ length: 100 }, () => send(url, '/')));
  assert.deepEqual([...new Set(replies.map(({ status }) => status))], [200]);
  assert.equal(emulator.requests.token, 2);
});

test('R56: what is refused for good costs a mint a minute at most', async (t) => {
  const clock = new FakeClock(Date.now());
  const emulator = await createEmulator({ services: ['hello'], clock });
  t.after(() => emulator.close());
  emulator.services.hello?.set({ invokers: [] });
  const config = await configureHello(t, emulator);
  const proxy = await createProxy({ config, env: {}, clock });
  t.after(() => proxy.close(0));
  await proxy.ready;
  const [url = ''] = proxy.addresses;
  for (let minute = 0; minute < 5; minute += 1) {
    for (let request = 0; request < 10; request += 1) assert.equal((await send(url, '/')).status, 403);
    assert.equal(emulator.requests.token, minute + 1);
    await clock.advance(61_000);
  }
});

test('the services the configuration knows are those the emulator has', () => {
  assert.deepEqual([...EMULATED_SERVICES].sort(), [...SERVICE_NAMES].sort());
});

test('a route that leads back to the proxy itself is refused', async (t) => {
  const config = await configure(t, 'routes: [{ path: /, upstream: "emulator:hello" }]');
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const port = new URL(proxy.url).port;
  const looping = await configure(
    t,
    `routes: [{ path: /, upstream: "http://localhost:${port}", token: none }]`,
  );
  await proxy.close(0);
  const loop = {
    ...looping,
    listen: [{ address: { host: 'localhost', port: Number(port) }, tls: undefined }],
  };
  await assert.rejects(createProxy({ config: loop, env: {} }), {
    code: 'config_invalid',
    message: /this proxy itself/,
  });
});

test('a route that leads back to the proxy over TLS is refused as well; one to that port of another host is not', async (t) => {
  const { cert, key } = createTestAuthority().issue(['localhost']);
  const folder = await createFolder(t);
  const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  await writeFile(tls.certFile, cert);
  await writeFile(tls.keyFile, key);
  const port = await closedPort();
  for (const [upstream, isLoop] of [
    [`https://localhost:${port}`, true],
    [`https://127.0.0.1:${port}`, true],
    [`https://upstream.invalid:${port}`, false],
  ] as const) {
    const config = await configure(t, `routes: [{ path: /, upstream: "${upstream}", token: none }]`);
    const starting = createProxy({
      config: { ...config, listen: [{ address: { host: '127.0.0.1', port }, tls }] },
      env: {},
    });
    if (isLoop) await assert.rejects(starting, { code: 'config_invalid', message: /this proxy itself/ });
    else await (await starting).close(0);
  }
});

test('localhost answers on both loopback families, on one port', async (t) => {
  const config = await configure(t, 'routes: [{ path: /, upstream: "emulator:hello" }]');
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const ports = new Set(proxy.addresses.map((address) => new URL(address).port));
  assert.equal(ports.size, 1);
  assert.ok(proxy.addresses.includes(`http://127.0.0.1:${[...ports][0]}`));
  for (const address of proxy.addresses) assert.equal((await send(address, '/')).status, 200, address);
});

test('several listeners at once: clear text, TLS and a Unix socket, each known by its URL', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    response.end(`${request.headers['x-forwarded-proto']} ${request.headers['x-forwarded-for']}`);
  });
  const { cert, key } = createTestAuthority().issue(['localhost']);
  const folder = await createFolder(t);
  await writeFile(join(folder, 'cert.pem'), cert);
  await writeFile(join(folder, 'key.pem'), key);
  await writeFile(
    join(folder, 'proxy.yaml'),
    `listen: ["127.0.0.1:0", { address: "localhost:0", tls: { cert: cert.pem, key: key.pem } }, "unix:p.sock"]
admin: false
credentials: { default: { kind: none } }
routes: [{ path: /, upstream: "${origin}" }]`,
  );
  const config = await resolveConfig({ flags: {}, positionals: [], env: {}, cwd: folder });
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const [clear = '', secure = '', unix = ''] = proxy.urls;
  assert.match(clear, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(secure, /^https:\/\/localhost:\d+$/);
  assert.equal(unix, `unix:${join(folder, 'p.sock')}`);
  assert.equal((await send(clear, '/')).text, 'http 127.0.0.1');

  const request = httpsRequest(secure, { ca: cert, rejectUnauthorized: false }).end();
  const [overTls] = await once(request, 'response');
  assert.match((await readBody(overTls)).toString(), /^https (127\.0\.0\.1|::1)$/);
  const local = httpRequest({ socketPath: join(folder, 'p.sock'), headers: { Host: 'localhost' } }).end();
  const [overUnix] = await once(local, 'response');
  assert.equal((await readBody(overUnix)).toString(), 'http 127.0.0.1');
  assert.equal((await stat(join(folder, 'p.sock'))).mode & 0o777, 0o600);
  const look = { version: '1', source: 'x', listener: {}, signInLink: undefined, colour: false };
  const banner = renderBanner({ proxy, ...look });
  for (const url of proxy.urls) assert.ok(banner.includes(`  ${url}\n`), url);
  const onlyUnix = renderBanner({ proxy: { ...proxy, urls: [unix] }, ...look });
  assert.match(onlyUnix, /curl --unix-socket \S+p\.sock http:/);
});

test('programs that credentials run see no client secret in their environment', async (t) => {
  const gcloud = await createFakeGcloud(await createFolder(t));
  await gcloud.answer();
  const secret = 'a-secret-of-32-characters-or-so!';
  const env = { ...gcloud.env, GBP_CLIENT_SECRET: secret, KNOCK: secret, OTHER: 'seen' };
  const config = await configure(
    t,
    `listen: { address: localhost:0, clientSecret: env:KNOCK }
credentials: { default: { kind: gcloud } }
routes: [{ path: /, upstream: "https://service.example" }]`,
  );
  const proxy = await createProxy({ config, env });
  t.after(() => proxy.close(0));
  await proxy.ready;
  const runs = await gcloud.runs();
  assert.ok(runs.length > 0);
  assert.equal(runs[0]?.env.OTHER, 'seen');
  assert.ok(!JSON.stringify(runs).includes(secret));
});

test('R45: the whole proxy carries a WebSocket, route and token as for requests, and ends it when it stops', async (t) => {
  let head = '';
  const upstream = await startRawUpstream(
    t,
    answering(SWITCHED, (socket, received) => {
      head = received;
      socket.pipe(socket);
    }),
  );
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const key = join(await createFolder(t), 'key.json');
  await writeFile(key, JSON.stringify(emulator.credentials.serviceAccount));
  const config = await configure(
    t,
    `credentials: { default: { kind: key-file, path: ${JSON.stringify(key)} } }
routes: [{ path: /chat, upstream: "${upstream.origin}/rooms", token: { kind: id, audience: "https://chat.example" } }]`,
  );
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const client = openClient(t, proxy.addresses[0] ?? '');
  client.write(
    'GET /chat/7?a=b HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://localhost:3000\r\n\r\n',
  );
  await readUntil(client, '\r\n\r\n');
  assert.match(head, /^GET \/rooms\/7\?a=b HTTP\/1\.1\r\n/);
  assert.match(head, /\r\nAuthorization: Bearer [\w-]+\.[\w-]+\.[\w-]+\r\n\r\n$/);
  const echoed = readUntil(client, 'frame');
  client.write('frame');
  await echoed;
  await Promise.all([proxy.close(0), closed(client), closed(upstream.sockets[0] as Socket)]);
});
