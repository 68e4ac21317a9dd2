import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { useEmulator } from '../auth/credentials/setting.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { runCli, startCli } from '../support/cli.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { handshake } from '../support/handshakes.ts';
import { ask, connectHttp2 } from '../support/http2-clients.ts';
import { exchangeBytes, startTlsUpstream } from '../support/sockets.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';
import { type LeakyUpstream, startLeakyUpstream } from './leaky-upstream.ts';
import { assertNoSecret, listSecrets } from './secrets.ts';

const setting = useEmulator({ services: ['hello'] });

/** Something nobody else would write. */
const canary = (): string => `canary${randomBytes(12).toString('hex')}`;
/** What a client sends that is nobody's business. */
const CLIENT = { cookie: canary(), query: canary(), body: canary(), header: canary() };
const PROXY_PASSWORD = canary();
const API_KEY = canary();
const CRASH = 'crash.mjs';

/** Throws, on a signal, what a careless library throws: an error that holds a request. */
const PRELOAD = `import { readFileSync } from 'node:fs';
process.on('SIGWINCH', () => {
  const authorization = 'Bearer ' + readFileSync(new URL('token.txt', import.meta.url), 'utf8');
  throw Object.assign(new Error('request failed: Authorization: ' + authorization), { config: { headers: { authorization } }, authorization });
});
`;

interface Stage {
  readonly dir: string;
  readonly upstream: LeakyUpstream;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: () => readonly string[];
}

async function prepare(t: TestContext): Promise<Stage> {
  const emulator = setting.google;
  const upstream = await startLeakyUpstream(t);
  const { port } = await startTlsUpstream(t, createTestAuthority().issue(['localhost']), (_, response) =>
    response.end(),
  );
  const forwardProxy = await startConnectProxy(t, { credentials: 'other:other' });
  const dir = await createFolder(t);
  const { authorizedUser, serviceAccount, stranger, impersonated } = emulator.credentials;
  const revoked = {
    ...authorizedUser,
    refresh_token: `1//0${canary()}`,
    client_secret: `GOCSPX-${canary()}`,
  };
  const damaged = { ...serviceAccount, private_key: `-----BEGIN PRIVATE KEY-----\n${canary()}\n` };
  const files = { authorizedUser, stranger, impersonated, revoked, damaged };
  for (const [name, file] of Object.entries(files))
    await writeFile(join(dir, `${name}.json`), JSON.stringify(file));
  await writeFile(join(dir, CRASH), PRELOAD);
  const hello = emulator.services.hello?.url;
  const access = 'token: { kind: access, scopes: [https://www.googleapis.com/auth/cloud-platform] }';
  await writeFile(
    join(dir, 'proxy.yaml'),
    `credentials:
  default: { kind: key-file, key: "env:GCP_KEY" }
  user: { kind: user, path: authorizedUser.json }
  impersonated: { kind: adc }
  stranger: { kind: key-file, path: stranger.json }
  revoked: { kind: user, path: revoked.json }
  damaged: { kind: key-file, path: damaged.json }
  given: { kind: token, from: "env:A_TOKEN" }
routes:
  - { path: /leaky, upstream: "${upstream.origin}", headers: { set: { X-Api-Key: ${API_KEY} } } }
  - { path: /leaky/silent, upstream: "${upstream.origin}/silent", timeout: { headers: 200ms } }
  - { path: /leaky2, upstream: "${upstream.http2Origin}", protocol: http2, credentials: user, ${access} }
  - { path: /hello, upstream: "${hello}" }
  - { path: /stranger, upstream: "${hello}", credentials: stranger }
  - { path: /revoked, upstream: "${hello}", credentials: revoked }
  - { path: /damaged, upstream: "${hello}", credentials: damaged }
  - { path: /impersonated, upstream: "${hello}", credentials: impersonated }
  - { path: /given, upstream: "${hello}", credentials: given }
  - { path: /tls, upstream: "https://localhost:${port}" }
  - { path: /away, upstream: "https://private.example" }
`,
  );
  const env = {
    GCP_KEY: JSON.stringify(serviceAccount),
    A_TOKEN: `eyJ${canary()}.${canary()}.${canary()}`,
    HTTPS_PROXY: `http://me:${PROXY_PASSWORD}@${forwardProxy.url.host}`,
    GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'impersonated.json'),
    // What is let be of each kind of debugging.
    NODE_DEBUG: 'stream,timer,http2,tls,fetch,undici,dns,fs,child_process,url,worker',
  };
  const fixed = [revoked.refresh_token, revoked.client_secret, damaged.private_key, env.A_TOKEN];
  const others = [PROXY_PASSWORD, API_KEY, ...Object.values(CLIENT)];
  return { dir, upstream, env, secrets: () => [...listSecrets(emulator), ...fixed, ...others] };
}

const BREAKING = ['silent', 'reset', 'garbage', 'bad-length', 'bad-field', 'bad-status'];
const REDIRECTS = ['301', '302', '303', '307', '308'].flatMap((status) => [
  `redirect/${status}`,
  `elsewhere/${status}`,
]);
const PATHS = [
  ...['200', '404', '418', '500', '503', ...BREAKING, ...REDIRECTS].map((path) => `/leaky/${path}`),
  ...['/hello', '/stranger', '/revoked', '/damaged', '/impersonated', '/given', '/tls', '/away', '/nowhere'],
];

