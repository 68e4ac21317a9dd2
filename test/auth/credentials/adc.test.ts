import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import { systemClock } from '../../../src/clock.ts';
import { ACCESS, failure, ID, SIGNED, useEmulator } from './setting.ts';

const setting = useEmulator();
const LOGIN = 'gcloud auth application-default login';

test('they may be a service account, a person, or an impersonated account', async () => {
  const expected = { serviceAccount: 'developer', authorizedUser: 'user', impersonated: 'runner' } as const;
  for (const file of ['serviceAccount', 'authorizedUser', 'impersonated'] as const) {
    const credential = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints(file) });
    const { google } = setting;
    for (const request of [ID, ACCESS])
      assert.equal((await credential.mint(request)).identity, google.accounts[expected[file]], file);
  }
});

test('they are in the file that GOOGLE_APPLICATION_CREDENTIALS names, read anew at each mint', async () => {
  const { google } = setting;
  const path = await setting.write('named.json', google.credentials.impersonated);
  const env = { GOOGLE_APPLICATION_CREDENTIALS: path };
  const credential = setting.make({ kind: 'adc' }, { endpoints: {}, env });
  assert.deepEqual(credential.files(), [path]);
  assert.equal((await credential.mint(ID)).identity, google.accounts.runner);
  assert.equal(credential.describe(), `application default credentials in ${path}`);
  await setting.write('named.json', google.credentials.serviceAccount);
  assert.equal((await credential.mint(ID)).identity, google.accounts.developer);
});

test('else they are where gcloud keeps them, watched before they are there', async () => {
  const { google } = setting;
  const path = setting.path('application_default_credentials.json');
  const env = { CLOUDSDK_CONFIG: setting.path('') };
  const credential = setting.make({ kind: 'adc' }, { endpoints: {}, env });
  assert.deepEqual(credential.files(), [path]);
  await failure(credential);
  await setting.write('application_default_credentials.json', google.credentials.serviceAccount);
  assert.equal((await credential.mint(ID)).identity, google.accounts.developer);
});

test('no such credentials at all: permanent, with the command to log in', async () => {
  const error = await failure(setting.make({ kind: 'adc' }, { endpoints: {} }));
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /from application default credentials: there are none on this machine\.$/);
  assert.equal(error.hint, LOGIN);
});

test('a file that was named has to be there, and to be one', async () => {
  const cases = [
    [setting.path('missing.json'), /^The credential file .*missing\.json does not exist\.$/],
    [
      await setting.write('text.json', '"canary'),
      /^The credential file .*text\.json is not a JSON object\.$/,
    ],
    [await setting.write('typeless.json', {}), /^"type" in .*typeless\.json is missing\.$/],
    [await setting.write('odd.json', { type: 'canary' }), /^The "type" of .*odd\.json is not known\.$/],
  ] as const;
  for (const [path, message] of cases) {
    const env = { GOOGLE_APPLICATION_CREDENTIALS: path };
    const error = await failure(setting.make({ kind: 'adc' }, { endpoints: {}, env }));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
  }
});

test('an identity of Google Distributed Cloud is told that Google has no tokens for it', async () => {
  const applicationDefault = { type: 'gdch_service_account', format_version: '1', name: 'x' };
  const endpoints = { ...setting.endpoints(), applicationDefault };
  const error = await failure(setting.make({ kind: 'adc' }, { endpoints }));
  assert.match(error.message, /Google Distributed Cloud, which gets no tokens from Google\.$/);
  assert.match(String(error.hint), /service account key/);
});

test('a machine’s account is the last resort, found also when its metadata server wasn’t there before', async () => {
  const { google } = setting;
  const { metadataHost } = google.google;
  const env = { METADATA_SERVER_DETECTION: undefined };
  const credential = setting.make({ kind: 'adc' }, { endpoints: { metadataHost }, env });
  google.faults.set('metadata', { status: 404 });
  assert.match((await failure(credential)).message, /there are none on this machine\.$/);
  google.faults.clear();
  assert.deepEqual(await setting.count(() => credential.mint(ID)), { metadata: 1 });
  assert.equal((await credential.mint(ID)).identity, google.accounts.compute);
});

