import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { inspect, promisify } from 'node:util';
import { gcpMetadata } from 'google-auth-library';
import { createCredentials } from '../../../src/auth/credentials/index.ts';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import type {
  Credential,
  GoogleEndpoints,
  MintedToken,
  TokenRequest,
} from '../../../src/auth/token-source.ts';
import { systemClock } from '../../../src/clock.ts';
import type { CredentialConfig } from '../../../src/config/config.ts';
import { createEmulator, type Emulator } from '../../../src/emulator/emulator.ts';

const AUDIENCE = 'https://orders-abc-an.a.run.app';
const SCOPE = 'https://www.googleapis.com/auth/bigquery';
const ID: TokenRequest = { kind: 'id', audience: AUDIENCE };
const ACCESS: TokenRequest = { kind: 'access', scopes: [SCOPE] };
const HOUR_MS = 3_600_000;

let google: Emulator;
let folder: string;

before(async () => {
  // Nothing of the machine that runs the tests may show through.
  for (const name of [
    'GOOGLE_APPLICATION_CREDENTIALS',
    'GOOGLE_CLOUD_PROJECT',
    'GCLOUD_PROJECT',
    'GOOGLE_CLOUD_QUOTA_PROJECT',
  ]) {
    delete process.env[name];
  }
  process.env.CLOUDSDK_CONFIG = join(tmpdir(), 'no-such-folder');
  process.env.METADATA_SERVER_DETECTION = 'none';
  gcpMetadata.setGCPResidency(false);
  // A proxy that isn't there: whatever reaches for it fails.
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'])
    process.env[name] = 'http://127.0.0.1:9';
  google = await createEmulator({ services: [] });
  folder = await mkdtemp(join(tmpdir(), 'gbp-auth-'));
});

beforeEach(() => google.faults.clear());

after(async () => {
  await google.close();
  await rm(folder, { recursive: true });
});

type Files = Emulator['credentials'];

function emulated(applicationDefault: keyof Files = 'serviceAccount'): GoogleEndpoints {
  const { url: apisUrl, metadataHost } = google.google;
  return {
    apisUrl,
    metadataHost,
    applicationDefault: google.credentials[applicationDefault],
  };
}

function make(
  config: CredentialConfig,
  endpoints: GoogleEndpoints = emulated(),
  env: Record<string, string> = {},
): Credential {
  const all = { default: { kind: 'adc' }, it: config } as const;
  const { it } = createCredentials(all, { endpoints, env, clock: systemClock });
  assert.ok(it);
  return it;
}

