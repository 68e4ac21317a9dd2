import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { assemble } from '../src/assemble.ts';
import { createTokenCache } from '../src/auth/token-cache.ts';
import { systemClock } from '../src/clock.ts';
import { resolveConfig } from '../src/config/resolve.ts';
import { createProxy, type RunningProxy } from '../src/proxy.ts';
import { type StandInOptions, standIn } from '../src/stand-ins.ts';
import { writeConfig } from './config/resolve-file.ts';
import { readBody } from './support/sockets.ts';
import { send } from './support/stack.ts';

/** As in production: none of it is reached, and none of the credentials is there. */
const CONFIG = `credentials:
  default: { kind: key-file, path: /no/such/key.json }
  runner: { kind: impersonate, account: runner@my-project.iam.gserviceaccount.com }
routes:
  - { path: /orders, upstream: 'https://orders-abc-an.a.run.app' }
  - { path: /runner, upstream: 'https://runner-abc-an.a.run.app/base', credentials: runner, protocol: http2 }
  - { path: /range, upstream: 'https://us-central1-p.cloudfunctions.net/get_range' }
  - { path: /iap, upstream: 'https://iap.example.com', token: { kind: id, audience: 1-a.apps.googleusercontent.com } }
  - { path: /jwt, upstream: 'https://jwt.example.com', token: { kind: jwt, audience: 'https://jwt.example.com/*' } }
  - path: /bigquery
    upstream: https://bigquery.googleapis.com
    token: { kind: access, scopes: ['https://www.googleapis.com/auth/bigquery'] }
  - { path: /open, upstream: 'https://open.example.com', token: none }
`;

async function configure(t: TestContext, options: StandInOptions, text = CONFIG) {
  const input = { flags: { port: 0, admin: 'off' }, positionals: [], env: {}, cwd: writeConfig(t, text) };
  return standIn(await resolveConfig(input), options);
}

async function start(t: TestContext, options: StandInOptions, text?: string): Promise<RunningProxy> {
  const proxy = await createProxy({ config: await configure(t, options, text), env: {} });
  t.after(() => proxy.close(0));
  await proxy.ready;
  return proxy;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** The user's own server. */
async function serve(t: TestContext, handler: Handler): Promise<string> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://localhost:${typeof address === 'object' ? address?.port : 0}`;
}

interface Echo {
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
}

const readHeader = ({ headers }: Echo, name: string): string | undefined =>
  headers.find(([one]) => one.toLowerCase() === name)?.[1];

test('with emulate every route has its token and is answered, and no credential and no upstream is real', async (t) => {
  const proxy = await start(t, { emulate: true, local: [] });
  for (const route of proxy.routes) {
    assert.equal(route.status()?.error, undefined, route.name);
    assert.match(route.upstream, /^emulated https:/);
  }
  const call = async (path: string): Promise<Echo> => {
    const reply = await send(proxy.addresses[0] ?? '', path);
    assert.equal(reply.status, 200, `${path}: ${reply.text}`);
    return reply.json<Echo>();
  };
  const orders = await call('/orders/7?a=b');
  assert.equal(orders.path, '/7?a=b');
  const bearer = readHeader(orders, 'authorization') ?? '';
  assert.match(bearer, /^Bearer \S+\.SIGNATURE_REMOVED_BY_GOOGLE$/);
  const claims = JSON.parse(Buffer.from(bearer.split('.')[1] ?? '', 'base64url').toString());
  assert.equal(claims.aud, 'https://orders-abc-an.a.run.app');
  assert.equal(readHeader(orders, 'x-forwarded-proto'), 'https');
  assert.equal((await call('/runner/x')).path, '/base/x');
  assert.equal((await call('/range/x')).path, '/get_range/x');
  for (const path of ['/iap', '/jwt']) {
    const seen = await call(path);
    assert.equal(
      readHeader(seen, 'x-goog-authenticated-user-email'),
      'accounts.google.com:developer@emulated-project.iam.gserviceaccount.com',
    );
    assert.match(readHeader(seen, 'x-goog-iap-jwt-assertion') ?? '', /^\S+\.\S+\.\S+$/);
  }
  assert.equal(
    readHeader(await call('/bigquery'), 'authorization'),
    'Bearer ACCESS_TOKEN_REMOVED_BY_EMULATOR',
  );
  assert.equal(readHeader(await call('/open'), 'authorization'), undefined);
  assert.deepEqual(
    (await proxy.askUpstreams(5_000)).filter(({ fault }) => fault !== undefined),
    [],
  );
});

test('a stand-in lets nobody in without its token, or with that of another route', async (t) => {
  const config = await configure(t, { emulate: true, local: ['/orders=http://127.0.0.1:1'] });
  const cache = createTokenCache({ clock: systemClock });
  const { routes, close } = await assemble({ config, cache, clock: systemClock, env: {} });
  t.after(async () => {
    cache.close();
    await close();
  });
  const statusOf = async (name: string, tokenOf?: string): Promise<number> => {
    const { origin = '' } = routes.find((route) => route.config.name === name) ?? {};
    const token = await routes.find((route) => route.config.name === tokenOf)?.tokens?.obtain();
    return (await send(origin, '/', 'GET', token && { Authorization: token.bearer })).status;
  };
  assert.equal(await statusOf('/orders', '/orders'), 502, 'let in, to nobody there');
  assert.equal(await statusOf('/orders'), 403);
  assert.equal(await statusOf('/orders', '/range'), 401);
  assert.equal(await statusOf('/orders', '/bigquery'), 401);
  assert.equal(await statusOf('/range', '/range'), 200);
  assert.equal(await statusOf('/range', '/orders'), 401);
  assert.equal(await statusOf('/iap', '/orders'), 401);
  assert.equal(await statusOf('/bigquery'), 401);
  assert.equal(await statusOf('/bigquery', '/orders'), 401);
  const { origin = '' } = routes.find((route) => route.config.name === '/orders') ?? {};
  const handshake = new WebSocket(origin.replace('http', 'ws'));
  const [, response] = (await once(handshake, 'unexpected-response')) as [unknown, IncomingMessage];
  assert.equal(response.statusCode, 403);
});