test('something else at the metadata server’s address is no metadata server', async () => {
  const { google } = setting;
  // AWS's has the same address, and refuses.
  const endpoints = { metadataHost: new URL(google.google.url).host };
  for (const fault of ['reset', 'hang'] as const) {
    google.faults.set('metadata', fault);
    const env = { METADATA_SERVER_DETECTION: 'ping-only' };
    const credential = setting.make({ kind: 'adc' }, { endpoints, env, timeoutMs: 50 });
    const error = await failure(credential);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /there are none on this machine\.$/);
    const present = { METADATA_SERVER_DETECTION: 'assume-present' };
    const here = setting.make({ kind: 'adc' }, { endpoints, env: present, timeoutMs: 50 });
    assert.equal((await failure(here)).code, 'token_unavailable');
  }
});

test('a person’s ID token is for the client they signed in with, and the cache says so', async (t) => {
  const credential = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('authorizedUser') });
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
  setting.google.faults.set('token', { status: 200, body: { access_token: 'ya29.x', expires_in: 3599 } });
  const credential = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('authorizedUser') });
  const error = await failure(credential);
  assert.match(error.message, /lacks the scope "openid"/);
  assert.equal(error.hint, LOGIN);
});

test('R21: a login that Google doesn’t take any more is permanent, with the command to log in again', async () => {
  const credential = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('authorizedUser') });
  const revoked = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' };
  setting.google.faults.set('token', { status: 400, body: revoked });
  const error = await failure(credential);
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /answered 400 invalid_grant: Token has been expired or revoked\.$/);
  assert.equal(error.hint, LOGIN);

  const rapt = {
    error: 'invalid_grant',
    error_description: 'reauth related error (invalid_rapt)',
    error_subtype: 'invalid_rapt',
  };
  setting.google.faults.set('token', { status: 400, body: rapt });
  const again = await failure(credential);
  assert.equal(again.code, 'credentials_invalid');
  assert.match(again.message, /: your organization wants you to log in again \(invalid_rapt\)\.$/);
  assert.equal(again.hint, LOGIN);
  setting.google.faults.set('token', { status: 500 });
  assert.equal((await failure(credential)).hint, undefined);
});

test('R21: a key that was deleted, or whose account was deleted or disabled, comes with the command for each', async () => {
  const { client_email: email, client_id: id } = setting.google.credentials.serviceAccount;
  const path = await setting.write('adc-key.json', setting.google.credentials.serviceAccount);
  const env = { GOOGLE_APPLICATION_CREDENTIALS: path };
  const credential = setting.make({ kind: 'adc' }, { endpoints: {}, env });
  const cases = [
    ['Invalid JWT Signature.', `gcloud iam service-accounts keys create ${path} --iam-account=${email}`],
    ['Invalid grant: account not found', `gcloud iam service-accounts undelete ${id}`],
    ['Account has been disabled.', `gcloud iam service-accounts enable ${email}`],
  ] as const;
  for (const [description, hint] of cases) {
    const body = { error: 'invalid_grant', error_description: description };
    setting.google.faults.set('token', { status: 400, body });
    const error = await failure(credential);
    assert.deepEqual([error.code, error.hint], ['credentials_invalid', hint]);
  }
});

test('an impersonation in the file that IAM refuses comes with the command that allows it', async () => {
  const { google } = setting;
  const { impersonated, stranger } = google.credentials;
  const applicationDefault = { ...impersonated, source_credentials: stranger };
  const endpoints = { ...setting.endpoints(), applicationDefault };
  const error = await failure(setting.make({ kind: 'adc' }, { endpoints }));
  assert.equal(
    error.hint,
    `gcloud iam service-accounts add-iam-policy-binding ${google.accounts.runner} --member=serviceAccount:${google.accounts.stranger} --role=roles/iam.serviceAccountTokenCreator`,
  );
  const revoked = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' };
  google.faults.set('token', { status: 400, body: revoked });
  const login = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('impersonated') });
  assert.equal((await failure(login)).hint, LOGIN);
});

