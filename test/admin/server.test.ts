import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createAdminServer } from '../../src/admin/server.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import type { ProxyError } from '../../src/errors.ts';
import { createGate } from '../../src/gate/gate.ts';
import { createProxy, type RunningProxy } from '../../src/proxy.ts';
import {
  closedPort,
  connectTo,
  exchangeBytes,
  readToEnd,
  readUntil,
  startUpstream,
} from '../support/sockets.ts';
import { createFolder, send } from '../support/stack.ts';

interface Scene {
  readonly proxy: RunningProxy;
  /** Where the admin port is. */
  readonly admin: string;
  readonly token: string;
  /** How often the end was asked for. */
  quits(): number;
  /** What the upstream of route `/` was asked for. */
  readonly targets: readonly string[];
}

async function configure(t: TestContext, yaml: string) {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'proxy.yaml'), `credentials: { default: { kind: none } }\n${yaml}`);
  return { cwd, config: await resolveConfig({ flags: { port: 0 }, positionals: [], env: {}, cwd }) };
}

/** A proxy with a token file, and a service that takes everything. */
async function setScene(t: TestContext): Promise<Scene> {
  const targets: string[] = [];
  const { origin } = await startUpstream(t, ({ url = '' }, response) => {
    targets.push(url);
    response.end('the service');
  });
  const { cwd, config } = await configure(
    t,
    `admin: { address: 127.0.0.1:0, tokenFile: admin.token }\nroutes: [{ path: /, upstream: "${origin}" }]`,
  );
  let quits = 0;
  const onQuit = (): void => {
    quits += 1;
  };
  const proxy = await createProxy({ config, env: {}, onQuit });
  t.after(() => proxy.close(0));
  const token = (await readFile(join(cwd, 'admin.token'), 'utf8')).trimEnd();
  return { proxy, admin: proxy.adminUrl ?? '', token, quits: () => quits, targets };
}

const raw = (line: string, ...fields: string[]): string =>
  [line, 'Connection: close', ...fields, '', ''].join('\r\n');

test('R10: POST /quit takes the token of this launch, any number of times, and says so before anything ends', async (t) => {
  const { admin, token, quits } = await setScene(t);
  const quit = (headers: Record<string, string>) => send(admin, '/quit', 'POST', headers, '{"ignored":true}');
  assert.equal((await quit({})).status, 403);
  assert.equal((await quit({ Authorization: `Bearer ${token.slice(0, -1)}` })).status, 403);
  assert.equal(quits(), 0);
  const reply = await quit({ Authorization: `Bearer ${token}` });
  assert.equal(reply.status, 202);
  assert.deepEqual(reply.json(), { status: 'stopping' });
  assert.equal((await quit({ Authorization: `Bearer ${token}` })).status, 202);
  assert.equal(quits(), 2);
});

