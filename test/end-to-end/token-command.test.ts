import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createEmulator } from '../../src/emulator/emulator.ts';
import { runCli } from '../support/cli.ts';
import { createFolder, send } from '../support/stack.ts';

async function prepare(t: TestContext) {
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'key.json'), JSON.stringify(emulator.credentials.serviceAccount));
  const hello = emulator.services.hello?.url ?? '';
  await writeFile(
    join(cwd, 'proxy.yaml'),
    `credentials: { default: { kind: key-file, path: key.json }, nobody: { kind: none } }
routes:
  - { path: /hello, upstream: "${hello}" }
  - { path: /beside, upstream: "${hello}", header: x-serverless-authorization }
  - { path: /public, upstream: "${hello}", token: none }
  - { path: /bare, upstream: "${hello}", credentials: nobody }
  - { path: /api, upstream: "${hello}", token: { kind: access, scopes: [https://www.googleapis.com/auth/cloud-platform] } }
`,
  );
  return { emulator, hello, run: (...args: string[]) => runCli(t, ['token', ...args], { cwd }) };
}

test('token prints an ID token that the service takes, and nothing else on stdout', async (t) => {
  const { hello, run } = await prepare(t);
  const { code, stdout, stderr } = await run('/hello');
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const reply = await send(hello, '/', 'GET', { Authorization: `Bearer ${stdout.trim()}` });
  assert.equal(reply.status, 200);
});

test('token --header prints a line that curl takes as it is', async (t) => {
  const { hello, run } = await prepare(t);
  const { stdout } = await run('/hello', '--header');
  const [name = '', value = ''] = stdout.trimEnd().split(': ');
  assert.equal(name, 'Authorization');
  assert.equal((await send(hello, '/', 'GET', { [name]: value })).status, 200);
});

test('token --header names the header of the route', async (t) => {
  const { hello, run } = await prepare(t);
  const { stdout } = await run('/beside', '--header');
  const [name = '', value = ''] = stdout.trimEnd().split(': ');
  assert.equal(name, 'X-Serverless-Authorization');
  assert.equal((await send(hello, '/', 'GET', { [name]: value })).status, 200);
});

test('token says that a route sends none', async (t) => {
  const { run } = await prepare(t);
  for (const route of ['/public', '/bare']) {
    const { code, stderr } = await run(route);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`Route ${route} sends no token`));
  }
});

test('token --claims prints who and for whom, never the signature', async (t) => {
  const { emulator, run } = await prepare(t);
  const { stdout } = await run('https://anything.example', '--claims');
  const claims = JSON.parse(stdout);
  assert.equal(claims.aud, 'https://anything.example');
  assert.equal(claims.email, emulator.accounts.developer);
  assert.doesNotMatch(stdout, /eyJ/);
});

test('token --json has token, identity, expiry and project', async (t) => {
  const { emulator, run } = await prepare(t);
  const id = JSON.parse((await run('/hello', '--json')).stdout);
  assert.equal(id.identity, emulator.accounts.developer);
  assert.ok(Date.parse(id.expiresAt) > Date.now() + 3_000_000);
  const access = JSON.parse((await run('/api', '--json')).stdout);
  assert.equal(access.kind, 'access');
  assert.equal(access.project, 'emulated-project');
  assert.equal(id.project, 'emulated-project');
});

test('token --access prints an access token and nothing else', async (t) => {
  const { emulator, run } = await prepare(t);
  const { stdout, stderr } = await run('--access');
  assert.equal(emulator.mints.at(-1)?.value, stdout.trim());
  assert.equal(emulator.mints.at(-1)?.kind, 'access');
  assert.equal(stderr, '');
  const claims = await run('/api', '--claims');
  assert.equal(claims.code, 2);
  assert.match(claims.stderr, /no claims to decode/);
});

test('token says what it can’t do: a mistyped route is exit 2, a missing key exit 4', async (t) => {
  const { run } = await prepare(t);
  const mistyped = await run('/helo');
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.stderr, /Did you mean \/hello\?/);
  const cwd = await createFolder(t);
  const config =
    'credentials: { default: { kind: key-file, path: gone.json } }\nroutes: [{ path: /, upstream: "https://a.run.app" }]\n';
  await writeFile(join(cwd, 'proxy.yaml'), config);
  const missing = await runCli(t, ['token'], { cwd });
  assert.equal(missing.code, 4);
  assert.match(missing.stderr, /gone\.json/);
});
