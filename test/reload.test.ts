import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { createEmulator } from '../src/emulator/emulator.ts';
import { createTestAuthority } from './support/certificates.ts';
import { scrape } from './support/exposition.ts';
import { FakeClock } from './support/fake-clock.ts';
import { setReloadScene } from './support/reloads.ts';
import { readBody, startUpstream } from './support/sockets.ts';
import { send } from './support/stack.ts';

const PLAIN = 'credentials: { default: { kind: none } }';

const toRoute = (origin: string, more = ''): string =>
  `${PLAIN}\nroutes: [{ path: /, upstream: "${origin}"${more} }]`;

/** An upstream that says its name; `/slow` is answered when the test says so, WebSockets are echoed. */
async function startNamed(t: TestContext, name: string) {
  const slow: ServerResponse[] = [];
  const authorizations: string[] = [];
  const { origin, server } = await startUpstream(t, (request, response) => {
    authorizations.push(request.headers.authorization ?? 'none');
    if (request.url !== '/slow') {
      response.end(name);
      return;
    }
    response.write(`${name} began`);
    slow.push(response);
  });
  // What it holds open is for us to close.
  server.keepAliveTimeout = 0;
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`${name} ${data}`));
  });
  const countConnections = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  return { origin, slow, authorizations, countConnections };
}

async function openWebSocket(t: TestContext, url: string): Promise<(text: string) => Promise<string>> {
  const socket = new WebSocket(url.replace('http:', 'ws:'));
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return async (text) => {
    const heard = once(socket, 'message');
    socket.send(text);
    return String((await heard)[0]);
  };
}

test('R66: of 1,000 requests during 40 reloads none fails, each goes by one configuration, and what was open goes on', async (t) => {
  const [one, other] = [await startNamed(t, 'one'), await startNamed(t, 'other')];
  const { reload, url } = await setReloadScene(t, toRoute(one.origin));
  const ask = await openWebSocket(t, url);
  const streaming = httpRequest(`${url}/slow`).end();
  const [stream] = await once(streaming, 'response');
  const streamed = readBody(stream);

  const answers: string[] = [];
  const client = async (): Promise<void> => {
    for (let i = 0; i < 125; i += 1) {
      const { status, text } = await send(url, '/', i % 3 === 0 ? 'POST' : 'GET', {}, i % 3 ? '' : 'body');
      answers.push(`${status} ${text}`);
    }
  };
  let isOver = false;
  const clients = Promise.all(Array.from({ length: 8 }, client)).finally(() => {
    isOver = true;
  });
  let reloads = 0;
  while (reloads < 40 || !isOver) {
    reloads += 1;
    assert.deepEqual(await reload(toRoute(reloads % 2 ? other.origin : one.origin)), [
      'route / changed (upstream)',
    ]);
    assert.equal((await send(url, '/')).text, reloads % 2 ? 'other' : 'one', 'a reload that is over counts');
  }
  await clients;
  assert.equal(answers.length, 1_000);
  assert.deepEqual([...new Set(answers)].sort(), ['200 one', '200 other']);
  assert.equal(await ask('hello'), 'one hello');
  one.slow[0]?.end(', one ended');
  assert.equal(String(await streamed), 'one began, one ended');
});