test('R10: a client that is gone before the answer has asked all the same', async (t) => {
  const { promise: quit, resolve } = Promise.withResolvers<void>();
  const file = join(await createFolder(t), 'admin.token');
  const server = await createAdminServer({
    config: { host: '127.0.0.1', port: 0, explicit: true, tokenFile: file },
    gate: createGate({ bound: [], names: [], origins: [] }),
    endpoints: [
      {
        method: 'POST',
        path: '/late',
        needsToken: true,
        answer: async () => {
          socket.destroy();
          await once(socket, 'close');
          return { status: 200, contentType: 'text/plain', body: '', afterwards: resolve };
        },
      },
    ],
  });
  t.after(() => server.close());
  const socket = connectTo(server.url);
  const token = (await readFile(file, 'utf8')).trimEnd();
  socket.write(raw('POST /late HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${token}`));
  await quit;
});

test('R68: an endpoint that fails is a 500 on the admin port, and the port goes on', async (t) => {
  const server = await createAdminServer({
    config: { host: '127.0.0.1', port: 0, explicit: true, tokenFile: undefined },
    gate: createGate({ bound: [], names: [], origins: [] }),
    endpoints: [
      {
        method: 'GET',
        path: '/broken',
        needsToken: false,
        answer: () => Promise.reject(new Error('canary')),
      },
    ],
  });
  t.after(() => server.close());
  for (let time = 0; time < 2; time += 1) {
    const reply = await send(server.url, '/broken');
    assert.equal(reply.status, 500);
    assert.doesNotMatch(reply.text, /canary/);
  }
});

for (const [what, request, status] of [
  ['R10, R2: a rebound name', ['GET /livez HTTP/1.1', 'Host: evil.com:9901'], 403],
  ['R10, R2: a name that ends like ours', ['GET /livez HTTP/1.1', 'Host: evillocalhost'], 403],
  ['R10, R2: a name that starts like ours', ['GET /livez HTTP/1.1', 'Host: localhost.evil.com'], 403],
  ['R10, R2: a name that points here', ['GET /livez HTTP/1.1', 'Host: 127.0.0.1.nip.io'], 403],
  ['R10, R2: a user at a host', ['GET /livez HTTP/1.1', 'Host: localhost@evil.com'], 400],
  ['R10, R4: no Host', ['GET /livez HTTP/1.1'], 400],
  ['R10, R4: no Host in HTTP/1.0', ['GET /livez HTTP/1.0'], 400],
  ['R10, R4: two Hosts', ['GET /livez HTTP/1.1', 'Host: localhost', 'Host: localhost'], 400],
  ['R10, R4: a list of hosts', ['GET /livez HTTP/1.1', 'Host: localhost, evil.com'], 400],
  ['R10, R4: a control character', ['GET /livez HTTP/1.1', 'Host: local\x7fhost'], 400],
  ['R10, R3: an odd spelling', ['GET /livez HTTP/1.1', 'Host: LOCALHOST.:1'], 200],
  ['R10, R3: the other loopback', ['GET /livez HTTP/1.1', 'Host: [::1]'], 200],
  ['R10, R5: a foreign origin', ['GET /livez HTTP/1.1', 'Host: localhost', 'Origin: https://evil.com'], 403],
  ['R10, R5: no origin', ['GET /readyz HTTP/1.1', 'Host: localhost', 'Origin: null'], 403],
  [
    'R10, R5: a preflight',
    [
      'OPTIONS /quit HTTP/1.1',
      'Host: localhost',
      'Origin: https://evil.com',
      'Access-Control-Request-Method: POST',
    ],
    403,
  ],
  [
    'R10, R5: a handshake',
    [
      'GET /livez HTTP/1.1',
      'Host: localhost',
      'Origin: https://evil.com',
      'Connection: Upgrade',
      'Upgrade: websocket',
    ],
    403,
  ],
  ['R10, R6: a script', ['GET /livez HTTP/1.1', 'Host: localhost', 'Sec-Fetch-Site: cross-site'], 403],
  ['R10: two targets', ['GET /livez /quit HTTP/1.1', 'Host: localhost'], 400],
  ['R10: another protocol', ['PRI * HTTP/2.0'], 400],
  ['R10: no protocol', ['\x16\x03\x01\x02'], 400],
  ['R10: a head without end', ['GET /livez HTTP/1.1', `X: ${'x'.repeat(20_000)}`], 431],
  ['R10: an expectation', ['GET /livez HTTP/1.1', 'Host: localhost', 'Expect: the-worst'], 200],
] as const) {
  test(`${what} gets ${status} on the admin port, and nothing happens`, async (t) => {
    const { admin, quits } = await setScene(t);
    const [line, ...fields] = request;
    const reply = await exchangeBytes(admin, raw(line, ...fields));
    assert.match(reply, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.match(reply, /^cache-control: no-store\r$/im);
    assert.match(reply, /^x-content-type-options: nosniff\r$/im);
    assert.equal(reply.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.equal(quits(), 0);
  });
}

test('R10: every answer may be read by no page and kept by nobody, and none holds the token', async (t) => {
  const { admin, token } = await setScene(t);
  for (const [method, path] of [
    ['GET', '/livez'],
    ['HEAD', '/readyz'],
    ['GET', '/quit'],
    ['POST', '/quit'],
    ['GET', '/nothing'],
    ['OPTIONS', '/livez'],
  ]) {
    const reply = await send(admin, path ?? '', method, { Authorization: `Bearer ${token}` });
    assert.equal(reply.headers['cache-control'], 'no-store');
    assert.equal(reply.headers['x-content-type-options'], 'nosniff');
    assert.equal(reply.headers['access-control-allow-origin'], undefined);
    assert.ok(!JSON.stringify([reply.headers, reply.text]).includes(token));
  }
  const refusal = await send(admin, '/quit');
  assert.deepEqual([refusal.status, refusal.headers.allow], [405, 'POST']);
});

test('R10: a body that isn’t over is not waited for, nor read on without end', async (t) => {
  const { admin, token, quits } = await setScene(t);
  const authorization = `Authorization: Bearer ${token}`;
  const patient = connectTo(admin);
  patient.write(
    `POST /quit HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\nContent-Length: 60000\r\n\r\nx`,
  );
  assert.match(await readUntil(patient, '"stopping"'), /^HTTP\/1\.1 202 /);
  patient.destroy();
  assert.equal(quits(), 1);
  const greedy = connectTo(admin);
  const answered = readToEnd(greedy);
  greedy.write(
    `POST /quit HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  assert.match(await answered, /^HTTP\/1\.1 413 .*\r\nConnection: close\r\n/s);
  assert.equal(quits(), 1);
});

test('R10: without a token file nothing changes state; without a listener there is no such path', async (t) => {
  const { config } = await configure(
    t,
    'admin: 127.0.0.1:0\nroutes: [{ path: /, upstream: emulator:hello }]',
  );
  const proxy = await createProxy({ config, env: {}, onQuit: () => assert.fail('nobody may') });
  t.after(() => proxy.close(0));
  const reply = await send(proxy.adminUrl ?? '', '/quit', 'POST', { Authorization: 'Bearer x' });
  assert.equal(reply.status, 403);
  assert.match(reply.text, /--admin-token-file FILE/);

  const deaf = await createProxy({ config, env: {} });
  t.after(() => deaf.close(0));
  assert.equal((await send(deaf.adminUrl ?? '', '/quit', 'POST')).status, 404);
});

test('R10: the token file is there from start to close, and not at all if the port can’t be had', async (t) => {
  const { cwd, config } = await configure(
    t,
    'admin: { address: "127.0.0.1:0", tokenFile: admin.token }\nroutes: [{ path: /, upstream: emulator:hello }]',
  );
  const file = join(cwd, 'admin.token');
  const first = await createProxy({ config, env: {} });
  t.after(() => first.close(0));
  const token = await readFile(file, 'utf8');
  const port = Number(new URL(first.adminUrl ?? '').port);
  const second = { ...config, admin: config.admin && { ...config.admin, port } };
  await assert.rejects(createProxy({ config: second, env: {} }), { code: 'address_in_use' });
  assert.equal(await readFile(file, 'utf8'), token, 'the running proxy’s token is left alone');
  await first.close(0);
  assert.deepEqual((await readdir(cwd)).toSorted(), ['proxy.yaml']);

  await writeFile(file, 'something else');
  await assert.rejects(createProxy({ config, env: {} }), { code: 'token_file_unusable' });
  await assertNothingListens();
});

/** What failed to start has left no server behind. */
async function assertNothingListens(): Promise<void> {
  const isListening = (): boolean => process.getActiveResourcesInfo().includes('TCPServerWrap');
  // A server that is closed is off the list some turns later.
  for (let turn = 0; turn < 100 && isListening(); turn += 1) await setImmediate();
  assert.ok(!isListening());
}

test('R10: no route leads to the admin port, however it is spelled and whichever port it got', async (t) => {
  for (const host of ['localhost', '127.0.0.1', '127.0.0.2', '[::1]']) {
    const { message = '' } = await startWithAdminRoute(t, host);
    assert.match(message, /^Route \/ leads to http:.*, which is this proxy's own admin port\.$/);
    await assertNothingListens();
  }
});

/** A route to a port of this machine that nobody listens on, until the admin port happens to get it. */
async function startWithAdminRoute(t: TestContext, host: string): Promise<Partial<ProxyError>> {
  for (;;) {
    const port = await closedPort();
    const { config } = await configure(t, `routes: [{ path: /, upstream: "http://${host}:${port}" }]`);
    const admin = { host: '127.0.0.1', port, explicit: true, tokenFile: undefined };
    const error = await createProxy({ config: { ...config, admin }, env: {} }).then(
      () => ({}),
      (reason: ProxyError) => reason,
    );
    // Somebody else was faster to take the port.
    if (!('code' in error) || error.code !== 'address_in_use') return error;
  }
}

test('R10: the admin port answers to its own names, and to no host of a route', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end());
  const { config } = await configure(
    t,
    `admin: 127.0.0.1:0\ngate: { hosts: [proxy.example] }\nroutes: [{ host: shop.example, upstream: "${origin}" }]`,
  );
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const statusOf = async (url: string, host: string): Promise<number> =>
    (await send(url, '/livez', 'GET', { Host: host })).status;
  const [url = ''] = proxy.addresses;
  const admin = proxy.adminUrl ?? '';
  assert.deepEqual([await statusOf(url, 'shop.example'), await statusOf(admin, 'shop.example')], [200, 403]);
  assert.equal(await statusOf(admin, 'proxy.example'), 200);
});

test('R10, R11: no request to the proxy comes out at the admin port, whatever target and Host say', async (t) => {
  const { proxy, admin, token, quits, targets } = await setScene(t);
  const [url = ''] = proxy.addresses;
  const { host, port } = new URL(admin);
  const before = targets.length;
  for (const target of [
    '/livez',
    `http://${host}/livez`,
    `http://localhost:${port}/livez`,
    `//${host}/livez`,
  ]) {
    for (const name of [host, `localhost:${port}`, `[::1]:${port}`]) {
      const reply = await exchangeBytes(url, raw(`GET ${target} HTTP/1.1`, `Host: ${name}`));
      assert.doesNotMatch(reply, /alive/);
      await exchangeBytes(
        url,
        raw(
          `POST ${target.replace('livez', 'quit')} HTTP/1.1`,
          `Host: ${name}`,
          `Authorization: Bearer ${token}`,
          'Content-Length: 0',
        ),
      );
    }
  }
  assert.match(
    await exchangeBytes(url, raw(`CONNECT ${host} HTTP/1.1`, `Host: ${host}`)),
    /^HTTP\/1\.1 405 /,
  );
  assert.equal(quits(), 0);
  assert.ok(targets.length > before, 'they went where their route leads');
});
