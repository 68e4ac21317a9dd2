import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClaims } from '../../../src/auth/jwt.ts';
import type { Emulator } from '../../../src/emulator/emulator.ts';
import { ACCESS, AUDIENCE, failure, HOUR_MS, ID, SIGNED, useEmulator } from './setting.ts';

const universeDomain = 's3nsapis.example';
const setting = useEmulator({ universeDomain });

const adc = (file: keyof Emulator['credentials'] = 'serviceAccount') =>
  setting.make({ kind: 'adc' }, { endpoints: setting.endpoints(file), universeDomain });

test('in another universe a key gets ID tokens from IAM, asked with a JWT that the key signs', async () => {
  const counts = await setting.count(async () => {
    const token = await adc().mint(ID);
    assert.deepEqual([token.identity, token.audience], [setting.google.accounts.developer, AUDIENCE]);
  });
  assert.deepEqual(counts, { generateIdToken: 1 });
});

test('in another universe what a key signs is an access token', async () => {
  const counts = await setting.count(async () => {
    const token = await adc().mint(ACCESS);
    assert.equal(token.identity, setting.google.accounts.developer);
    const { iss, scope, exp, iat } = decodeClaims(token.value);
    assert.equal(iss, setting.google.accounts.developer);
    assert.equal(scope, ACCESS.kind === 'access' ? ACCESS.scopes[0] : '');
    assert.equal(Number(exp) - Number(iat), 3_600);
    assert.ok(Math.abs(token.expiresAtMs - Date.now() - HOUR_MS) <= 2_000);
  });
  assert.deepEqual(counts, {});
});

test('in another universe a key signs JWTs as anywhere', async () => {
  assert.deepEqual(await setting.count(() => adc().mint(SIGNED)), {});
});

test('in another universe a workload is known to that universe’s services', async () => {
  const { google } = setting;
  const { runner } = google.accounts;
  for (const request of [ID, ACCESS, SIGNED])
    assert.equal((await adc('federatedGithubRunner').mint(request)).identity, runner);
  const from = { kind: 'github', provider: google.federation.providers.github } as const;
  const job = setting.make(
    { kind: 'federated', from, serviceAccount: runner },
    { env: google.federation.githubEnv, universeDomain },
  );
  assert.equal((await job.mint(ID)).identity, runner);
});

test('the identity of one universe is not shown to another: the line to write is told', async () => {
  const counts = await setting.count(async () => {
    for (const file of ['serviceAccount', 'authorizedUser', 'impersonated', 'federatedGithub'] as const) {
      const error = await failure(
        setting.make({ kind: 'adc' }, { endpoints: setting.endpoints(file) }),
        ACCESS,
      );
      assert.equal(error.code, 'credentials_invalid');
      assert.match(error.message, /belongs to the universe s3nsapis\.example, not to googleapis\.com\.$/);
      assert.equal(error.hint, 'universeDomain: s3nsapis.example');
    }
    const { universe_domain: _, ...older } = setting.google.credentials.serviceAccount;
    const endpoints = { ...setting.endpoints(), applicationDefault: older };
    const error = await failure(setting.make({ kind: 'adc' }, { endpoints, universeDomain }));
    assert.equal(error.hint, 'universeDomain: googleapis.com');
    const path = await setting.write('foreign.json', setting.google.credentials.federatedGithub);
    const from = { kind: 'config-file', path } as const;
    const federated = setting.make({ kind: 'federated', from, serviceAccount: undefined });
    assert.equal((await failure(federated, ACCESS)).hint, 'universeDomain: s3nsapis.example');
  });
  assert.deepEqual(counts, {});
});