test('R66: what can’t be is refused whole, with every mistake, and all stays as it was', async (t) => {
  const { origin } = await startNamed(t, 'one');
  const { proxy, configure, reload, url } = await setReloadScene(t, toRoute(origin));
  await assert.rejects(
    configure('routes: [{ path: /, upstrm: x }, { path: a, upstream: "https://a.run.app" }]'),
    {
      code: 'config_invalid',
      message: /proxy\.yaml:2:\d+: [\s\S]*proxy\.yaml:2:\d+: /,
    },
  );
  const { port } = new URL(url);
  for (const [yaml, code, message] of [
    [`listen: 127.0.0.1:1\n${toRoute(origin)}`, 'restart_needed', /"listen" has changed/],
    [`admin: 127.0.0.1:0\n${toRoute(origin)}`, 'restart_needed', /"admin" has changed/],
    [toRoute(`http://127.0.0.1:${port}`), 'config_invalid', /this proxy itself/],
    [`caFile: nowhere.pem\n${toRoute(origin)}`, 'config_invalid', /no such file/],
  ] as const) {
    await assert.rejects(reload(yaml), { code, message });
    assert.equal((await send(url, '/')).text, 'one', code);
  }
  assert.deepEqual(await reload(toRoute(origin)), []);
  const config = await configure(toRoute(origin));
  const closing = proxy.close(0);
  await assert.rejects(proxy.reload(config), { code: 'shutting_down' });
  await closing;
});

test('R66: routes come, change and go, as does what lets requests in', async (t) => {
  const { origin } = await startNamed(t, 'one');
  const { proxy, reload, url } = await setReloadScene(t, toRoute(origin));
  const called = { Host: 'proxy.example' };
  assert.equal((await send(url, '/', 'GET', called)).status, 403);
  const changes = await reload(
    `${PLAIN}\ngate: { hosts: [proxy.example] }\nlimits: { requests: 100 }
routes: [{ path: /new, upstream: "${origin}", methods: [GET] }]`,
  );
  assert.deepEqual(changes, [
    'route / removed',
    'route /new added',
    'gate.hosts changed',
    'limits.requests changed',
  ]);
  assert.equal((await send(url, '/new', 'GET', called)).status, 200);
  assert.equal((await send(url, '/new', 'POST', called)).status, 403);
  assert.equal((await send(url, '/')).status, 404);
  assert.deepEqual(
    proxy.routes.map(({ name }) => name),
    ['/new'],
  );
  const more = `${PLAIN}\nroutes: [{ path: /new, upstream: "${origin}" }]`;
  assert.deepEqual(await reload(more), [
    'route /new changed (methods)',
    'gate.hosts changed',
    'limits.requests changed',
  ]);
  assert.equal((await send(url, '/new', 'POST')).status, 200);
});

test('R66: a limit of connections and of requests holds from then on', async (t) => {
  const { origin, slow } = await startNamed(t, 'one');
  const { reload, url } = await setReloadScene(t, toRoute(origin));
  const limited = `limits: { requests: 1 }\n${toRoute(origin)}`;
  assert.deepEqual(await reload(limited), ['limits.requests changed']);
  const streaming = httpRequest(`${url}/slow`).end();
  const [response] = await once(streaming, 'response');
  assert.equal((await send(url, '/')).status, 503);
  await reload(toRoute(origin));
  assert.equal((await send(url, '/')).status, 200);
  slow[0]?.end();
  await readBody(response);
});

test('R66: what stays the same keeps its token, its connections and what was counted of its rate', async (t) => {
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const one = await startNamed(t, 'one');
  const files = { 'key.json': JSON.stringify(emulator.credentials.serviceAccount) };
  const toYaml = (more: string): string => `credentials: { default: { kind: key-file, path: key.json } }
routes:
  - { path: /, upstream: "${one.origin}", token: { kind: id, audience: "https://one.example" }, limits: { rate: 3/h } }
${more}`;
  const { proxy, reload, url } = await setReloadScene(t, toYaml(''), { files });
  await proxy.ready;
  assert.equal((await send(url, '/')).status, 200);
  const other = `  - { path: /other, upstream: "${one.origin}", headers: { set: { X-Other: "1" } } }`;
  assert.deepEqual(await reload(toYaml(other)), ['route /other added']);
  assert.equal(emulator.requests.token, 2, 'for the audience that is new');
  assert.equal((await send(url, '/')).status, 200);
  await reload(toYaml(''));
  assert.equal((await send(url, '/')).status, 200);
  assert.equal((await send(url, '/')).status, 429);
  assert.equal(emulator.requests.token, 2);
  assert.equal(new Set(one.authorizations).size, 1);
  assert.equal(await one.countConnections(), 1);
});