async function write(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const impersonate = (
  account: string,
  source = 'default',
  delegates: readonly string[] = [],
): CredentialConfig => ({
  kind: 'impersonate',
  account,
  source,
  delegates,
});

async function failure(credential: Credential, request: TokenRequest = ID) {
  const error = await credential.mint(request).then(
    () => assert.fail('a token was minted'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Error && 'code' in error && 'hint' in error);
  return error;
}

test('a service account in a key file gets ID tokens for the audience asked for', async () => {
  const credential = make({
    kind: 'key-file',
    key: { kind: 'file', path: await write('key.json', google.credentials.serviceAccount) },
  });
  const token = await credential.mint(ID);
  assert.equal(token.audience, AUDIENCE);
  assert.equal(token.identity, google.accounts.developer);
  assert.equal(token.expiresAtMs - (token.issuedAtMs ?? 0), HOUR_MS);
  assert.ok(Math.abs(token.expiresAtMs - (token.issuerNowMs ?? 0) - HOUR_MS) <= 1_000);
  assert.match(credential.describe(), /key\.json \(developer@/);
});

test('a service account in a key file gets access tokens with the scopes asked for', async () => {
  const credential = make({
    kind: 'key-file',
    key: { kind: 'file', path: await write('key.json', google.credentials.serviceAccount) },
  });
  const token = await credential.mint(ACCESS);
  assert.equal(token.identity, google.accounts.developer);
  assert.ok(Math.abs(token.expiresAtMs - (token.issuerNowMs ?? 0) - HOUR_MS) <= 2_000);
  assert.equal((await credential.mint({ kind: 'access', scopes: [] })).value.startsWith('ya29.'), true);
});

test('a key file written by `emulate --dir` works on its own: its loopback token_uri is honoured', async () => {
  const path = await write('standalone.json', google.credentials.serviceAccount);
  assert.equal(
    (await make({ kind: 'key-file', key: { kind: 'file', path } }, {}).mint(ID)).audience,
    AUDIENCE,
  );
});

test('application default credentials may be a service account, a person, or an impersonated account', async () => {
  const expected = { serviceAccount: 'developer', authorizedUser: 'user', impersonated: 'runner' } as const;
  for (const [file, account] of Object.entries(expected) as [
    keyof typeof expected,
    keyof Emulator['accounts'],
  ][]) {
    const credential = make({ kind: 'adc' }, emulated(file));
    assert.equal((await credential.mint(ID)).identity, google.accounts[account], file);
    assert.equal((await credential.mint(ACCESS)).identity, google.accounts[account], file);
  }
});

test('application default credentials are found by the library, and found anew at each mint', async (t) => {
  t.after(() => delete process.env.GOOGLE_APPLICATION_CREDENTIALS);
  const credential = make({ kind: 'adc' }, {});
  process.env.GOOGLE_APPLICATION_CREDENTIALS = await write('adc.json', google.credentials.impersonated);
  assert.equal((await credential.mint(ID)).identity, google.accounts.runner);
  await write('adc.json', google.credentials.serviceAccount);
  assert.equal((await credential.mint(ID)).identity, google.accounts.developer);
});

test('no application default credentials at all: permanent, with the command to log in', async () => {
  const error = await failure(make({ kind: 'adc' }, {}));
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /from application default credentials: there are none on this machine\.$/);
  assert.equal(error.hint, 'gcloud auth application-default login');
});

test('a person’s ID token is for the client they signed in with, and the cache says so', async (t) => {
  const credential = make({ kind: 'adc' }, emulated('authorizedUser'));
  const told: (string | undefined)[] = [];
  const cache = createTokenCache({
    clock: systemClock,
    onEvent: (event) => told.push(event.type === 'token-minted' ? event.otherAudience : event.type),
  });
  t.after(() => cache.close());
  await cache.source(credential, ID).obtain();
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /\.apps\.googleusercontent\.com$/);
});

test('a login without the scope openid is told from a broken answer', async () => {
  google.faults.set('token', { status: 200, body: { access_token: 'ya29.x', expires_in: 3599 } });
  const error = await failure(make({ kind: 'adc' }, emulated('authorizedUser')));
  assert.match(error.message, /lacks the scope "openid"/);
  assert.equal(error.hint, 'gcloud auth application-default login');
});

test('access tokens come with the project to bill: the file’s, or the environment’s', async () => {
  const fromFile = await make({ kind: 'adc' }, emulated('authorizedUser')).mint(ACCESS);
  assert.equal(fromFile.quotaProject, google.credentials.authorizedUser.quota_project_id);
  const env = { GOOGLE_CLOUD_QUOTA_PROJECT: 'billed' };
  assert.equal(
    (await make({ kind: 'adc' }, emulated('authorizedUser'), env).mint(ACCESS)).quotaProject,
    'billed',
  );
  assert.equal((await make({ kind: 'adc' }, emulated(), env).mint(ID)).quotaProject, undefined);
});

test('the metadata server gives tokens for any audience, whatever characters it has', async () => {
  const credential = make({ kind: 'metadata', account: 'default' });
  for (const audience of [AUDIENCE, 'https://x.run.app/?a=1&b=2#c', 'a b+c%20d', 'https://例え.jp/é']) {
    const token = await credential.mint({ kind: 'id', audience });
    assert.equal(token.audience, audience);
    assert.equal(token.identity, google.accounts.compute);
    assert.ok(token.issuerNowMs !== undefined);
  }
  assert.equal((await credential.mint(ACCESS)).value.startsWith('ya29.'), true);
  assert.equal(process.env.GCE_METADATA_HOST, undefined);
});

test('the metadata server can be asked for another account', async () => {
  const token = await make({ kind: 'metadata', account: google.accounts.compute }).mint(ID);
  assert.equal(token.identity, google.accounts.compute);
  const error = await failure(make({ kind: 'metadata', account: 'nobody@p.iam.gserviceaccount.com' }));
  assert.equal(error.code, 'credentials_invalid');
});

test('a metadata server that was not there at start is found when it is', async (t) => {
  t.after(() => {
    process.env.METADATA_SERVER_DETECTION = 'none';
  });
  delete process.env.METADATA_SERVER_DETECTION;
  const credential = make({ kind: 'adc' }, { metadataHost: google.google.metadataHost });
  google.faults.set('metadata', { status: 404 });
  assert.match((await failure(credential)).message, /there are none on this machine\.$/);
  google.faults.clear();
  assert.equal((await credential.mint(ID)).identity, google.accounts.compute);
});

test('R63: a lifetime is what the issuer gave, with the local clock 10 minutes off either way', async (t) => {
  for (const offsetMs of [-600_000, 600_000]) {
    const now = () => ({ ...systemClock.now(), wallMs: Date.now() + offsetMs });
    const other = await createEmulator({ services: [], clock: { ...systemClock, now } });
    t.after(() => other.close());
    const { url: apisUrl, metadataHost } = other.google;
    const endpoints = { apisUrl, metadataHost };
    for (const config of [
      { kind: 'adc' },
      { kind: 'metadata', account: 'default' },
      impersonate(other.accounts.runner),
    ] as const) {
      const credential = make(config, { ...endpoints, applicationDefault: other.credentials.authorizedUser });
      for (const kind of ['id', 'access'] as const) {
        const { expiresAtMs, issuerNowMs } = await credential.mint(kind === 'id' ? ID : ACCESS);
        assert.ok(issuerNowMs !== undefined && Math.abs(issuerNowMs - now().wallMs) < 30_000);
        assert.ok(Math.abs(expiresAtMs - issuerNowMs - HOUR_MS) <= 2_000, `${config.kind} ${kind}`);
      }
    }
  }
});

test('emulated and real metadata servers don’t get mixed up when asked at once', async (t) => {
  const other = await createEmulator({ services: [] });
  t.after(() => other.close());
  const { metadataHost } = other.google;
  const [here, there] = [
    make({ kind: 'metadata', account: 'default' }),
    make({ kind: 'metadata', account: 'default' }, { metadataHost }),
  ];
  const before = [google.requests.metadata, other.requests.metadata];
  await Promise.all([here, there, there, here, there].map((credential) => credential.mint(ID)));
  assert.deepEqual(
    [google.requests.metadata - (before[0] ?? 0), other.requests.metadata - (before[1] ?? 0)],
    [2, 3],
  );
});

test('a service account is impersonated by any other credential, also by one that is impersonated', async () => {
  const configs: Record<string, CredentialConfig> = {
    chain: impersonate(google.accounts.compute, 'runner'),
    runner: impersonate(google.accounts.runner),
    default: { kind: 'adc' },
    delegated: impersonate(google.accounts.compute, 'default', [google.accounts.runner]),
  };
  const made = createCredentials(configs, {
    endpoints: emulated('authorizedUser'),
    env: {},
    clock: systemClock,
  });
  assert.deepEqual(Object.keys(made), Object.keys(configs));
  for (const [name, account] of [
    ['runner', 'runner'],
    ['chain', 'compute'],
    ['delegated', 'compute'],
  ] as const) {
    const token: MintedToken | undefined = await made[name]?.mint(ID);
    assert.deepEqual([token?.identity, token?.audience], [google.accounts[account], AUDIENCE]);
    assert.equal((await made[name]?.mint(ACCESS))?.identity, google.accounts[account]);
  }
  assert.equal(
    made.runner?.describe(),
    `${google.accounts.runner} by way of application default credentials`,
  );
});

test('impersonation that IAM refuses comes with the command that allows it', async () => {
  const { developer, compute } = google.accounts;
  const error = await failure(make(impersonate(compute)));
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /403 PERMISSION_DENIED/);
  assert.equal(
    error.hint,
    `gcloud iam service-accounts add-iam-policy-binding ${compute} --member=serviceAccount:${developer} --role=roles/iam.serviceAccountTokenCreator`,
  );
});

