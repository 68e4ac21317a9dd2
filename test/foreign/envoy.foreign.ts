import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createSecureServer } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { runExport } from '../../src/commands/export.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createEmulator } from '../../src/emulator/emulator.ts';
import { createProxy } from '../../src/proxy.ts';
import { createIo } from '../commands/config-io.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { ROOT } from '../support/cli.ts';
import { readBody, startUpstream } from '../support/sockets.ts';
import { createFolder } from '../support/stack.ts';
import { prepareEnvoy, startEnvoy, validate } from './envoy-program.ts';
import { REQUESTS } from './envoy-requests.ts';
import { ask, describeOutcome, type Seen } from './outcomes.ts';

// A real Envoy with what `export envoy` writes. Where it can't be had that is said: `npm run test:foreign`.

const dir = await mkdtemp(join(tmpdir(), 'gbp-envoy-'));
after(() => rm(dir, { recursive: true, force: true }));

const envoy = await prepareEnvoy(dir).catch((error: unknown) => {
  const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
  console.error(`\n*** NOT TRIED: Envoy can't be had on this machine (ENVOY=FILE names one): ${reason}\n`);
  return undefined;
});

interface ExportOptions {
  readonly json?: boolean;
  readonly metadataAddress?: string;
  readonly caBundle?: string;
}

/** What `export envoy` writes for a file. */
async function exportFile(
  config: string,
  { json = false, metadataAddress, caBundle }: ExportOptions = {},
): Promise<string> {
  const { io, written } = createIo(dir);
  const rest = { positionals: [], json, strict: false, caBundle, output: undefined };
  assert.equal(await runExport({ flags: { config }, metadataAddress, ...rest }, io), 0);
  return written.stdout;
}

/** The same file in both: our proxy, and Envoy. */
async function startBoth(
  t: TestContext,
  program: string,
  yaml: string,
): Promise<readonly [ours: string, envoys: string]> {
  const cwd = await createFolder(t);
  const file = join(cwd, 'proxy.yaml');
  await writeFile(file, `listen: localhost:0\nadmin: 127.0.0.1:0\n${yaml}`);
  const config = await resolveConfig({ flags: { config: file }, positionals: [], env: {}, cwd });
  const proxy = await createProxy({ config, env: {} });
  t.after(() => proxy.close(0));
  const ours = proxy.addresses.find((address) => address.includes('127.0.0.1')) ?? '';
  const other = await startEnvoy(t, program, await exportFile(file));
  return [ours, other.origin];
}

/** An upstream that says what it saw. */
async function startTelling(t: TestContext): Promise<string> {
  const { origin } = await startUpstream(t, async (request, response) => {
    await readBody(request);
    response.setHeader('Connection', 'close');
    response.end(JSON.stringify({ method: request.method, target: request.url, headers: request.headers }));
  });
  return origin;
}