test('R66: a new configuration’s tokens are minted before it counts, and no token goes to another audience', async (t) => {
  const clock = new FakeClock(Date.now());
  const emulator = await createEmulator({ services: ['hello'], clock });
  t.after(() => emulator.close());
  const [one, other] = [await startNamed(t, 'one'), await startNamed(t, 'other')];
  const files = { 'key.json': JSON.stringify(emulator.credentials.serviceAccount) };
  const toYaml = ({ origin }: { origin: string }): string =>
    `credentials: { default: { kind: key-file, path: key.json } }\nroutes: [{ path: /, upstream: "${origin}" }]`;
  const { proxy, reload, url } = await setReloadScene(t, toYaml(one), { files, clock });
  await proxy.ready;
  emulator.faults.set('token', { delayMs: 1_000 });
  const reloading = reload(toYaml(other));
  let isOver = false;
  void reloading.finally(() => {
    isOver = true;
  });
  while (emulator.requests.token < 2) assert.equal((await send(url, '/')).text, 'one');
  assert.equal((await send(url, '/')).text, 'one');
  assert.equal(isOver, false);
  await clock.advance(1_000);
  await reloading;
  assert.equal((await send(url, '/')).text, 'other');
  for (const { origin, authorizations } of [one, other]) {
    assert.ok(authorizations.length > 0);
    for (const authorization of authorizations) {
      const claims = Buffer.from(authorization.split('.')[1] ?? '', 'base64url').toString();
      assert.equal(JSON.parse(claims).aud, origin);
    }
  }
});

test('R66: credentials that can’t mint don’t keep a configuration out: the route says so, as at the start', async (t) => {
  const { origin } = await startNamed(t, 'one');
  const { proxy, reload, url } = await setReloadScene(t, toRoute(origin));
  const yaml = `credentials: { default: { kind: key-file, path: missing.json } }
routes: [{ path: /, upstream: "${origin}", token: none }, { path: /with, upstream: "${origin}" }]`;
  assert.deepEqual(await reload(yaml), ['route /with added', 'credentials default changed (kind, key)']);
  assert.equal((await send(url, '/')).status, 200);
  assert.equal((await send(url, '/with')).status, 502);
  assert.equal(proxy.routes[1]?.status()?.state, 'failed');
});

test('R66: a certificate and a client secret are read again', async (t) => {
  const { origin } = await startNamed(t, 'one');
  const authority = createTestAuthority();
  const [first, second] = [authority.issue(['localhost']), authority.issue(['localhost'])];
  const secret = 'a-secret-of-many-letters';
  const yaml = `listen: { address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem }, clientSecret: "file:secret" }\n${toRoute(origin)}`;
  const files = { 'cert.pem': first.cert, 'key.pem': first.key, secret };
  const { reload, folder, proxy } = await setReloadScene(t, yaml, { files });
  const port = Number(new URL(proxy.addresses[0] ?? '').port);
  const serialNow = async (): Promise<string> => {
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.cert });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serialNow();
  assert.deepEqual(await reload(yaml), []);
  await writeFile(join(folder, 'cert.pem'), second.cert);
  await assert.rejects(reload(yaml), {
    code: 'config_invalid',
    message: /not a certificate and its private key/,
  });
  assert.equal(await serialNow(), before);
  await writeFile(join(folder, 'key.pem'), second.key);
  await writeFile(join(folder, 'secret'), `${secret}-other`);
  const changes = await reload(yaml);
  assert.deepEqual(changes, [
    `certificate ${join(folder, 'cert.pem')} changed`,
    'client secret of listener 1 changed',
  ]);
  assert.notEqual(await serialNow(), before);
});

