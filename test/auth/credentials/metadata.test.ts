import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClaims } from '../../../src/auth/jwt.ts';
import { createEmulator } from '../../../src/emulator/emulator.ts';
import { ACCESS, AUDIENCE, failure, ID, SIGNED, useEmulator } from './setting.ts';

const setting = useEmulator();
const MACHINE = { kind: 'metadata', account: 'default' } as const;

test('the metadata server gives tokens for any audience, whatever characters it has', async () => {
  const credential = setting.make(MACHINE);
  for (const audience of [AUDIENCE, 'https://x.run.app/?a=1&b=2#c', 'a b+c%20d', 'https://例え.jp/é']) {
    const token = await credential.mint({ kind: 'id', audience });
    assert.equal(token.audience, audience);
    assert.equal(token.identity, setting.google.accounts.compute);
    assert.ok(token.issuerNowMs !== undefined);
  }
  assert.equal((await credential.mint(ACCESS)).value.startsWith('ya29.'), true);
  assert.equal(process.env.GCE_METADATA_HOST, undefined);
});

test('the metadata server can be asked for another account', async () => {
  const { compute } = setting.google.accounts;
  const credential = setting.make({ kind: 'metadata', account: compute });
  for (const request of [ID, ACCESS]) assert.equal((await credential.mint(request)).identity, compute);
  const nobody = setting.make({ kind: 'metadata', account: 'nobody@p.iam.gserviceaccount.com' });
  assert.equal((await failure(nobody)).code, 'credentials_invalid');
});

test('a machine has JWTs signed by IAM, as itself, where it may', async () => {
  const { google } = setting;
  const { compute, runner } = google.accounts;
  for (const account of ['default', compute]) {
    const error = await failure(setting.make({ kind: 'metadata', account }), SIGNED);
    assert.match(error.message, /403 PERMISSION_DENIED/);
    assert.equal(
      error.hint,
      `gcloud iam service-accounts add-iam-policy-binding ${compute} --member=serviceAccount:${compute} --role=roles/iam.serviceAccountTokenCreator`,
    );
  }
  const signedJwt = (await setting.make({ kind: 'adc' }).mint(SIGNED)).value;
  google.faults.set('signJwt', { status: 200, body: { keyId: 'x', signedJwt } });
  const counts = await setting.count(async () => {
    const { iss, aud } = decodeClaims((await setting.make(MACHINE).mint(SIGNED)).value);
    assert.deepEqual([iss, aud], [google.accounts.developer, 'https://iap.example.com/*']);
  });
  // Its address, and its access token.
  assert.deepEqual(counts, { metadata: 2, signJwt: 1 });
  assert.notEqual(runner, compute);
});

test('emulated and real metadata servers don’t get mixed up when asked at once', async (t) => {
  const other = await createEmulator({ services: [] });
  t.after(() => other.close());
  const { metadataHost } = other.google;
  const here = setting.make(MACHINE);
  const there = setting.make(MACHINE, { endpoints: { metadataHost } });
  const before = other.requests.metadata;
  const counts = await setting.count(() =>
    Promise.all([here, there, there, here, there].map((credential) => credential.mint(ID))),
  );
  assert.equal(counts.metadata, 2);
  assert.equal(other.requests.metadata - before, 3);
});

test('where there is no metadata server, that is said', async () => {
  const credential = setting.make(MACHINE, { endpoints: { metadataHost: '127.0.0.1:9' } });
  const error = await failure(credential);
  assert.equal(error.code, 'token_unavailable');
  assert.match(String(error.hint), /on Google Cloud only/);
});

test('the project is the environment’s, else the machine’s', async () => {
  const project = setting.google.credentials.serviceAccount.project_id;
  assert.equal(await setting.make(MACHINE).projectId(), project);
  const env = { GOOGLE_CLOUD_PROJECT: 'chosen' };
  assert.equal(await setting.make(MACHINE, { env }).projectId(), 'chosen');
});