test('with local the user’s own server answers, behind the front end: body, status, fields and trailers pass both ways', async (t) => {
  const seen: { head: string[]; body: string }[] = [];
  const server = await serve(t, async (incoming, response) => {
    seen.push({
      head: [`${incoming.method} ${incoming.url}`, ...incoming.rawHeaders],
      body: (await readBody(incoming)).toString(),
    });
    response.writeHead(418, 'Teapot', [
      ['X-Mine', 'one'],
      ['X-Mine', 'two'],
      ['Trailer', 'X-End'],
    ]);
    response.write('short and ');
    response.addTrailers({ 'X-End': 'here' });
    response.end('stout');
  });
  const proxy = await start(t, { emulate: false, local: [`/orders=${server}/v1`] });
  const { hostname, port } = new URL(proxy.addresses[0] ?? '');
  const outgoing = request({
    hostname,
    port,
    path: '/orders/a?b=c',
    method: 'POST',
    headers: { TE: 'trailers' },
  });
  outgoing.write('hel');
  outgoing.end('lo');
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  assert.equal((await readBody(response)).toString(), 'short and stout');
  assert.equal(response.statusCode, 418);
  assert.equal(response.headers['x-mine'], 'one, two');
  assert.deepEqual(response.trailers, { 'x-end': 'here' });
  const [{ head, body } = { head: [], body: '' }] = seen;
  assert.deepEqual([head[0], body], ['POST /v1/a?b=c', 'hello']);
  const text = head.join('\n');
  assert.match(text, /\nBearer \S+\.SIGNATURE_REMOVED_BY_GOOGLE\n/);
  assert.match(text, /\nX-Forwarded-Proto\nhttps\n/);
  assert.match(text, /\nX-Forwarded-For\n/);
  assert.match(text, /\nX-Cloud-Trace-Context\n/);
  assert.equal(proxy.routes.find(({ name }) => name === '/orders')?.upstream, `${server}/v1`);
});

test('a WebSocket reaches the user’s own server, with its token checked', async (t) => {
  const authorizations: (string | undefined)[] = [];
  const server = createServer();
  const sockets = new WebSocketServer({ server, path: '/ws' });
  sockets.on('connection', (socket, { headers }) => {
    authorizations.push(headers.authorization);
    socket.on('message', (data) => socket.send(`back: ${String(data)}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const proxy = await start(t, { emulate: true, local: [`/orders=http://localhost:${port}`] });
  const client = new WebSocket(`${proxy.addresses[0]?.replace('http', 'ws')}/orders/ws`);
  client.on('open', () => client.send('hello'));
  const [message] = await once(client, 'message');
  assert.equal(String(message), 'back: hello');
  assert.match(authorizations[0] ?? '', /^Bearer \S+\.SIGNATURE_REMOVED_BY_GOOGLE$/);
  client.close();
  await once(client, 'close');
});

test('local implies nothing for other routes, and a route to this machine keeps its server with emulate', async (t) => {
  const server = await serve(t, (_request, response) => response.end('mine'));
  const text = `routes:
  - { path: /mine, upstream: '${server}/x' }
  - { path: /real, upstream: 'https://real-abc-an.a.run.app' }
`;
  const emulated = await configure(t, { emulate: true, local: [] }, text);
  const upstreams = emulated.routes.map(({ upstream }) => upstream);
  assert.deepEqual(upstreams, [
    { kind: 'stand-in', origin: server, basePath: '/x', local: server },
    { kind: 'stand-in', origin: 'https://real-abc-an.a.run.app', basePath: '/', local: undefined },
  ]);
  const { routes } = await configure(t, { emulate: false, local: [`/mine=${server}`] }, text);
  assert.deepEqual(
    routes.map(({ upstream }) => upstream.kind),
    ['stand-in', 'url'],
  );
  const proxy = await start(t, { emulate: true, local: [] }, text);
  assert.equal((await send(proxy.addresses[0] ?? '', '/mine')).text, 'mine');
});

test('a local server that isn’t up is 502, and counts as an upstream that isn’t there', async (t) => {
  const proxy = await start(t, { emulate: true, local: ['/orders=http://127.0.0.1:1'] });
  const reply = await send(proxy.addresses[0] ?? '', '/orders');
  assert.equal(reply.status, 502);
  assert.match(reply.text, /http:\/\/127\.0\.0\.1:1 can't be reached: ECONNREFUSED/);
  const answers = await proxy.askUpstreams(5_000);
  assert.deepEqual(
    answers.filter(({ fault }) => fault !== undefined),
    [{ route: '/orders', fault: 'its upstream answers 502' }],
  );
});

for (const [local, message] of [
  ['/order=http://localhost:1', /names \/order, and there is no such route/],
  ['http://localhost:1', /doesn't say which route/],
  ['/orders=https://orders.example.com', /no http: server on this machine/],
  ['/orders=http://orders.example.com', /no http: server on this machine/],
  ['/orders=localhost:1', /no http: server on this machine/],
  ['/orders=emulator:hello', /no http: server on this machine/],
] as const) {
  test(`--local ${local} is refused with how to write it`, async (t) => {
    await assert.rejects(configure(t, { emulate: false, local: [local] }), { code: 'usage', message });
  });
}