test('R66: a browser that signed in stays so as long as the secret is the same', async (t) => {
  const { origin } = await startNamed(t, 'one');
  const secret = 'a-secret-of-many-letters';
  const yaml = `listen: { address: 127.0.0.1:0, clientSecret: "file:secret" }\n${toRoute(origin)}`;
  const { reload, folder, proxy, url } = await setReloadScene(t, yaml, { files: { secret } });
  const link = proxy.signInLink() ?? '';
  const signedIn = await send(url, link.slice(new URL(link).origin.length));
  const [cookie = ''] = String(signedIn.headers['set-cookie']).split(';');
  const call = async (): Promise<number> => (await send(url, '/', 'GET', { Cookie: cookie })).status;
  assert.equal(await call(), 200);
  await reload(yaml);
  assert.equal(await call(), 200);
  await writeFile(join(folder, 'secret'), `${secret}-other`);
  await reload(yaml);
  assert.equal(await call(), 401);
});

test('R66: after a hundred reloads no timer, socket or upstream connection is left of what was dropped', async (t) => {
  const clock = new FakeClock(Date.now());
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const one = await startNamed(t, 'one');
  const files = { 'key.json': JSON.stringify(emulator.credentials.serviceAccount) };
  const toYaml = (round: number): string => `credentials:
  default: { kind: key-file, path: key.json }
  unused: { kind: token, from: "file:/nowhere/${round}" }
tokenTimeout: ${5_000 + round}ms
routes:
  - { path: /, upstream: "${one.origin}", timeout: { connect: ${5_000 + round}ms } }
  - { path: /a, upstream: "${one.origin}", token: { kind: id, audience: "https://a${round}.example" }, limits: { rate: ${round + 1}/s } }`;
  const { proxy, reload, url } = await setReloadScene(t, toYaml(0), { files, clock });
  await proxy.ready;
  const measure = async (): Promise<object> => {
    for (const path of ['/', '/a']) assert.equal((await send(url, path)).status, 200);
    // One a route; closing the others takes a turn or two on both sides.
    while ((await one.countConnections()) > 2) await new Promise((resolve) => setImmediate(resolve));
    return { timers: clock.pending, connections: await one.countConnections() };
  };
  await reload(toYaml(1));
  const before = await measure();
  for (let round = 2; round <= 101; round += 1) {
    await reload(toYaml(round));
    if (round % 10 === 0) assert.deepEqual(await measure(), before);
  }
  assert.deepEqual(await measure(), before);
});

test('R66: reloads are counted, applied and refused, and what the admin port tells is of the configuration in force', async (t) => {
  const [one, other] = [await startNamed(t, 'one'), await startNamed(t, 'other')];
  const admin = 'admin: 127.0.0.1:0\n';
  const { proxy, reload, url } = await setReloadScene(t, admin + toRoute(one.origin));
  const adminUrl = proxy.adminUrl ?? '';
  await send(url, '/');
  await reload(`${admin}${PLAIN}\nroutes: [{ path: /new, upstream: "${other.origin}" }]`);
  await send(url, '/new');
  await assert.rejects(reload(`${admin}routes: 7`), { code: 'config_invalid' });
  await assert.rejects(reload(`${admin}log: { level: error }\n${toRoute(one.origin)}`), {
    code: 'restart_needed',
  });
  const { samples } = await scrape(adminUrl);
  assert.equal(samples.get('gbp_config_reloads_total{result="applied"}'), 1);
  assert.equal(samples.get('gbp_config_reloads_total{result="refused"}'), 2);
  assert.equal(samples.get('gbp_requests_total{route="/",method="GET",status="2xx"}'), 1, 'stays');
  assert.equal(samples.get('gbp_requests_total{route="/new",method="GET",status="2xx"}'), 1);
  assert.equal(samples.get('gbp_route_ready{route="/"}'), undefined);
  assert.equal(samples.get('gbp_route_ready{route="/new"}'), 1);
  const names = (text: string) => JSON.parse(text).routes.map(({ name }: { name: string }) => name);
  for (const path of ['/readyz', '/config'])
    assert.deepEqual(names((await send(adminUrl, path)).text), ['/new'], path);
});
