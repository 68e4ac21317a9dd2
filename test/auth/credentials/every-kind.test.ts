import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import type { Credential, TokenRequest } from '../../../src/auth/token-source.ts';
import { systemClock } from '../../../src/clock.ts';
import { createEmulator, type Fault, type GoogleEndpoint } from '../../../src/emulator/emulator.ts';
import { isProxyError } from '../../../src/errors.ts';
import {
  ACCESS,
  failure,
  HOUR_MS,
  ID,
  impersonate,
  type MakeOptions,
  SIGNED,
  show,
  useEmulator,
} from './setting.ts';

const setting = useEmulator();
const ENDPOINTS = [
  'token',
  'sts',
  'generateIdToken',
  'generateAccessToken',
  'signJwt',
  'metadata',
  'awsMetadata',
  'githubOidc',
] as const satisfies readonly GoogleEndpoint[];

/** One credential of each sort, and the endpoints that it needs for an ID token. */
function everyKind(
  options: Pick<MakeOptions, 'timeoutMs'> = {},
): readonly (readonly [Credential, readonly GoogleEndpoint[]])[] {
  const { google } = setting;
  const { runner } = google.accounts;
  const { github, aws } = google.federation.providers;
  const find = (file: Parameters<typeof setting.endpoints>[0]): Credential =>
    setting.make({ kind: 'adc' }, { ...options, endpoints: setting.endpoints(file) });
  const federate = (from: { readonly kind: 'github' | 'aws'; readonly provider: string }): Credential =>
    setting.make(
      { kind: 'federated', from, serviceAccount: runner },
      { ...options, env: google.federation.githubEnv },
    );
  return [
    [find('serviceAccount'), ['token']],
    [find('authorizedUser'), ['token']],
    [find('impersonated'), ['token', 'generateIdToken']],
    [find('federatedGithubRunner'), ['githubOidc', 'sts', 'generateIdToken']],
    [setting.make({ kind: 'metadata', account: 'default' }, options), ['metadata']],
    [setting.make(impersonate(runner), options), ['token', 'generateIdToken']],
    [federate({ kind: 'github', provider: github }), ['githubOidc', 'sts', 'generateIdToken']],
    [federate({ kind: 'aws', provider: aws }), ['awsMetadata', 'sts', 'generateIdToken']],
  ];
}

test('R59: a thousand requests at once are one mint, for every kind and every sort of token', async (t) => {
  const cache = createTokenCache({ clock: systemClock });
  t.after(() => cache.close());
  for (const [credential, endpoints] of everyKind()) {
    const source = cache.source(credential, ID);
    const counts = await setting.count(() =>
      Promise.all(Array.from({ length: 1_000 }, () => source.obtain())),
    );
    assert.deepEqual(Object.keys(counts).sort(), [...endpoints].sort(), credential.describe());
    // AWS's metadata server takes four questions.
    for (const [endpoint, count] of Object.entries(counts))
      assert.equal(count, endpoint === 'awsMetadata' ? 4 : 1, `${credential.describe()} ${endpoint}`);
  }
});

test('R21: what can’t be done now is temporary, for every kind and every endpoint it needs, and costs one call', async () => {
  for (const [credential, endpoints] of everyKind()) {
    for (const endpoint of endpoints) {
      for (const fault of [{ status: 500 }, { status: 503 }, { status: 429 }, 'reset'] as const) {
        setting.google.faults.clear();
        setting.google.faults.set(endpoint, fault);
        const counts = await setting.count(async () => {
          const error = await failure(credential);
          assert.equal(error.code, 'token_unavailable', `${credential.describe()} ${endpoint}`);
        });
        assert.equal(counts[endpoint], 1, `${credential.describe()} ${endpoint}`);
      }
    }
  }
});