if (envoy !== undefined) {
  const program = envoy;

  test('a real Envoy takes the export of every example, as YAML and as JSON', async (t) => {
    const examples = await readdir(join(ROOT, 'config', 'examples'));
    assert.ok(examples.length > 10);
    const folder = await createFolder(t);
    const { cert, key } = createTestAuthority().issue(['localhost']);
    // What an example names has to be there: certificates of its listeners.
    for (const name of ['proxy.internal', 'clients-ca']) {
      await writeFile(join(folder, `${name}.pem`), cert);
      await writeFile(join(folder, `${name}-key.pem`), key);
    }
    for (const example of examples) {
      const source = await readFile(join(ROOT, 'config', 'examples', example), 'utf8');
      const file = join(folder, example);
      await writeFile(file, source);
      for (const json of [false, true]) {
        const exported = join(folder, json ? 'envoy.json' : 'envoy.yaml');
        await writeFile(exported, await exportFile(file, { json }));
        await validate(program, exported);
      }
    }
  });

  test('a real Envoy sends each route’s requests with a token of its own audience, from the metadata server', async (t) => {
    const emulator = await createEmulator({ services: ['hello', 'echo'] });
    t.after(() => emulator.close());
    const api = await startTelling(t);
    const file = join(await createFolder(t), 'proxy.yaml');
    await writeFile(
      file,
      `listen: localhost:0
admin: 127.0.0.1:0
credentials: { default: { kind: metadata } }
routes:
  - { path: /api, upstream: "${api}", token: { kind: access, scopes: ["https://www.googleapis.com/auth/bigquery"], quotaProject: my-project } }
  - { path: /hello, upstream: "${emulator.services.hello?.url}" }
  - { path: /echo, upstream: "${emulator.services.echo?.url}", header: x-serverless-authorization }
  - { path: /lost, upstream: "${emulator.services.hello?.url}", token: { kind: id, audience: "https://lost.example" } }
`,
    );
    const text = await exportFile(file, { metadataAddress: emulator.google.metadataHost });
    const { origin, logged } = await startEnvoy(t, program, text);
    const get = (path: string, headers: Record<string, string> = {}) => fetch(origin + path, { headers });

    // No token, no request.
    emulator.faults.set('metadata', { status: 500 });
    const withoutToken = await get('/lost', { Authorization: 'Bearer forged' });
    assert.equal(withoutToken.status, 403);
    assert.match(await withoutToken.text(), /RBAC/);
    emulator.faults.clear();
    assert.equal((await get('/lost')).status, 401, 'an audience that the service doesn’t take');

    const hello = (await (await get('/hello/x?secret=1')).json()) as { verified: { audience: string } };
    assert.equal(hello.verified.audience, emulator.services.hello?.audience);

    // A client's own credentials: its Authorization stays where the token goes elsewhere, and never gets past where it doesn't.
    assert.equal((await get('/hello', { Authorization: 'Bearer forged' })).status, 200);
    const own = {
      Authorization: 'Basic own',
      'Proxy-Authorization': 'Basic b',
      'X-Serverless-Authorization': 'c',
    };
    const echo = JSON.stringify(await (await get('/echo', own)).json());
    assert.match(echo, /Basic own/);
    assert.doesNotMatch(echo, /proxy-authorization|x-envoy/i);

    const audiences = [
      'https://lost.example',
      emulator.services.hello?.audience,
      emulator.services.echo?.audience,
    ];
    assert.deepEqual(new Set(emulator.mints.map(({ audience }) => audience)), new Set(audiences));
    assert.equal(emulator.mints.length, 3, 'tokens are kept');

    const { headers } = (await (await get('/api', { Authorization: 'Basic own' })).json()) as Seen;
    assert.match(headers.authorization ?? '', /^Bearer ya29/);
    assert.equal(headers['x-goog-user-project'], 'my-project');
    const token = headers.authorization?.slice('Bearer '.length);
    const info = await fetch(`${emulator.google.url}/tokeninfo?access_token=${token}`);
    assert.equal(
      ((await info.json()) as { scope: string }).scope,
      'https://www.googleapis.com/auth/bigquery',
    );

    const access = await logged(6);
    assert.match(access, /"upstream_path":"\/x"/);
    assert.doesNotMatch(access, /secret|Bearer|Basic/);
  });

  test('a real Envoy reaches a Cloud Run service over TLS, by its certificate, and with gRPC over HTTP/2', async (t) => {
    const emulator = await createEmulator({ services: [] });
    t.after(() => emulator.close());
    const authority = createTestAuthority();
    const server = createSecureServer({ ...authority.issue(['*.a.run.app']), allowHTTP1: true });
    server.on('request', (request, response) => {
      response.end(JSON.stringify({ version: request.httpVersion, headers: request.headers }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const host = 'orders-abc123-an.a.run.app';
    const folder = await createFolder(t);
    const [file, caBundle] = [join(folder, 'proxy.yaml'), join(folder, 'ca.pem')];
    const routes = `routes: [{ path: /, upstream: "https://${host}" }]`;
    await writeFile(
      file,
      `listen: localhost:0\nadmin: 127.0.0.1:0\ncredentials: { default: { kind: metadata } }\n${routes}\n`,
    );
    /** Through an Envoy that trusts this authority, and to which the service's name is this machine. */
    const start = async (trusted: string): Promise<string> => {
      await writeFile(caBundle, trusted);
      const { metadataHost: metadataAddress } = emulator.google;
      const text = await exportFile(file, { json: true, metadataAddress, caBundle });
      const here = JSON.stringify({ address: '127.0.0.1', port_value: port });
      const moved = JSON.stringify(JSON.parse(text))
        .replaceAll(JSON.stringify({ address: host, port_value: 443 }), here)
        .replaceAll('"LOGICAL_DNS"', '"STATIC"');
      return (await startEnvoy(t, program, moved)).origin;
    };
    const origin = await start(authority.cert);
    const get = async (headers: Record<string, string> = {}) =>
      (await (await fetch(origin, { headers })).json()) as {
        version: string;
        headers: Record<string, string>;
      };

    const plain = await get();
    assert.equal(plain.version, '1.1');
    assert.equal(plain.headers.host, host);
    assert.match(plain.headers.authorization ?? '', /^Bearer e/);
    assert.equal(plain.headers['x-serverless-authorization'], undefined);
    const own = await get({ Authorization: 'Basic own' });
    assert.equal(own.headers.authorization, 'Basic own');
    assert.match(own.headers['x-serverless-authorization'] ?? '', /^Bearer e/);
    const grpc = await get({ 'Content-Type': 'application/grpc+proto' });
    assert.equal(grpc.version, '2.0');
    assert.match(grpc.headers.authorization ?? '', /^Bearer e/);
    assert.deepEqual(new Set(emulator.mints.map(({ audience }) => audience)), new Set([`https://${host}`]));

    assert.equal((await fetch(await start(createTestAuthority().cert))).status, 503);
  });

  test('a real Envoy has TLS for its clients, limits, WebSocket and CORS', async (t) => {
    const upstream = await startTelling(t);
    const authority = createTestAuthority();
    const { cert, key } = authority.issue(['localhost']);
    const folder = await createFolder(t);
    for (const [name, text] of Object.entries({ 'cert.pem': cert, 'key.pem': key }))
      await writeFile(join(folder, name), text);
    const file = join(folder, 'proxy.yaml');
    const socket = join(folder, 'proxy.sock');
    await writeFile(
      file,
      `listen: [localhost:0, { address: "unix:${socket}" }, { address: "localhost:0", tls: { cert: cert.pem, key: key.pem } }]
admin: 127.0.0.1:0
credentials: { default: { kind: none } }
routes:
  - { path: /, upstream: "${upstream}" }
  - { path: /small, upstream: "${upstream}", limits: { body: 10 } }
  - { path: /rare, upstream: "${upstream}", protocol: auto, limits: { rate: 2/h } }
`,
    );
    const { origin, ports } = await startEnvoy(t, program, await exportFile(file));
    const post = (body: string) => fetch(`${origin}/small`, { method: 'POST', body });
    assert.equal((await post('0123456789')).status, 200);
    assert.equal((await post('0123456789a')).status, 413);

    // One bucket, whichever of Envoy's routes a request takes.
    const hosts = ['127.0.0.1', 'localhost', 'any.localhost'];
    const rates = [];
    for (const host of hosts) rates.push((await ask(origin, 'GET /rare', [`Host: ${host}`])).status);
    assert.deepEqual(rates, [200, 200, 429]);

    const page = await fetch(origin, { headers: { Origin: 'http://localhost:3000' } });
    assert.equal(page.headers.get('access-control-allow-origin'), 'http://localhost:3000');
    const preflight = await fetch(`${origin}/`, {
      method: 'OPTIONS',
      headers: { Origin: 'http://localhost:3000', 'Access-Control-Request-Method': 'PUT' },
    });
    assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /PUT/);

    const overTls = await new Promise<string>((resolve, reject) => {
      const request = httpsRequest({
        port: ports[1],
        host: '127.0.0.1',
        servername: 'localhost',
        ca: authority.cert,
        headers: { Host: 'localhost' },
      });
      request
        .on('response', async (response) => resolve(String(await readBody(response))))
        .on('error', reject)
        .end();
    });
    assert.match(overTls, /"x-forwarded-proto":"https"/);
    const overSocket = await new Promise<string>((resolve, reject) => {
      const request = httpRequest({ socketPath: socket, headers: { Host: 'localhost' } });
      request
        .on('response', async (response) => resolve(String(await readBody(response))))
        .on('error', reject)
        .end();
    });
    assert.match(overSocket, /"x-forwarded-for":"127.0.0.1"/);
    assert.equal((await stat(socket)).mode & 0o777, 0o600);
  });

  test('a real Envoy switches to WebSocket', async (t) => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    t.after(() => server.close());
    server.on('connection', (socket, request) =>
      socket.on('message', (data) => socket.send(`${request.url} ${data}`)),
    );
    const { port } = server.address() as AddressInfo;
    const file = join(await createFolder(t), 'proxy.yaml');
    const route = `{ path: /ws, upstream: "http://127.0.0.1:${port}", token: none, protocol: http2 }`;
    await writeFile(file, `listen: localhost:0\nadmin: 127.0.0.1:0\nroutes: [${route}]\n`);
    const { origin } = await startEnvoy(t, program, await exportFile(file));
    const client = new WebSocket(`${origin.replace('http', 'ws')}/ws/x`);
    await once(client, 'open');
    client.send('hello');
    const [answer] = await once(client, 'message');
    assert.equal(String(answer), '/x hello');
    client.close();
    await once(client, 'close');
  });

  test('a real Envoy takes the same requests as the proxy, and sends them on the same way', async (t) => {
    const upstream = await startTelling(t);
    const [ours, envoys] = await startBoth(
      t,
      program,
      `credentials: { default: { kind: none } }
gate: { hosts: [proxy.internal], origins: ["https://app.example.com"] }
routes:
  - { path: /orders, upstream: "${upstream}", localize: false }
  - { path: /based, upstream: "${upstream}/base/v2" }
  - { path: /kept, upstream: "${upstream}/base", stripPath: false }
  - { path: /kept/deep, upstream: "${upstream}", stripPath: false, headers: { set: { X-Env: "a%b" }, remove: [cookie] }, forwarded: none }
  - { path: /read, upstream: "${upstream}", readOnly: true }
  - { path: /listed, upstream: "${upstream}", methods: [GET, POST], paths: [/, /v1/**, "/users/*/avatar"] }
  - { path: /closed, upstream: "${upstream}", cors: false }
  - { path: /small, upstream: "${upstream}", limits: { body: 10 } }
  - { host: shop.localhost, upstream: "${upstream}/shop" }
  - { host: shop.localhost, path: /api, upstream: "${upstream}", stripPath: false }
  - { host: shop.example, path: /only, upstream: "${upstream}" }
`,
    );
    // All at once: Envoy takes a second to close each connection.
    const compared = await Promise.all(
      REQUESTS.map(async ([line, ...headers]) => {
        const outcomes = await Promise.all([ours, envoys].map((origin) => ask(origin, line, headers)));
        const [one, other] = outcomes
          .map(describeOutcome)
          .map((text, index) => text.replaceAll(new URL(index === 0 ? ours : envoys).host, 'THIS'));
        const request = [line, ...headers].join(' | ');
        return one === other ? [] : [`${request}\n  ours:  ${one}\n  envoy: ${other}`];
      }),
    );
    const differences = compared.flat();
    assert.ok(differences.length === 0, differences.join('\n'));
  });
}