test('federated identities get no ID tokens, and are told to act as a service account', async () => {
  const subject = await write('subject.txt', 'subject-token');
  const applicationDefault = {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: 'http://127.0.0.1:9/sts',
    credential_source: { file: subject },
  };
  const error = await failure(make({ kind: 'adc' }, { ...emulated(), applicationDefault }));
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /gives no ID tokens to application default credentials, only access tokens/);
  assert.match(String(error.hint), /kind: impersonate/);
});

test('credentials that don’t exist, or are their own source, are mistakes in the configuration', () => {
  const options = { endpoints: {}, env: {}, clock: systemClock };
  const make = (configs: Record<string, CredentialConfig>) => () => createCredentials(configs, options);
  assert.throws(make({ a: impersonate('x', 'b') }), {
    code: 'config_invalid',
    message: /no credentials named "b"/,
  });
  assert.throws(make({ a: impersonate('x', 'constructor') }), { code: 'config_invalid' });
  assert.throws(make({ a: impersonate('x', 'b'), b: impersonate('y', 'a') }), { message: /a -> b -> a\.$/ });
});

test('a key file that is missing, broken or of another type is named, with what to do', async () => {
  const missing = join(folder, 'missing.json');
  const cases: [string, RegExp][] = [
    [missing, /missing\.json does not exist\.$/],
    [folder, /cannot be read\.$/],
    [await write('broken.json', '{"private_key": "canary'), /broken\.json is not a JSON object\.$/],
    [await write('list.json', ['canary']), /list\.json is not a JSON object\.$/],
    [await write('empty.json', {}), /empty\.json has no "type"/],
    [
      await write('user.json', google.credentials.authorizedUser),
      /user\.json is of type authorized_user, not service_account\.$/,
    ],
    [await write('keyless.json', { type: 'service_account' }), /client_email/],
    [
      await write('bad-key.json', { ...google.credentials.serviceAccount, private_key: 'canary' }),
      /bad-key\.json/,
    ],
  ];
  for (const [path, message] of cases) {
    const error = await failure(make({ kind: 'key-file', key: { kind: 'file', path } }));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    assert.ok(!inspect(error, { depth: 9 }).includes('canary'));
  }
});

