import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEmulator } from '../../src/emulator/emulator.ts';
import { runCli } from '../support/cli.ts';
import { startGoogleTls } from '../support/google-tls.ts';
import { createFolder, startStack } from '../support/stack.ts';

interface Hello {
  readonly verified: { readonly email: string; readonly audience: string };
}

// `startStack` looks at everything the program wrote, and at each of its own answers, for tokens and secrets (R23).

test('R23, R24: each route goes as its own identity, of every kind there is, and nothing shows a token', async (t) => {
  const { call, emulator, cli, ready } = await startStack(t, {
    credentials: `default: { kind: key-file, path: "<dir>/serviceAccount.json" }
  env-key: { kind: key-file, key: env:GCP_KEY }
  login: { kind: user, path: "<dir>/authorizedUser.json" }
  runner: { kind: impersonate, account: runner@emulated-project.iam.gserviceaccount.com, source: login }
  github: { kind: federated, path: "<dir>/federatedGithub.json", serviceAccount: runner@emulated-project.iam.gserviceaccount.com }
  aws: { kind: federated, path: "<dir>/federatedAws.json", serviceAccount: runner@emulated-project.iam.gserviceaccount.com }
  workforce: { kind: user, path: "<dir>/workforceUser.json" }
  stranger: { kind: key-file, path: "<dir>/stranger.json" }
  missing: { kind: token, from: env:NO_SUCH_TOKEN }
  nobody: { kind: none }`,
    routes: `  - { path: /key, upstream: "<hello>" }
  - { path: /env-key, upstream: "<hello>", credentials: env-key }
  - { path: /login, upstream: "<hello>", credentials: login }
  - { path: /runner, upstream: "<hello>", credentials: runner }
  - { path: /github, upstream: "<hello>", credentials: github }
  - { path: /aws, upstream: "<hello>", credentials: aws }
  - { path: /workforce, upstream: "<hello>", credentials: workforce }
  - { path: /stranger, upstream: "<hello>", credentials: stranger }
  - { path: /missing, upstream: "<hello>", credentials: missing }
  - { path: /nobody, upstream: "<hello>", credentials: nobody }
  - { path: /access, upstream: "<echo>", token: { kind: access, quotaProject: billed } }`,
    // Google's real names lead to the emulator.
    env: async (emulator) => ({
      ...(await startGoogleTls(t, emulator)).env,
      GCP_KEY: JSON.stringify(emulator.credentials.serviceAccount),
    }),
  });
  const { developer, runner, user } = emulator.accounts;
  const identities = {
    key: developer,
    'env-key': developer,
    login: user,
    runner,
    github: runner,
    aws: runner,
  };
  for (const [route, email] of Object.entries(identities)) {
    const reply = await call(`/${route}`);
    assert.equal(reply.status, 200, `${route}: ${reply.text}`);
    assert.equal(reply.json<Hello>().verified.email, email);
    assert.equal(ready.routes.find(({ name }) => name === `/${route}`)?.ready, true);
  }
  for (const [route, code, hint] of [
    ['workforce', 'credentials_invalid', /kind: impersonate/],
    ['missing', 'credentials_invalid', /NO_SUCH_TOKEN/],
  ] as const) {
    const reply = await call(`/${route}`);
    assert.equal(reply.status, 502);
    const { error } = reply.json<{ error: { code: string; message: string; hint: string } }>();
    assert.equal(error.code, code);
    assert.match(`${error.message} ${error.hint}`, hint);
  }
  assert.equal((await call('/nobody')).status, 403, 'the service’s own answer to a request without a token');
  assert.equal((await call('/stranger')).status, 403);
  assert.equal((await call('/access')).status, 401, 'an access token is none that the service takes');
  await cli.seen('roles/run.invoker');
  assert.match(cli.output.stderr, /\/login: .*OAuth client/, 'a person’s token is told once per route');
});

test('a quota project goes along with the first call and with every cached one', async (t) => {
  const seen: (string | undefined)[] = [];
  const { createServer } = await import('node:http');
  const upstream = createServer((request, response) => {
    seen.push(request.headersDistinct['x-goog-user-project']?.join(','));
    response.end();
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  t.after(() => upstream.close());
  const address = upstream.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const { call } = await startStack(t, {
    credentials: 'default: { kind: user, path: "<dir>/authorizedUser.json" }',
    routes: `  - { path: /own, upstream: "http://127.0.0.1:${port}", token: access }
  - { path: /billed, upstream: "http://127.0.0.1:${port}", token: { kind: access, quotaProject: billed } }`,
  });
  for (const path of ['/own', '/own', '/billed', '/billed'])
    assert.equal((await call(path, { headers: { 'X-Goog-User-Project': 'client' } })).status, 200);
  assert.deepEqual(seen, ['emulated-project', 'emulated-project', 'billed', 'billed']);
});

test('a credential file of another universe is refused with the line to write', async (t) => {
  const emulator = await createEmulator({ services: [], universeDomain: 'apis-elsewhere.example' });
  t.after(() => emulator.close());
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'key.json'), JSON.stringify(emulator.credentials.serviceAccount));
  await writeFile(
    join(cwd, 'proxy.yaml'),
    'credentials: { default: { kind: key-file, path: key.json } }\nroutes: [{ path: /, upstream: "https://a.run.app" }]\n',
  );
  const { code, stderr } = await runCli(t, ['token'], { cwd });
  assert.equal(code, 4);
  assert.match(stderr, /apis-elsewhere\.example/);
  assert.match(stderr, /universeDomain: apis-elsewhere\.example/);
});
