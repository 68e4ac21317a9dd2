import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CredentialConfig } from '../../../src/config/config.ts';
import { ACCESS, AUDIENCE, failure, ID, SIGNED, show, useEmulator } from './setting.ts';
import { toWorkloads } from './workloads.ts';

const setting = useEmulator();
const workloads = toWorkloads(setting);
const { aws, configFile, federated, github } = workloads;

test('without a service account there are no ID tokens and no JWTs: nobody is asked, and the missing line is told', async () => {
  const { google } = setting;
  const credential = setting.make(github(), { env: google.federation.githubEnv });
  const counts = await setting.count(async () => {
    const id = await failure(credential, ID);
    assert.equal(
      id.message,
      `Could not get an ID token for ${AUDIENCE} from GitHub Actions job (ci/github): only a service account gets ID tokens, and this acts as none.`,
    );
    assert.equal(id.hint, 'Add the line: serviceAccount: NAME@PROJECT.iam.gserviceaccount.com');
    assert.match((await failure(credential, SIGNED)).message, /only a service account signs JWTs/);
  });
  assert.deepEqual(counts, {});
});

test('a role that is missing comes with the command that gives it, for the workload as it showed itself', async () => {
  const { google } = setting;
  const { compute, runner } = google.accounts;
  const grant = (account: string, member: string) =>
    `gcloud iam service-accounts add-iam-policy-binding ${account} --member=${member} --role=roles/iam.workloadIdentityUser`;
  const pool = 'iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci';
  const repository = setting.make(github(compute), { env: google.federation.githubEnv });
  assert.equal(
    (await failure(repository)).hint,
    grant(compute, `principalSet://${pool}/attribute.repository/example/app`),
  );
  assert.equal(
    (await failure(setting.make(aws(compute)), ACCESS)).hint,
    grant(
      compute,
      `principalSet://${pool}/attribute.aws_role/arn:aws:sts::AWS_ACCOUNT:assumed-role/AWS_ROLE`,
    ),
  );
  const path = await setting.write(
    'other-token',
    await google.federation.issueOidcToken({ repository: 'example/other' }),
  );
  const other = setting.make(
    federated({ kind: 'token-file', provider: workloads.providers.github, path }, runner),
  );
  assert.equal(
    (await failure(other)).hint,
    grant(runner, `principalSet://${pool}/attribute.repository/example/other`),
  );
});

test('an account that doesn’t exist is looked for in its project', async () => {
  const { githubEnv } = setting.google.federation;
  const credential = setting.make(github('nobody@some-project.iam.gserviceaccount.com'), { env: githubEnv });
  assert.equal((await failure(credential)).hint, 'gcloud iam service-accounts list --project=some-project');
});

test('what a provider refuses comes with the command that shows what it expects', async () => {
  const { google } = setting;
  const describe =
    'gcloud iam workload-identity-pools providers describe github --workload-identity-pool=ci --location=global --project=123456789012';
  const refused = [
    [{ repository: 'stranger/app' }, /unauthorized_client: .*attribute condition\.$/],
    [{ audience: 'https://other.example' }, /invalid_grant: .*does not match the expected audience\.$/],
  ] as const;
  for (const [change, message] of refused) {
    const path = await setting.write('refused', await google.federation.issueOidcToken(change));
    const credential = setting.make(
      federated({ kind: 'token-file', provider: workloads.providers.github, path }, google.accounts.runner),
    );
    const error = await failure(credential);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    assert.equal(error.hint, describe);
  }
  const nowhere = workloads.providers.github.replace('/ci/', '/gone/');
  const path = await setting.write('refused', await google.federation.issueOidcToken());
  const error = await failure(
    setting.make(federated({ kind: 'token-file', provider: nowhere, path }, google.accounts.runner)),
  );
  assert.match(error.message, /400 invalid_target/);
  assert.match(String(error.hint), /providers describe github --workload-identity-pool=gone /);
});

test('outside of GitHub Actions, or in a job without the right, the job is told what it lacks', async () => {
  const config = github(setting.google.accounts.runner);
  const outside = await failure(setting.make(config));
  assert.match(outside.message, /: this is no GitHub Actions job\.$/);
  assert.equal(outside.hint, 'Elsewhere, use { kind: adc }.');
  const inside = await failure(setting.make(config, { env: { GITHUB_ACTIONS: 'true' } }));
  assert.match(inside.message, /: this GitHub Actions job may not ask for a token\.$/);
  assert.match(String(inside.hint), /permissions: \{ id-token: write, contents: read \}/);
});

test('a job whose right to ask is over is told so', async () => {
  const { githubEnv } = setting.google.federation;
  const env = { ...githubEnv, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'canary-of-an-older-job' };
  const error = await failure(setting.make(github(setting.google.accounts.runner), { env }));
  assert.equal(error.code, 'credentials_invalid');
  assert.match(String(error.hint), /id-token: write/);
  assert.ok(!show(error).includes('canary'));
});

test('a GitHub token is asked for nowhere but by TLS or on this machine', async () => {
  const env = {
    ACTIONS_ID_TOKEN_REQUEST_URL: 'http://actions.example/token?api-version=2.0',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'canary',
  };
  const error = await failure(setting.make(github(setting.google.accounts.runner), { env }));
  assert.match(error.message, /points to actions\.example, which is not reached by https\.$/);
});

test('a token file that is missing or empty is named', async () => {
  const { google } = setting;
  const cases = [
    [setting.path('nowhere'), /: there is no file .*nowhere\.$/],
    [await setting.write('empty', ''), /: the file .*empty holds no token\.$/],
  ] as const;
  for (const [path, message] of cases) {
    const from = { kind: 'token-file', provider: workloads.providers.github, path } as const;
    const error = await failure(setting.make(federated(from, google.accounts.runner)));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
  }
});

test('a configuration file that is missing, broken or something else is named', async () => {
  const { serviceAccount } = setting.google.credentials;
  const cases: readonly (readonly [CredentialConfig, RegExp])[] = [
    [
      federated({ kind: 'config-file', path: setting.path('missing.json') }),
      /missing\.json does not exist\.$/,
    ],
    [await configFile('broken.json', '{"canary'), /broken\.json is not a JSON object\.$/],
    [await configFile('key.json', serviceAccount), /key\.json is not a credential configuration file/],
  ];
  for (const [config, message] of cases) {
    const error = await failure(setting.make(config));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    assert.ok(!show(error).includes('canary'));
  }
});