test('a credential file that sends its secrets elsewhere is refused before anything is sent', async () => {
  const { serviceAccount, impersonated } = google.credentials;
  const evil: unknown[] = [
    { ...serviceAccount, token_uri: 'https://evil.example/token' },
    { ...serviceAccount, token_uri: 'https://oauth2.googleapis.com.evil.example/token' },
    { ...serviceAccount, token_uri: 'https://oauth2.googleapis.com:8443/token' },
    { ...serviceAccount, token_uri: 'http://oauth2.googleapis.com/token' },
    { ...serviceAccount, token_uri: 'http://127.0.0.1.evil.example/token' },
    { ...serviceAccount, token_uri: 'http://evil.localhost/token' },
    { ...serviceAccount, token_uri: 'nonsense' },
    { ...impersonated, endpoint: 'https://evil.example' },
    { ...impersonated, source_credentials: { ...serviceAccount, token_uri: 'https://evil.example/token' } },
  ];
  const before = google.requests.token;
  for (const file of evil as Record<string, unknown>[]) {
    const error = await failure(make({ kind: 'adc' }, { ...emulated(), applicationDefault: file }));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /^"(token_uri|endpoint)" in/);
  }
  assert.equal(google.requests.token, before);
});

test('R21: what Google can’t do now is temporary, and costs one call', async () => {
  const credential = make({ kind: 'adc' });
  for (const fault of [{ status: 503 }, { status: 429 }, 'reset'] as const) {
    google.faults.set('token', fault);
    const before = google.requests.token;
    const error = await failure(credential);
    assert.equal(error.code, 'token_unavailable');
    assert.equal(google.requests.token - before, 1);
  }
});

test('R21: a login that was revoked is permanent, with the command to log in again', async () => {
  const body = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' };
  google.faults.set('token', { status: 400, body });
  const error = await failure(make({ kind: 'adc' }, emulated('authorizedUser')));
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /answered 400 invalid_grant: Token has been expired or revoked\.$/);
  assert.equal(error.hint, 'gcloud auth application-default login');
});

test('R64: an answer that is no token is permanent, for every kind and both sorts of token', async () => {
  const credentials = [
    make({ kind: 'adc' }),
    make({ kind: 'adc' }, emulated('authorizedUser')),
    make({ kind: 'metadata', account: 'default' }),
    make(impersonate(google.accounts.runner)),
  ];
  for (const fault of ['garbage', 'empty'] as const) {
    for (const endpoint of ['token', 'metadata', 'generateIdToken', 'generateAccessToken'] as const)
      google.faults.set(endpoint, fault);
    for (const credential of credentials) {
      for (const kind of ['id', 'access'] as const) {
        const error = await failure(credential, kind === 'id' ? ID : ACCESS);
        assert.equal(error.code, 'credentials_invalid', `${credential.describe()} ${kind} ${fault}`);
      }
    }
  }
});

