import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { type CliResult, ROOT, runCli, startCli } from '../support/cli.ts';
import { type GoogleTls, startGoogleTls } from '../support/google-tls.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';

const TOKEN = 'https://oauth2.googleapis.com/token';
const STS = 'https://sts.googleapis.com/v1/token';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const RUN_HOST = 'hello-abc123-an.a.run.app';
const RUN_URL = `https://${RUN_HOST}`;

/** The addresses stay as they are in the library and in files from the Cloud console; only the network is ours. */
interface Setting {
  readonly emulator: Emulator;
  readonly google: GoogleTls;
  readonly dir: string;
  readonly hello: string;
  /** `token` for a route with this credential and kind of token. */
  token(credential: string, args?: readonly string[], env?: Record<string, string>): Promise<CliResult>;
}

async function prepare(t: TestContext): Promise<Setting> {
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const { hello } = emulator.services;
  assert.ok(hello);
  hello.set({ hosts: [RUN_HOST] });
  const google = await startGoogleTls(t, emulator, { [RUN_HOST]: hello.url });
  const dir = await createFolder(t);
  const { serviceAccount, authorizedUser, federatedGithubRunner } = emulator.credentials;
  const { token_uri: _, ...login } = authorizedUser;
  const { runner } = emulator.accounts;
  await writeFile(join(dir, 'key.json'), JSON.stringify({ ...serviceAccount, token_uri: TOKEN }));
  await writeFile(join(dir, 'login.json'), JSON.stringify(login));
  const { cloud_resource_manager_url: __, ...fromGcloud } = federatedGithubRunner;
  const federated = {
    ...fromGcloud,
    token_url: STS,
    service_account_impersonation_url: `${toAccountUrl(runner)}:generateAccessToken`,
  };
  await writeFile(join(dir, 'federated.json'), JSON.stringify(federated));
  return {
    emulator,
    google,
    dir,
    hello: hello.url,
    async token(credential, args = [], env = {}) {
      const config = `credentials:
  key: { kind: key-file, path: key.json }
  runner: { kind: impersonate, account: ${runner}, source: key }
  adc: { kind: adc }
  user: { kind: user, path: login.json }
  github: { kind: federated, provider: "${emulator.federation.providers.github}", from: github, serviceAccount: ${runner} }
  aws: { kind: federated, provider: "${emulator.federation.providers.aws}", from: aws, serviceAccount: ${runner} }
routes:
  - { path: /id, upstream: "${RUN_URL}", credentials: ${credential} }
  - { path: /api, upstream: "https://storage.googleapis.com", credentials: ${credential}, token: { kind: access, scopes: [${SCOPE}] } }
`;
      await writeFile(join(dir, 'proxy.yaml'), config);
      return runCli(t, ['token', ...args], { cwd: dir, env: { ...google.env, ...env } });
    },
  };
}

function toAccountUrl(email: string): string {
  return `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${email}`;
}

/** Whether the service takes an ID token, and whose it says it is. */
async function introduce(hello: string, { code, stdout, stderr }: CliResult): Promise<unknown> {
  assert.equal(code, 0, stderr);
  const reply = await send(hello, '/', 'GET', { Authorization: `Bearer ${stdout.trim()}` });
  assert.equal(reply.status, 200, reply.text);
  return reply.json<{ verified: { email: string } }>().verified.email;
}

test('a key file from the Cloud console buys ID tokens at the address that the library has built in', async (t) => {
  const { token, google, hello, emulator } = await prepare(t);
  const { developer } = emulator.accounts;
  assert.equal(await introduce(hello, await token('key', ['/id'])), developer);
  assert.deepEqual(google.connects, ['oauth2.googleapis.com:443']);
  assert.deepEqual(google.requests, [`POST ${TOKEN}`]);
});

test('a key file from the Cloud console buys access tokens there', async (t) => {
  const { token, google, emulator } = await prepare(t);
  const { code, stdout, stderr } = await token('key', ['/api']);
  assert.equal(code, 0, stderr);
  const { kind, identity, value } = emulator.mints.at(-1) ?? {};
  assert.deepEqual([kind, identity, value], ['access', emulator.accounts.developer, stdout.trim()]);
  assert.deepEqual(google.requests, [`POST ${TOKEN}`]);
});

test('a service account is impersonated at the address that the library has built in', async (t) => {
  const { token, google, hello, emulator } = await prepare(t);
  const { runner } = emulator.accounts;
  assert.equal(await introduce(hello, await token('runner', ['/id'])), runner);
  assert.deepEqual(google.requests, [`POST ${TOKEN}`, `POST ${toAccountUrl(runner)}:generateIdToken`]);
});

test('federated identities buy ID tokens at the real addresses: a GitHub Actions job, an AWS role, a file from gcloud', async (t) => {
  const { token, google, hello, emulator, dir } = await prepare(t);
  const { githubEnv, awsEnv } = emulator.federation;
  const { runner } = emulator.accounts;
  const requests = [`POST ${STS}`, `POST ${toAccountUrl(runner)}:generateIdToken`];
  for (const [credential, env] of [
    ['github', { ...githubEnv, GITHUB_ACTIONS: 'true' }],
    ['aws', awsEnv],
    ['adc', { GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'federated.json') }],
  ] as const) {
    assert.equal(await introduce(hello, await token(credential, ['/id'], env)), runner, credential);
    assert.deepEqual(google.requests.slice(-2), requests, credential);
  }
  assert.equal(google.requests.length, 6);
});