test('an account that is impersonated and disabled is enabled again by a command', async () => {
  const body = {
    error: { code: 400, status: 'FAILED_PRECONDITION', message: 'The service account is disabled.' },
  };
  setting.google.faults.set('generateIdToken', { status: 400, body });
  const credential = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('impersonated') });
  assert.equal(
    (await failure(credential)).hint,
    `gcloud iam service-accounts enable ${setting.google.accounts.runner}`,
  );
});

test('access tokens come with the project to bill: the file’s, or the environment’s', async () => {
  const endpoints = setting.endpoints('authorizedUser');
  const fromFile = await setting.make({ kind: 'adc' }, { endpoints }).mint(ACCESS);
  assert.equal(fromFile.quotaProject, setting.google.credentials.authorizedUser.quota_project_id);
  const env = { GOOGLE_CLOUD_QUOTA_PROJECT: 'billed' };
  assert.equal((await setting.make({ kind: 'adc' }, { endpoints, env }).mint(ACCESS)).quotaProject, 'billed');
  assert.equal((await setting.make({ kind: 'adc' }, { env }).mint(ID)).quotaProject, undefined);
  for (const file of ['serviceAccount', 'impersonated'] as const) {
    const applicationDefault = { ...setting.google.credentials[file], quota_project_id: 'of-the-file' };
    const given = { ...setting.endpoints(), applicationDefault };
    assert.equal(
      (await setting.make({ kind: 'adc' }, { endpoints: given }).mint(ACCESS)).quotaProject,
      'of-the-file',
    );
  }
});

test('a key signs JWTs itself and an impersonated account has them signed; people can’t', async () => {
  const { google } = setting;
  const counts = await setting.count(async () => {
    const { identity } = await setting.make({ kind: 'adc' }).mint(SIGNED);
    assert.equal(identity, google.accounts.developer);
  });
  assert.deepEqual(counts, {});
  const impersonated = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('impersonated') });
  assert.equal((await impersonated.mint(SIGNED)).identity, google.accounts.runner);
  const person = setting.make({ kind: 'adc' }, { endpoints: setting.endpoints('authorizedUser') });
  const error = await failure(person, SIGNED);
  assert.match(
    error.message,
    /^Could not get a self-signed JWT for .* from application default credentials: only service accounts sign JWTs\.$/,
  );
  assert.match(String(error.hint), /kind: impersonate/);
});

test('the project is the environment’s, the file’s, or the machine’s; nothing is asked that isn’t needed', async () => {
  const project = setting.google.credentials.serviceAccount.project_id;
  const env = { GOOGLE_CLOUD_PROJECT: 'chosen' };
  const person = { endpoints: setting.endpoints('authorizedUser') };
  const counts = await setting.count(async () => {
    assert.equal(await setting.make({ kind: 'adc' }).projectId(), project);
    assert.equal(await setting.make({ kind: 'adc' }, person).projectId(), project);
    assert.equal(await setting.make({ kind: 'adc' }, { ...person, env }).projectId(), 'chosen');
  });
  assert.deepEqual(counts, {});
  const { metadataHost } = setting.google.google;
  const machine = setting.make({ kind: 'adc' }, { endpoints: { metadataHost } });
  assert.equal(await machine.projectId(), project);
});

test('programs that say who a workload is get more time than Google, where they are allowed', () => {
  assert.equal(setting.make({ kind: 'adc' }).mintTimeoutMs, undefined);
  const env = { GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: '1' };
  assert.equal(setting.make({ kind: 'adc' }, { env }).mintTimeoutMs, 40_000);
});
