import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import type { Credential } from '../../../src/auth/token-source.ts';
import { systemClock } from '../../../src/clock.ts';
import { ACCESS, failure, HOUR_MS, ID, type MakeOptions, SIGNED, show, useEmulator } from './setting.ts';

const LOGIN = 'gcloud auth application-default login';
const CLIENT = '764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com';

const setting = useEmulator();

/** With a Google that isn't said to be emulated, as logins are for the real one. */
function make(path: string | undefined, options: MakeOptions = {}): Credential {
  const endpoints = { apisUrl: setting.google.google.url };
  return setting.make({ kind: 'user', path }, { endpoints, ...options });
}

const writeLogin = (): Promise<string> =>
  setting.write('login.json', setting.google.credentials.authorizedUser);
const writeWorkforceLogin = (): Promise<string> =>
  setting.write('workforce.json', setting.google.credentials.workforceUser);

test('a person’s ID token is for the OAuth client, whatever was asked for, and says so', async (t) => {
  const credential = make(await writeLogin());
  const minted = await credential.mint(ID);
  assert.equal(minted.audience, CLIENT);
  assert.equal(minted.identity, setting.google.accounts.user);
  assert.match(credential.describe(), /^login file \S+login\.json \(dev@example\.com\)$/);

  const told: (string | undefined)[] = [];
  const cache = createTokenCache({
    clock: systemClock,
    onEvent: (event) => told.push(event.type === 'token-minted' ? event.otherAudience : event.type),
  });
  t.after(() => cache.close());
  const held = await cache.source(credential, ID).obtain();
  assert.deepEqual([told, held.otherAudience], [[CLIENT], CLIENT]);
});

test('a person’s access token says whose it is, when it ends and which project to bill', async () => {
  const minted = await make(await writeLogin()).mint(ACCESS);
  assert.equal(minted.identity, setting.google.accounts.user);
  assert.equal(minted.quotaProject, setting.google.credentials.authorizedUser.quota_project_id);
  assert.ok(Math.abs(minted.expiresAtMs - (minted.issuerNowMs ?? 0) - HOUR_MS) <= 2_000);
});

test('people sign no JWTs: the message says what does', async () => {
  for (const path of [await writeLogin(), await writeWorkforceLogin()]) {
    const error = await failure(make(path), SIGNED);
    assert.match(
      error.message,
      /a self-signed JWT for \S+ from login file \S+: only service accounts sign JWTs\.$/,
    );
    assert.match(error.hint ?? '', /kind: impersonate/);
  }
});

test('a person of a workforce pool gets access tokens, and is told how to get ID tokens', async () => {
  const credential = make(await writeWorkforceLogin());
  const minted = await credential.mint(ACCESS);
  assert.match(minted.value, /^ya29\./);
  assert.equal(minted.quotaProject, setting.google.credentials.workforceUser.quota_project_id);
  const error = await failure(credential, ID);
  assert.equal(error.code, 'credentials_invalid');
  assert.match(
    error.message,
    /^Google gives no ID tokens to login file \S+workforce\.json, only access tokens\.$/,
  );
  assert.match(error.hint ?? '', /kind: impersonate/);
});

test('without a path it is the login that gcloud keeps', async () => {
  const text = JSON.stringify(setting.google.credentials.authorizedUser);
  const name = 'application_default_credentials.json';
  const home = setting.path('home');
  const folder = process.platform === 'win32' ? join(home, 'gcloud') : join(home, '.config', 'gcloud');
  const chosen = setting.path('chosen');
  for (const [place, env] of [
    [folder, { CLOUDSDK_CONFIG: '', HOME: home, APPDATA: home }],
    [chosen, { CLOUDSDK_CONFIG: chosen, HOME: home, APPDATA: home }],
  ] as const) {
    const credential = make(undefined, { env });
    assert.deepEqual(credential.files(), [join(place, name)]);
    const error = await failure(credential);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /^The login file \S+application_default_credentials\.json does not exist\.$/);
    assert.equal(error.hint, LOGIN);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, name), text);
    assert.equal((await credential.mint(ID)).identity, setting.google.accounts.user);
  }
});

test('a login in a place of one’s own is to be put there again', async () => {
  const path = setting.path('elsewhere.json');
  assert.equal((await failure(make(path))).hint, `${LOGIN}, then copy its file to ${path}`);
});

