import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClaims } from '../../../src/auth/jwt.ts';
import { ACCESS, AUDIENCE, failure, HOUR_MS, ID, SIGNED, useEmulator } from './setting.ts';
import { toWorkloads } from './workloads.ts';

const setting = useEmulator();
const workloads = toWorkloads(setting);
const { aws, configFile, federated, github } = workloads;

test('a GitHub Actions job gets ID tokens as its service account: one exchange, one token, nothing in between', async () => {
  const { google } = setting;
  const credential = setting.make(github(google.accounts.runner), { env: google.federation.githubEnv });
  const counts = await setting.count(async () => {
    const token = await credential.mint(ID);
    assert.deepEqual([token.identity, token.audience], [google.accounts.runner, AUDIENCE]);
    assert.equal(token.expiresAtMs - (token.issuedAtMs ?? 0), HOUR_MS);
  });
  assert.deepEqual(counts, { githubOidc: 1, sts: 1, generateIdToken: 1 });
  assert.equal(credential.describe(), `GitHub Actions job (ci/github) as ${google.accounts.runner}`);
  assert.deepEqual(credential.files(), []);
});

test('a GitHub Actions job gets access tokens as its service account, with the scopes asked for', async () => {
  const { google } = setting;
  const credential = setting.make(github(google.accounts.runner), { env: google.federation.githubEnv });
  const counts = await setting.count(async () => {
    const token = await credential.mint(ACCESS);
    assert.equal(token.identity, google.accounts.runner);
    assert.ok(Math.abs(token.expiresAtMs - (token.issuerNowMs ?? 0) - HOUR_MS) <= 2_000);
  });
  assert.deepEqual(counts, { githubOidc: 1, sts: 1, generateAccessToken: 1 });
});

test('without a service account a workload gets access tokens as itself', async () => {
  const { google } = setting;
  const credential = setting.make(github(), { env: google.federation.githubEnv });
  const counts = await setting.count(async () => {
    const token = await credential.mint(ACCESS);
    assert.equal(token.identity, undefined);
    assert.ok(token.expiresAtMs > (token.issuerNowMs ?? Number.POSITIVE_INFINITY));
  });
  assert.deepEqual(counts, { githubOidc: 1, sts: 1 });
  assert.equal(credential.describe(), 'GitHub Actions job (ci/github)');
});

test('a workload signs JWTs as its service account, where it may', async () => {
  const { google } = setting;
  const credential = setting.make(github(google.accounts.runner), { env: google.federation.githubEnv });
  const counts = await setting.count(async () => {
    const token = await credential.mint(SIGNED);
    assert.equal(token.identity, google.accounts.runner);
    const { iss, sub, aud, iat, exp } = decodeClaims(token.value);
    assert.deepEqual([iss, sub], [google.accounts.runner, google.accounts.runner]);
    assert.equal(aud, 'https://iap.example.com/*');
    assert.equal(Number(exp) - Number(iat), 3_600);
  });
  assert.deepEqual(counts, { githubOidc: 1, sts: 1, signJwt: 1 });

  const error = await failure(
    setting.make(aws(google.accounts.runner), { env: google.federation.awsEnv }),
    SIGNED,
  );
  assert.match(error.message, /403 PERMISSION_DENIED/);
  assert.match(String(error.hint), /--role=roles\/iam\.serviceAccountTokenCreator$/);
});

test('a token in a file is read for each mint, white space around it or not', async () => {
  const { google } = setting;
  const path = await setting.write('token', `${await google.federation.issueOidcToken()}\n`);
  const credential = setting.make(
    federated({ kind: 'token-file', provider: workloads.providers.github, path }, google.accounts.runner),
  );
  assert.deepEqual(credential.files(), [path]);
  for (const request of [ID, ACCESS])
    assert.equal((await credential.mint(request)).identity, google.accounts.runner);
  await setting.write('token', await google.federation.issueOidcToken({ repository: 'example/other' }));
  assert.match((await failure(credential)).message, /403 PERMISSION_DENIED/);
});

test('configuration files for every source give ID and access tokens, as the account in the file or the one named', async () => {
  const { federatedGithub, federatedGithubRunner, federatedAws } = setting.google.credentials;
  const { runner } = setting.google.accounts;
  const cases = [
    await configFile('github.json', federatedGithub, runner),
    await configFile('github-runner.json', federatedGithubRunner),
    await configFile('aws.json', federatedAws, runner),
  ];
  for (const config of cases) {
    const credential = setting.make(config);
    for (const request of [ID, ACCESS]) {
      const counts = await setting.count(async () => {
        assert.equal((await credential.mint(request)).identity, runner, credential.describe());
      });
      assert.equal(counts.sts, 1);
      assert.equal((counts.generateIdToken ?? 0) + (counts.generateAccessToken ?? 0), 1);
    }
    assert.match(credential.describe(), /^federated identity in .*\.json as runner@/);
  }
});

test('the account named in the configuration goes before the one in the file', async () => {
  const { google } = setting;
  const config = await configFile(
    'github.json',
    google.credentials.federatedGithubRunner,
    google.accounts.compute,
  );
  const error = await failure(setting.make(config));
  assert.match(String(error.hint), new RegExp(`add-iam-policy-binding ${google.accounts.compute} `));
});