test('R64: an endpoint that never answers is given up', async () => {
  google.faults.set('token', 'hang');
  const { default: credential } = createCredentials(
    { default: { kind: 'adc' } },
    { endpoints: emulated(), env: {}, clock: systemClock, timeoutMs: 50 },
  );
  assert.ok(credential);
  const error = await failure(credential);
  assert.equal(error.code, 'token_unavailable');
  assert.match(error.message, /can't be reached \(TimeoutError\)\.$/);
});

test('R23: no failure lets a key, an assertion, a secret or a token be seen', async () => {
  const { serviceAccount, authorizedUser } = google.credentials;
  const accessToken = (await make({ kind: 'adc' }).mint({ kind: 'access', scopes: [] })).value;
  const secrets = [
    String(serviceAccount.private_key).slice(40, 80),
    String(authorizedUser.refresh_token),
    String(authorizedUser.client_secret),
    accessToken.slice(0, 12),
    'eyJ',
    'Bearer',
    'canary',
  ];
  const credentials = [
    make({ kind: 'adc' }),
    make({ kind: 'adc' }, emulated('authorizedUser')),
    make({ kind: 'adc' }, emulated('impersonated')),
    make({ kind: 'metadata', account: 'default' }),
    make(impersonate(google.accounts.runner)),
  ];
  const leaky = {
    error: 'invalid_grant',
    error_description: `eyJhbGciOi.eyJ.${'x'.repeat(50)} ${accessToken}`,
  };
  const page = { status: 500, body: 'canary', headers: { 'content-type': 'text/plain' } };
  for (const fault of [{ status: 400, body: leaky }, page, 'reset', 'garbage', 'empty'] as const) {
    for (const first of ['token', 'generateIdToken'] as const) {
      google.faults.clear();
      google.faults.set(first, fault);
      google.faults.set('metadata', fault);
      for (const credential of credentials) {
        const error: unknown = await credential.mint(ID).catch((thrown: unknown) => thrown);
        if (!(error instanceof Error)) continue;
        const shown =
          inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error.stack);
        for (const secret of secrets) assert.ok(!shown.includes(secret), `${secret} in ${shown}`);
      }
    }
  }
});

test('the project is told: of the file, the environment, the machine, the source', async () => {
  const path = await write('key.json', google.credentials.serviceAccount);
  const project = google.credentials.serviceAccount.project_id;
  assert.equal(await make({ kind: 'key-file', key: { kind: 'file', path } }).projectId(), project);
  assert.equal(await make({ kind: 'adc' }).projectId(), project);
  assert.equal(await make({ kind: 'metadata', account: 'default' }).projectId(), project);
  assert.equal(await make(impersonate(google.accounts.runner)).projectId(), project);
  const env = { GOOGLE_CLOUD_PROJECT: 'chosen' };
  assert.equal(await make({ kind: 'adc' }, emulated('authorizedUser'), env).projectId(), 'chosen');
  assert.equal(await make({ kind: 'metadata', account: 'default' }, emulated(), env).projectId(), 'chosen');
});

test('no mint writes to the console', async (t) => {
  const written: unknown[] = [];
  for (const method of ['log', 'info', 'warn', 'error'] as const)
    t.mock.method(console, method, (text: unknown) => written.push(text));
  for (const file of ['serviceAccount', 'authorizedUser', 'impersonated'] as const)
    await make({ kind: 'adc' }, emulated(file)).mint(ID);
  await make(impersonate(google.accounts.runner)).mint(ACCESS);
  assert.deepEqual(written, []);
});

test('google-auth-library is not loaded before the first mint', async () => {
  const module = new URL('../../../src/auth/credentials/index.ts', import.meta.url).href;
  const script = `
    const { createRequire } = await import('node:module');
    const { createCredentials } = await import('${module}');
    createCredentials({ default: { kind: 'adc' } }, { endpoints: {}, env: {}, clock: {} });
    console.log(Object.keys(createRequire('${module}').cache).length);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout.trim(), '0');
});
