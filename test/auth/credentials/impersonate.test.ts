import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClaims } from '../../../src/auth/jwt.ts';
import { ACCESS, AUDIENCE, failure, ID, impersonate, SIGNED, useEmulator } from './setting.ts';

const setting = useEmulator();

test('a service account is impersonated by any other credential, also by one that is impersonated', async () => {
  const { compute, runner } = setting.google.accounts;
  const options = {
    endpoints: setting.endpoints('authorizedUser'),
    others: { runner: impersonate(runner) },
  };
  const cases = [
    [impersonate(runner), runner],
    [impersonate(compute, 'runner'), compute],
    [impersonate(compute, 'default', [runner]), compute],
  ] as const;
  for (const [config, account] of cases) {
    const credential = setting.make(config, options);
    const token = await credential.mint(ID);
    assert.deepEqual([token.identity, token.audience], [account, AUDIENCE]);
    assert.equal((await credential.mint(ACCESS)).identity, account);
  }
  assert.equal(
    setting.make(impersonate(runner), options).describe(),
    `${runner} by way of application default credentials`,
  );
});

test('an impersonated account has JWTs signed by IAM: an hour long, by Google’s clock where it told', async () => {
  const { runner } = setting.google.accounts;
  const credential = setting.make(impersonate(runner));
  const counts = await setting.count(async () => {
    const token = await credential.mint(SIGNED);
    assert.equal(token.identity, runner);
    const { iss, sub, aud, iat, exp } = decodeClaims(token.value);
    assert.deepEqual([iss, sub, aud], [runner, runner, 'https://iap.example.com/*']);
    assert.equal(Number(exp) - Number(iat), 3_600);
    assert.equal(token.expiresAtMs, Number(exp) * 1000);
  });
  assert.deepEqual(counts, { token: 1, signJwt: 1 });
});

test('a signed JWT that isn’t what was asked for is not used', async () => {
  const { google } = setting;
  const credential = setting.make(impersonate(google.accounts.runner));
  const other = await setting.make({ kind: 'adc' }).mint({ kind: 'jwt', audience: 'https://other.example' });
  const answers = [
    [{ signedJwt: other.value }, /it is for another audience\.$/],
    [{ signedJwt: 'nonsense' }, /it is not a JWT/],
    [{}, /it holds no JWT\.$/],
  ] as const;
  for (const [body, message] of answers) {
    google.faults.set('signJwt', { status: 200, body });
    const error = await failure(credential, SIGNED);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
  }
});

test('impersonation that IAM refuses comes with the command that allows it', async () => {
  const { developer, compute } = setting.google.accounts;
  for (const request of [ID, ACCESS, SIGNED]) {
    const error = await failure(setting.make(impersonate(compute)), request);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /403 PERMISSION_DENIED/);
    assert.equal(
      error.hint,
      `gcloud iam service-accounts add-iam-policy-binding ${compute} --member=serviceAccount:${developer} --role=roles/iam.serviceAccountTokenCreator`,
    );
  }
});

test('files and project are those of the source', async () => {
  const path = await setting.write('source.json', setting.google.credentials.serviceAccount);
  const env = { GOOGLE_APPLICATION_CREDENTIALS: path };
  const { runner } = setting.google.accounts;
  const credential = setting.make(impersonate(runner), { endpoints: {}, env });
  assert.deepEqual(credential.files(), [path]);
  assert.equal(await credential.projectId(), setting.google.credentials.serviceAccount.project_id);
});

test('the source’s project is billed', async () => {
  const endpoints = setting.endpoints('authorizedUser');
  const credential = setting.make(impersonate(setting.google.accounts.runner), { endpoints });
  assert.equal(
    (await credential.mint(ACCESS)).quotaProject,
    setting.google.credentials.authorizedUser.quota_project_id,
  );
});