/** Every way through the proxy; gives back what clients were answered, bodies of upstreams aside. */
async function exercise(t: TestContext, url: string): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const fields = `Host: localhost\r\nTE: trailers\r\nCookie: sid=${CLIENT.cookie}\r\nX-Own: ${CLIENT.header}\r\nConnection: close, TE\r\n`;
  const query = `?q=${CLIENT.query}`;
  const bodyBytes = `Content-Length: ${CLIENT.body.length}\r\n\r\n${CLIENT.body}`;
  const get = async (target: string): Promise<void> => {
    answers.set(`GET ${target}`, await exchangeBytes(url, `GET ${target}${query} HTTP/1.1\r\n${fields}\r\n`));
    const post = `POST ${target}${query} HTTP/1.1\r\n${fields}${bodyBytes}`;
    answers.set(`POST ${target}`, await exchangeBytes(url, post));
  };
  await Promise.all(PATHS.map(get));
  const cutOff = await exchangeBytes(url, `GET /leaky/cut-off HTTP/1.1\r\n${fields}\r\n`);
  answers.set('GET /leaky/cut-off', cutOff.split('\r\n\r\n', 1)[0] ?? '');
  const foreign = `GET /hello${query} HTTP/1.1\r\n${fields}Origin: https://foreign.example\r\n\r\n`;
  answers.set('foreign', await exchangeBytes(url, foreign));
  for (const target of ['/leaky/once', '/stranger', '/tls'])
    answers.set(
      `handshake ${target}`,
      await exchangeBytes(url, handshake(target, `Cookie: sid=${CLIENT.cookie}\r\n`)),
    );
  const session = connectHttp2(t, url);
  const type = 'application/grpc';
  for (const path of ['/leaky2/', '/leaky/200', '/leaky/reset', '/leaky/silent', '/stranger', '/damaged'])
    for (const more of [{}, { ':method': 'POST', 'content-type': type, te: 'trailers' }]) {
      const asked = ask(session, { ':path': `${path}${query}`, cookie: CLIENT.cookie, ...more }, CLIENT.body);
      answers.set(`${Object.keys(more).length} h2 ${path}`, JSON.stringify(await asked));
    }
  return answers;
}

async function readReports(dir: string): Promise<string> {
  const names = (await readdir(dir)).filter((name) => name.startsWith('report.'));
  return (await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')))).join('\n');
}

test('R22, R23: a whole run, a report and a crash show no secret anywhere', async (t) => {
  const { dir, upstream, env, secrets } = await prepare(t);
  const reports = `--report-on-signal --report-uncaught-exception --report-on-fatalerror --report-directory=${dir}`;
  const NODE_OPTIONS = `${reports} --import=${pathToFileURL(join(dir, CRASH)).href}`;
  const before = await readdir(dir);
  const cli = startCli(t, ['start', '--port', '0', '--json-ready'], {
    cwd: dir,
    env: { ...env, NODE_OPTIONS, DEBUG: 'http-proxy*,gaxios*' },
  });
  const { addresses, adminUrl, routes } = await cli.ready<ReadyLine>();
  assert.equal(routes.filter(({ ready }) => ready).length, 8, JSON.stringify(routes));
  const answers = await exercise(t, addresses[0] ?? '');
  assert.match(answers.get('GET /hello') ?? '', /^HTTP\/1\.1 200 /);
  assert.match(answers.get('GET /impersonated') ?? '', /^HTTP\/1\.1 200 /);
  assert.match(answers.get('handshake /leaky/once') ?? '', /^HTTP\/1\.1 101 /);
  assert.match(answers.get('GET /leaky/200') ?? '', /Set-Cookie: plain=1[\s\S]*X-Plain: kept/);
  for (const path of [
    '/livez',
    '/readyz',
    '/startupz',
    '/metrics',
    '/config',
    '/status',
    '/',
    '/token',
    '/debug',
  ])
    answers.set(`admin ${path}`, JSON.stringify(await send(adminUrl ?? '', path)));
  cli.child.kill('SIGUSR2');
  await cli.seen('Node.js report completed');
  await writeFile(join(dir, 'token.txt'), setting.google.mints.at(-1)?.value ?? '');
  cli.child.kill('SIGWINCH');
  const { code, stdout, stderr } = await cli.ended;
  assert.equal(code, 1);
  assert.match(stderr, /unexpected error\nError: request failed/);

  for (const [what, answer] of answers) assertNoSecret(`the answer to ${what}`, answer, secrets());
  assertNoSecret('stdout', stdout, secrets());
  assertNoSecret('stderr', stderr, secrets());
  const report = await readReports(dir);
  assert.match(report, /"javascriptStack"/);
  assertNoSecret('a diagnostic report', report, secrets());
  const written = (await readdir(dir)).filter((name) => !before.includes(name) && name !== 'token.txt');
  assert.deepEqual(
    written.filter((name) => !name.startsWith('report.')),
    [],
    'files that nobody asked for',
  );
  assert.equal(upstream.visits(), 0, 'a redirect was followed');
});

test('R23: check shows no secret, as text and as JSON', async (t) => {
  const { dir, env, secrets } = await prepare(t);
  const runs = await Promise.all(
    [['check'], ['check', '--json']].map((args) => runCli(t, args, { cwd: dir, env })),
  );
  for (const { code, stdout, stderr } of runs) {
    assert.equal(code, 4, stderr);
    assertNoSecret('what check says', stdout + stderr, secrets());
  }
});