test('a login of a person’s is refreshed at the address that the library has built in', async (t) => {
  const { token, google, hello, emulator } = await prepare(t);
  assert.equal(await introduce(hello, await token('user', ['/id'])), emulator.accounts.user);
  assert.deepEqual(google.requests, [`POST ${TOKEN}`]);
});

test('application default credentials of a person are refreshed at the address that the library has built in', async (t) => {
  const { token, google, hello, emulator, dir } = await prepare(t);
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'login.json') };
  assert.equal(await introduce(hello, await token('adc', ['/id'], env)), emulator.accounts.user);
  assert.deepEqual(google.requests, [`POST ${TOKEN}`]);
});

test('the library alone, with no code of ours, gets an ID token there: the stage is right', async (t) => {
  const { google, hello, dir } = await prepare(t);
  const script = `
    import { GoogleAuth } from 'google-auth-library';
    const client = await new GoogleAuth().getIdTokenClient('${hello}');
    const headers = await client.getRequestHeaders();
    console.log(headers.get('authorization'));
  `;
  const { PATH, SystemRoot } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: ROOT,
    env: {
      PATH,
      SystemRoot,
      ...google.env,
      GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'key.json'),
      GOOGLE_CLOUD_PROJECT: 'emulated-project',
    },
  });
  const reply = await send(hello, '/', 'GET', { Authorization: stdout.trim() });
  assert.equal(reply.status, 200, reply.text);
  assert.deepEqual(google.requests, [`POST ${TOKEN}`]);
});

/** The program with these routes, in a network where nothing but the forward proxy can be reached. */
async function startProxy(t: TestContext, { dir, google }: Setting, routes: string): Promise<string> {
  const config = `credentials: { default: { kind: key-file, path: key.json } }\nroutes:\n${routes}`;
  await writeFile(join(dir, 'proxy.yaml'), config);
  const cli = startCli(t, ['start', '--port', '0', '--json-ready'], { cwd: dir, env: google.env });
  const ready = await cli.ready<ReadyLine>();
  return ready.addresses[0] ?? ready.url;
}

test('certificates from caFile are enough, for Google and for the upstream', async (t) => {
  const setting = await prepare(t);
  const { NODE_EXTRA_CA_CERTS: _, ...env } = setting.google.env;
  const config = `credentials: { default: { kind: key-file, path: key.json } }
caFile: ${JSON.stringify(setting.google.caFile)}
routes: [{ path: /hello, upstream: "${RUN_URL}" }]
`;
  await writeFile(join(setting.dir, 'proxy.yaml'), config);
  const cli = startCli(t, ['start', '--port', '0', '--json-ready'], { cwd: setting.dir, env });
  const { addresses } = await cli.ready<ReadyLine>();
  assert.equal((await send(addresses[0] ?? '', '/hello')).status, 200);
  // And without it nobody is trusted.
  await writeFile(join(setting.dir, 'proxy.yaml'), config.replace(/^caFile.*$/m, ''));
  const { code, stderr } = await runCli(t, ['token'], { cwd: setting.dir, env });
  assert.equal(code, 4);
  assert.match(stderr, /caFile: /);
});

test('production as it is: TLS to *.run.app and to Google, through the forward proxy, with a token for the real URL', async (t) => {
  const setting = await prepare(t);
  const { google, emulator } = setting;
  const url = await startProxy(t, setting, `  - { path: /hello, upstream: "${RUN_URL}" }\n`);
  const reply = await send(url, '/hello/world');
  assert.equal(reply.status, 200, reply.text);
  const { email, audience } = reply.json<{ verified: Record<string, unknown> }>().verified;
  assert.deepEqual([email, audience], [emulator.accounts.developer, RUN_URL]);
  assert.deepEqual([...new Set(google.connects)].sort(), [`${RUN_HOST}:443`, 'oauth2.googleapis.com:443']);
  assert.ok(google.requests.includes(`GET ${RUN_URL}/world`));
});

test('Identity-Aware Proxy takes the ID token for its OAuth client, and the JWT the account signed for the URL', async (t) => {
  const setting = await prepare(t);
  const { emulator } = setting;
  const clientId = '123456789012-iap.apps.googleusercontent.com';
  emulator.services.hello?.set({ iap: { clientId } });
  const routes = `  - { path: /id, upstream: "${RUN_URL}", token: { kind: id, audience: ${clientId} } }
  - { path: /jwt, upstream: "${RUN_URL}", token: { kind: jwt, audience: "${RUN_URL}/*" } }
`;
  const url = await startProxy(t, setting, routes);
  for (const [path, audience] of [
    ['/id', clientId],
    ['/jwt', `${RUN_URL}/*`],
  ] as const) {
    for (const headers of [{}, { Authorization: 'Bearer the.application.s' }]) {
      const reply = await send(url, `${path}/x`, 'GET', headers);
      assert.equal(reply.status, 200, reply.text);
      const { verified } = reply.json<{ verified: Record<string, unknown> }>();
      assert.deepEqual([verified.email, verified.audience], [emulator.accounts.developer, audience]);
    }
  }
});