test('configuration files written by `emulate --dir` work on their own: their loopback addresses are honoured', async () => {
  const config = await configFile('standalone.json', setting.google.credentials.federatedGithubRunner);
  const credential = setting.make(config, { endpoints: {} });
  assert.equal((await credential.mint(ID)).identity, setting.google.accounts.runner);
});

test('a configuration file may have its token in a file, as text or in a field of JSON', async () => {
  const { google } = setting;
  const token = await google.federation.issueOidcToken();
  const base = google.credentials.federatedGithub;
  const text = { file: await setting.write('subject.txt', token) };
  const json = {
    file: await setting.write('subject.json', { access_token: token }),
    format: { type: 'json', subject_token_field_name: 'access_token' },
  };
  for (const source of [text, json]) {
    const config = await configFile(
      'file.json',
      { ...base, credential_source: source },
      google.accounts.runner,
    );
    const credential = setting.make(config);
    assert.deepEqual(credential.files(), [setting.path('file.json'), source.file]);
    assert.equal((await credential.mint(ID)).identity, google.accounts.runner);
  }
});

test('the files a configuration file names are known before the first mint, and followed when it changes', async () => {
  const { google } = setting;
  const base = google.credentials.federatedGithub;
  const [first, second] = [setting.path('first'), setting.path('second')];
  const config = await configFile('follow.json', { ...base, credential_source: { file: first } });
  const credential = setting.make(config);
  assert.deepEqual(credential.files(), [setting.path('follow.json'), first]);
  await setting.write('follow.json', { ...base, credential_source: { file: second } });
  await failure(credential, ACCESS);
  assert.deepEqual(credential.files(), [setting.path('follow.json'), second]);
});

test('application default credentials that are a workload’s do the same', async () => {
  const { google } = setting;
  const credential = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('federatedGithubRunner') });
  const counts = await setting.count(async () => {
    assert.equal((await credential.mint(ID)).identity, google.accounts.runner);
  });
  assert.deepEqual(counts, { githubOidc: 1, sts: 1, generateIdToken: 1 });
  assert.equal((await credential.mint(ACCESS)).identity, google.accounts.runner);
  assert.equal((await credential.mint(SIGNED)).identity, google.accounts.runner);

  const itself = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('federatedAws') });
  assert.equal((await itself.mint(ACCESS)).identity, undefined);
  const error = await failure(itself);
  assert.match(error.message, /only a service account gets ID tokens, and this acts as none\.$/);
  assert.match(String(error.hint), /kind: impersonate/);
});

test('a workload’s federated token impersonates, so that `adc` or `federated` can be a source', async () => {
  const { google } = setting;
  const source = setting.make(
    { kind: 'impersonate', account: google.accounts.runner, source: 'job', delegates: [] },
    { env: google.federation.githubEnv, others: { job: github() } },
  );
  assert.equal((await source.mint(ID)).identity, google.accounts.runner);
});

test('the project to bill is the file’s, or the environment’s', async () => {
  const file = { ...setting.google.credentials.federatedGithub, quota_project_id: 'billed' };
  const config = await configFile('billed.json', file);
  assert.equal((await setting.make(config).mint(ACCESS)).quotaProject, 'billed');
  const asRunner = await configFile('billed-runner.json', file, setting.google.accounts.runner);
  assert.equal((await setting.make(asRunner).mint(ACCESS)).quotaProject, 'billed');
  const env = { GOOGLE_CLOUD_QUOTA_PROJECT: 'other' };
  assert.equal((await setting.make(config, { env }).mint(ACCESS)).quotaProject, 'other');
});

test('the project is asked for last: the environment and the file go first, and where nobody knows there is none', async () => {
  const { google } = setting;
  const { githubEnv } = google.federation;
  const told = setting.make(github(), { env: { GOOGLE_CLOUD_PROJECT: 'chosen' } });
  assert.deepEqual(await setting.count(async () => assert.equal(await told.projectId(), 'chosen')), {});
  const credential = setting.make(github(), { env: githubEnv });
  const counts = await setting.count(async () =>
    assert.equal(await credential.projectId(), google.credentials.serviceAccount.project_id),
  );
  assert.deepEqual(counts, { githubOidc: 1, sts: 1, resourceManager: 1 });
  google.faults.set('resourceManager', { status: 403 });
  assert.equal(await credential.projectId(), undefined);
});

test('people of a workforce pool get access tokens; for more, the way is impersonation', async () => {
  const { google } = setting;
  const endpoints = setting.endpoints('workforceUser');
  const credential = setting.make({ kind: 'adc' }, { endpoints });
  const counts = await setting.count(async () => {
    const token = await credential.mint(ACCESS);
    assert.equal(token.quotaProject, google.credentials.workforceUser.quota_project_id);
    assert.ok(Math.abs(token.expiresAtMs - (token.issuerNowMs ?? 0) - HOUR_MS) <= 2_000);
  });
  assert.equal(counts.sts, 1);
  const id = await failure(credential);
  assert.match(
    id.message,
    /^Google gives no ID tokens to application default credentials, only access tokens\.$/,
  );
  assert.match(String(id.hint), /kind: impersonate/);
  assert.match((await failure(credential, SIGNED)).message, /: only service accounts sign JWTs\.$/);
  const acting = setting.make(
    { kind: 'impersonate', account: google.accounts.runner, source: 'default', delegates: [] },
    { endpoints },
  );
  assert.equal((await acting.mint(ID)).identity, google.accounts.runner);
});