test('R64: an endpoint that never answers is given up, for every kind and every endpoint it needs', async () => {
  for (const [credential, endpoints] of everyKind({ timeoutMs: 60 })) {
    for (const endpoint of endpoints) {
      setting.google.faults.clear();
      setting.google.faults.set(endpoint, 'hang');
      const error = await failure(credential);
      assert.equal(error.code, 'token_unavailable', `${credential.describe()} ${endpoint}`);
      assert.match(error.message, /can't be reached \(TimeoutError\)\.$/);
    }
  }
});

test('R64: an answer that is no token is permanent, for every kind and both sorts of token', async () => {
  for (const fault of ['garbage', 'empty'] as const) {
    for (const [credential, endpoints] of everyKind()) {
      const last = endpoints.at(-1);
      for (const endpoint of [
        ...endpoints,
        ...(last === 'generateIdToken' ? (['generateAccessToken'] as const) : []),
      ]) {
        setting.google.faults.clear();
        setting.google.faults.set(endpoint, fault);
        const error = await failure(credential, endpoint === 'generateAccessToken' ? ACCESS : ID);
        assert.equal(error.code, 'credentials_invalid', `${credential.describe()} ${endpoint} ${fault}`);
      }
    }
  }
});

test('a hung metadata server delays nobody else', async () => {
  const { google } = setting;
  google.faults.set('metadata', 'hang');
  const timeoutMs = 1_000;
  const env = { METADATA_SERVER_DETECTION: undefined };
  const { metadataHost } = google.google;
  const slow = [
    setting.make({ kind: 'metadata', account: 'default' }, { timeoutMs }),
    setting.make({ kind: 'adc' }, { endpoints: { metadataHost }, env, timeoutMs }),
  ].map((credential) => failure(credential).then(() => 'slow'));
  const path = await setting.write('key.json', google.credentials.serviceAccount);
  const quick = setting.make({ kind: 'key-file', key: { kind: 'file', path } });
  const mints = Promise.all([quick.mint(ID), quick.mint(ACCESS), setting.make({ kind: 'adc' }).mint(ID)]);
  assert.equal(await Promise.race([...slow, mints.then(() => 'quick')]), 'quick');
  // And whoever asks it is told soon enough.
  assert.deepEqual(await Promise.all(slow), ['slow', 'slow']);
});

test('R63: a lifetime is what the issuer gave, with the local clock 10 minutes off either way', async (t) => {
  for (const offsetMs of [-600_000, 600_000]) {
    const now = () => ({ ...systemClock.now(), wallMs: Date.now() + offsetMs });
    const other = await createEmulator({ services: [], clock: { ...systemClock, now } });
    t.after(() => other.close());
    const { url: apisUrl, metadataHost } = other.google;
    const applicationDefault = other.credentials.authorizedUser;
    const endpoints = { apisUrl, metadataHost, applicationDefault };
    for (const config of [
      { kind: 'adc' },
      { kind: 'metadata', account: 'default' },
      impersonate(other.accounts.runner),
      {
        kind: 'federated',
        from: { kind: 'github', provider: other.federation.providers.github },
        serviceAccount: other.accounts.runner,
      },
    ] as const) {
      const credential = setting.make(config, { endpoints, env: other.federation.githubEnv });
      for (const request of [ID, ACCESS]) {
        const { expiresAtMs, issuerNowMs } = await credential.mint(request);
        assert.ok(issuerNowMs !== undefined && Math.abs(issuerNowMs - now().wallMs) < 30_000);
        assert.ok(Math.abs(expiresAtMs - issuerNowMs - HOUR_MS) <= 2_000, `${config.kind} ${request.kind}`);
      }
    }
  }
});

test('R63: what IAM signs for a federated identity is dated by Google’s clock, whatever the local one says', async (t) => {
  const now = () => ({ ...systemClock.now(), wallMs: Date.now() + 600_000 });
  const other = await createEmulator({ services: [], clock: { ...systemClock, now } });
  t.after(() => other.close());
  const { github } = other.federation.providers;
  const credential = setting.make(
    { kind: 'federated', from: { kind: 'github', provider: github }, serviceAccount: other.accounts.runner },
    { endpoints: { apisUrl: other.google.url }, env: other.federation.githubEnv },
  );
  const { issuedAtMs = 0 } = await credential.mint(SIGNED);
  assert.ok(Math.abs(issuedAtMs - now().wallMs) < 30_000);
});

test('R23: no failure lets a key, an assertion, a secret or a token be seen, whoever fails and how', async () => {
  const { google } = setting;
  const { serviceAccount, authorizedUser } = google.credentials;
  const accessToken = (await setting.make({ kind: 'adc' }).mint(ACCESS)).value;
  const subjectToken = await google.federation.issueOidcToken();
  const { awsEnv, githubEnv } = google.federation;
  const secrets = [
    String(serviceAccount.private_key).slice(40, 80),
    String(authorizedUser.refresh_token),
    String(authorizedUser.client_secret),
    accessToken.slice(0, 12),
    subjectToken.slice(20, 60),
    String(githubEnv.ACTIONS_ID_TOKEN_REQUEST_TOKEN),
    String(awsEnv.AWS_SECRET_ACCESS_KEY),
    String(awsEnv.AWS_SESSION_TOKEN),
    'eyJ',
    'Bearer',
    'Signature=',
    'canary',
  ];
  const leaky = {
    error: 'invalid_grant',
    error_description: `eyJhbGciOi.eyJ.${'x'.repeat(50)} ${accessToken} ${subjectToken} ${awsEnv.AWS_SESSION_TOKEN}`,
  };
  const page = { status: 500, body: 'canary', headers: { 'content-type': 'text/plain' } };
  const faults: readonly Fault[] = [{ status: 400, body: leaky }, page, 'reset', 'garbage', 'empty'];
  let failures = 0;
  for (const fault of faults) {
    for (const [credential, endpoints] of everyKind()) {
      for (const endpoint of endpoints) {
        for (const request of [ID, ACCESS, SIGNED] satisfies readonly TokenRequest[]) {
          google.faults.clear();
          google.faults.set(endpoint, fault);
          const error: unknown = await credential.mint(request).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          if (error === undefined) continue;
          assert.ok(isProxyError(error));
          failures += 1;
          const shown = show(error) + show(error.cause);
          for (const secret of secrets) assert.ok(!shown.includes(secret), `${secret} in ${shown}`);
        }
      }
    }
  }
  assert.ok(failures > 150, `only ${failures} failures were looked at`);
});

test('no mint writes to the console or warns, for any kind', async (t) => {
  const written: unknown[] = [];
  for (const method of ['log', 'info', 'warn', 'error'] as const)
    t.mock.method(console, method, (text: unknown) => written.push(text));
  const onWarning = (warning: Error) => written.push(warning.message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  for (const [credential] of everyKind()) {
    for (const request of [ID, ACCESS]) await credential.mint(request);
    await credential.mint(SIGNED).catch(() => {});
  }
  for (const endpoint of ENDPOINTS) setting.google.faults.set(endpoint, 'reset');
  for (const [credential] of everyKind()) await failure(credential);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(written, []);
});

test('a hint is safe to paste into a shell, whatever stands in a credential file', async () => {
  const { serviceAccount, impersonated, federatedGithubRunner } = setting.google.credentials;
  const evil = "x@y.example;touch$IFS'canary";
  const url = `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${evil}:generateAccessToken`;
  const refused = { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' };
  setting.google.faults.set('token', { status: 400, body: refused });
  for (const applicationDefault of [
    { ...serviceAccount, client_email: evil },
    { ...serviceAccount, client_id: evil },
    { ...impersonated, service_account_impersonation_url: url },
    { ...federatedGithubRunner, service_account_impersonation_url: url },
  ]) {
    const endpoints = { ...setting.endpoints(), applicationDefault };
    const error = await failure(setting.make({ kind: 'adc' }, { endpoints }));
    assert.doesNotMatch(`${error.message} ${error.hint}`, /canary|;/);
  }
});

test('a credential file that sends its secrets elsewhere is refused before anything is sent', async () => {
  const { serviceAccount, impersonated, federatedGithub, workforceUser } = setting.google.credentials;
  const evil: readonly Record<string, unknown>[] = [
    { ...serviceAccount, token_uri: 'https://evil.example/token' },
    { ...serviceAccount, token_uri: 'https://oauth2.googleapis.com.evil.example/token' },
    { ...serviceAccount, token_uri: 'https://oauth2.googleapis.com:8443/token' },
    { ...serviceAccount, token_uri: 'http://oauth2.googleapis.com/token' },
    { ...serviceAccount, token_uri: 'http://127.0.0.1.evil.example/token' },
    { ...serviceAccount, token_uri: 'http://evil.localhost/token' },
    { ...serviceAccount, token_uri: 'nonsense' },
    { ...impersonated, endpoint: 'https://evil.example' },
    { ...impersonated, source_credentials: { ...serviceAccount, token_uri: 'https://evil.example/token' } },
    { ...impersonated, source_credentials: { ...federatedGithub, token_url: 'https://evil.example/' } },
    { ...federatedGithub, token_url: 'https://evil.example/v1/token' },
    { ...workforceUser, token_url: 'https://evil.example/v1/oauthtoken' },
  ];
  const counts = await setting.count(async () => {
    for (const applicationDefault of evil) {
      const endpoints = { ...setting.endpoints(), applicationDefault };
      const error = await failure(setting.make({ kind: 'adc' }, { endpoints }), ACCESS);
      assert.equal(error.code, 'credentials_invalid');
      assert.match(error.message, /^"(token_uri|token_url|endpoint)" in/);
    }
  });
  assert.deepEqual(counts, {});
});
