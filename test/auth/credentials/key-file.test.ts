import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Credential } from '../../../src/auth/token-source.ts';
import { ACCESS, AUDIENCE, failure, HOUR_MS, ID, SIGNED, show, useEmulator } from './setting.ts';

const setting = useEmulator();

const inFile = (path: string): Credential => setting.make({ kind: 'key-file', key: { kind: 'file', path } });
const inVariable = (text?: string): Credential =>
  setting.make(
    { kind: 'key-file', key: { kind: 'env', name: 'GCP_KEY' } },
    { env: text === undefined ? {} : { GCP_KEY: text } },
  );

test('a service account in a key file gets ID tokens for the audience asked for', async () => {
  const credential = inFile(await setting.write('key.json', setting.google.credentials.serviceAccount));
  const token = await credential.mint(ID);
  assert.equal(token.audience, AUDIENCE);
  assert.equal(token.identity, setting.google.accounts.developer);
  assert.equal(token.expiresAtMs - (token.issuedAtMs ?? 0), HOUR_MS);
  assert.ok(Math.abs(token.expiresAtMs - (token.issuerNowMs ?? 0) - HOUR_MS) <= 1_000);
  assert.match(credential.describe(), /^key file \S+key\.json \(developer@/);
});

test('a service account in a key file gets access tokens with the scopes asked for', async () => {
  const credential = inFile(await setting.write('key.json', setting.google.credentials.serviceAccount));
  const token = await credential.mint(ACCESS);
  assert.equal(token.identity, setting.google.accounts.developer);
  assert.ok(Math.abs(token.expiresAtMs - (token.issuerNowMs ?? 0) - HOUR_MS) <= 2_000);
  assert.equal((await credential.mint({ kind: 'access', scopes: [] })).value.startsWith('ya29.'), true);
});

test('a service account in a key file signs JWTs itself, and asks nobody', async () => {
  const credential = inFile(await setting.write('key.json', setting.google.credentials.serviceAccount));
  const asked = await setting.count(async () => {
    const token = await credential.mint(SIGNED);
    assert.equal(token.identity, setting.google.accounts.developer);
    assert.equal(token.audience, SIGNED.kind === 'jwt' && SIGNED.audience);
    assert.equal(token.expiresAtMs - (token.issuedAtMs ?? 0), HOUR_MS);
  });
  assert.deepEqual(asked, {});
});

test('a key in an environment variable does the same, as JSON or in Base64', async () => {
  const text = JSON.stringify(setting.google.credentials.serviceAccount, undefined, 2);
  const base64 = Buffer.from(text).toString('base64');
  const wrapped = base64.replace(/.{76}/g, '$&\n');
  for (const value of [text, ` ${text}\n`, base64, wrapped, base64.replaceAll('=', '')]) {
    const credential = inVariable(value);
    for (const request of [ID, ACCESS, SIGNED])
      assert.equal((await credential.mint(request)).identity, setting.google.accounts.developer);
    assert.match(credential.describe(), /^key in \$GCP_KEY \(developer@/);
    assert.deepEqual(credential.files(), []);
    assert.equal(await credential.projectId(), setting.google.credentials.serviceAccount.project_id);
  }
});

test('a key file is read again for each mint, and watched', async () => {
  const { serviceAccount, stranger } = setting.google.credentials;
  const path = await setting.write('rotated.json', serviceAccount);
  const credential = inFile(path);
  assert.deepEqual(credential.files(), [path]);
  assert.equal((await credential.mint(ID)).identity, setting.google.accounts.developer);
  await setting.write('rotated.json', stranger);
  assert.equal((await credential.mint(ID)).identity, setting.google.accounts.stranger);
  assert.match(credential.describe(), /\(stranger@/);
});

test('a key file saved by Windows PowerShell is read', async () => {
  const path = setting.path('utf16.json');
  await writeFile(path, `\uFEFF${JSON.stringify(setting.google.credentials.serviceAccount)}\r\n`, 'utf16le');
  assert.equal((await inFile(path).mint(ID)).audience, AUDIENCE);
});

test('a key file written by `emulate --dir` works on its own: its loopback token_uri is honoured', async () => {
  const path = await setting.write('standalone.json', setting.google.credentials.serviceAccount);
  const credential = setting.make({ kind: 'key-file', key: { kind: 'file', path } }, { endpoints: {} });
  assert.equal((await credential.mint(ID)).audience, AUDIENCE);
});

test('a key that is missing, broken or of another type is named, with what to do', async () => {
  const { authorizedUser, federatedGithub, impersonated, serviceAccount } = setting.google.credentials;
  const missing = setting.path('missing.json');
  const user = await setting.write('user.json', authorizedUser);
  const federated = await setting.write('wif.json', federatedGithub);
  const acting = await setting.write('acting.json', impersonated);
  const cases: [Credential, RegExp, string | RegExp][] = [
    [
      inFile(missing),
      /^The key file \S+missing\.json does not exist\.$/,
      /^Write the key into \S+, or name another/,
    ],
    [inFile(setting.path('')), /cannot be read\.$/, /^Let this user read/],
    [inFile(await setting.write('empty.json', '\n')), /empty\.json is empty\.$/, /^Write the key into/],
    [
      inFile(await setting.write('broken.json', '{"private_key": "canary')),
      /broken\.json is not a JSON object\.$/,
      /as Google made it/,
    ],
    [
      inFile(await setting.write('list.json', ['canary'])),
      /list\.json is not a JSON object\.$/,
      /as Google made it/,
    ],
    [inFile(await setting.write('typeless.json', {})), /typeless\.json has no "type"/, /as Google made it/],
    [
      inFile(user),
      /user\.json is of type authorized_user, not service_account\.$/,
      `{ kind: user, path: ${user} }`,
    ],
    [inFile(federated), /is of type external_account, not/, `{ kind: federated, path: ${federated} }`],
    [
      inFile(acting),
      /is of type impersonated_service_account, not/,
      `{ kind: adc } with GOOGLE_APPLICATION_CREDENTIALS=${acting}`,
    ],
    [
      inFile(await setting.write('odd.json', { type: 'canary canary' })),
      /is of type unknown, not/,
      /kind: adc/,
    ],
    [
      inFile(await setting.write('keyless.json', { type: 'service_account' })),
      /client_email/,
      /as Google made it/,
    ],
    [
      inFile(await setting.write('bad-key.json', { ...serviceAccount, private_key: 'canary' })),
      /bad-key\.json/,
      /^$/,
    ],
    [
      inVariable(),
      /^There is no key in \$GCP_KEY: the environment has no such variable\.$/,
      /^Set \$GCP_KEY to/,
    ],
    [inVariable(''), /^The key in \$GCP_KEY is empty\.$/, /^Set \$GCP_KEY to the key/],
    [inVariable('canary'), /^The key in \$GCP_KEY is not a JSON object\.$/, /as Google made it/],
    [inVariable('/var/canary.json'), /^The key in \$GCP_KEY is not a JSON object\.$/, /as Google made it/],
    [
      inVariable(JSON.stringify(authorizedUser)),
      /^The key in \$GCP_KEY is of type authorized_user, not service_account\.$/,
      'Save it in a file: { kind: user, path: /PATH }',
    ],
  ];
  for (const [credential, message, hint] of cases) {
    const error = await failure(credential);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    if (typeof hint === 'string') assert.equal(error.hint, hint);
    else assert.match(error.hint ?? '', hint);
    assert.doesNotMatch(show(error), /canary|PRIVATE KEY/);
  }
});

test('a key that Google doesn’t take any more comes with the command that makes another', async () => {
  const { serviceAccount } = setting.google.credentials;
  const body = { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' };
  setting.google.faults.set('token', { status: 400, body });
  const path = await setting.write('revoked.json', serviceAccount);
  const create = (file: string): string =>
    `gcloud iam service-accounts keys create ${file} --iam-account=${setting.google.accounts.developer}`;
  assert.equal((await failure(inFile(path))).hint, create(path));
  const error = await failure(inVariable(JSON.stringify(serviceAccount)));
  assert.match(
    error.message,
    /from key in \$GCP_KEY \(developer@\S+\): \S+ answered 400 invalid_grant: Invalid JWT Signature\.$/,
  );
  assert.equal(error.hint, `${create('KEY.json')}, then put its content into $GCP_KEY`);
});

test('R23: no failure lets a key be seen, wherever it is kept', async () => {
  const { serviceAccount } = setting.google.credentials;
  const secret = String(serviceAccount.private_key).slice(60, 100);
  const text = JSON.stringify(serviceAccount);
  const broken = JSON.stringify({ ...serviceAccount, private_key: `${secret}${'x'.repeat(90)}` });
  const cut = text.slice(0, -40);
  for (const fault of [
    undefined,
    { status: 400, body: { error: 'x', error_description: text } },
    'garbage',
  ] as const) {
    if (fault !== undefined) setting.google.faults.set('token', fault);
    for (const content of [text, broken, cut, Buffer.from(cut).toString('base64'), `"${text}"`]) {
      for (const credential of [inVariable(content), inFile(await setting.write('secret.json', content))]) {
        for (const request of [ID, ACCESS, SIGNED]) {
          const error: unknown = await credential.mint(request).catch((thrown: unknown) => thrown);
          if (error instanceof Error) assert.ok(!show(error).includes(secret), credential.describe());
        }
      }
    }
  }
});