test('a file that is no login is named, with the kind that uses it', async () => {
  const { serviceAccount, federatedGithub, impersonated } = setting.google.credentials;
  const key = await setting.write('key.json', serviceAccount);
  const federated = await setting.write('wif.json', federatedGithub);
  const acting = await setting.write('acting.json', impersonated);
  const cases = [
    [key, /is of type service_account, not authorized_user\.$/, `{ kind: key-file, path: ${key} }`],
    [federated, /is of type external_account, not/, `{ kind: federated, path: ${federated} }`],
    [acting, /is of type impersonated_/, `{ kind: adc } with GOOGLE_APPLICATION_CREDENTIALS=${acting}`],
    [
      await setting.write('typeless.json', { x: 'canary' }),
      /has no "type"/,
      'Use the file as Google made it.',
    ],
  ] as const;
  for (const [path, message, hint] of cases) {
    const error = await failure(make(path));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    assert.equal(error.hint, hint);
    assert.doesNotMatch(show(error), /canary|PRIVATE KEY/);
  }
});

test('R21: a login that is over, or has to be renewed, comes with the command, and works when it was run', async () => {
  const path = await writeLogin();
  const credential = make(path);
  const hint = `${LOGIN}, then copy its file to ${path}`;
  const revoked = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' };
  setting.google.faults.set('token', { status: 400, body: revoked });
  for (const request of [ID, ACCESS]) {
    const error = await failure(credential, request);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /answered 400 invalid_grant: Token has been expired or revoked\.$/);
    assert.equal(error.hint, hint);
  }
  const rapt = { error: 'invalid_grant', error_subtype: 'invalid_rapt' };
  setting.google.faults.set('token', { status: 400, body: rapt });
  const error = await failure(credential);
  assert.match(error.message, /: your organization wants you to log in again \(invalid_rapt\)\.$/);
  assert.equal(error.hint, hint);
  setting.google.faults.clear();
  assert.equal((await credential.mint(ID)).identity, setting.google.accounts.user);

  setting.google.faults.set('sts', { status: 400, body: revoked });
  const workforce = await failure(make(await writeWorkforceLogin()), ACCESS);
  assert.match(workforce.hint ?? '', /application-default login --login-config=CONFIG\.json, then copy/);
});

test('a login without the scope openid is told from a broken answer', async () => {
  setting.google.faults.set('token', { status: 200, body: { access_token: 'ya29.x', expires_in: 3599 } });
  const error = await failure(make(await writeLogin()));
  assert.match(
    error.message,
    /^Google gave no ID token to login file \S+: the login lacks the scope "openid"\.$/,
  );
  assert.equal(error.hint, LOGIN);
});

test('emulated services are never shown gcloud’s login, but a file of the emulator’s', async () => {
  const endpoints = setting.endpoints();
  const asked = await setting.count(async () => {
    const error = await failure(make(undefined, { endpoints }));
    assert.match(error.message, /from login file \S+: it is for the real Google\.$/);
    assert.equal(error.hint, 'Use { kind: adc } for emulated services.');
  });
  assert.deepEqual(asked, {});
  assert.equal(
    (await make(await writeLogin(), { endpoints }).mint(ID)).identity,
    setting.google.accounts.user,
  );
});

test('the project is the environment’s, else the one billed', async () => {
  const path = await writeLogin();
  const { quota_project_id: billed } = setting.google.credentials.authorizedUser;
  assert.equal(await make(path).projectId(), billed);
  assert.equal(await make(path, { env: { GOOGLE_CLOUD_PROJECT: 'chosen' } }).projectId(), 'chosen');
});

test('R23: no failure lets a login be seen', async () => {
  const { authorizedUser, workforceUser } = setting.google.credentials;
  for (const login of [authorizedUser, workforceUser]) {
    const secrets = [String(login.refresh_token), String(login.client_secret)];
    const whole = { error: 'invalid_grant', error_description: JSON.stringify(login) };
    for (const fault of [
      { status: 400, body: whole },
      { status: 500, body: whole },
      'garbage',
      'reset',
    ] as const) {
      for (const endpoint of ['token', 'sts'] as const) setting.google.faults.set(endpoint, fault);
      for (const content of [login, JSON.stringify(login).slice(0, -20)]) {
        const path = await setting.write('secret.json', content);
        for (const request of [ID, ACCESS, SIGNED]) {
          const shown = show(await failure(make(path), request));
          for (const secret of secrets) assert.ok(!shown.includes(secret), shown);
        }
      }
    }
  }
});
