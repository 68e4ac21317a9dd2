import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createCredentials } from '../../src/auth/credentials/index.ts';
import type { Credential } from '../../src/auth/token-source.ts';
import { systemClock } from '../../src/clock.ts';
import type { CredentialConfig } from '../../src/config/config.ts';
import { createFakeGcloud } from '../auth/credentials/fake-gcloud.ts';
import { failure, ID, useEmulator } from '../auth/credentials/setting.ts';
import { assertNoSecret, listSecrets } from './secrets.ts';

const setting = useEmulator();
const { PATH, SystemRoot } = process.env;

/** Secrets of ours in the environment, in each of the ways a configuration can have them there. */
const OURS = {
  GBP_CLIENT_SECRET: 'canary-of-clients',
  MY_KEY: 'canary-of-the-key',
  MY_TOKEN: 'canary-of-the-token',
  MY_LISTENER_SECRET: 'canary-of-the-listener',
  OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=canary-of-the-collector',
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-api-key=canary-of-its-traces',
};

/** A credential in a configuration that has others with secrets in variables. */
function make(config: CredentialConfig, env: Readonly<Record<string, string | undefined>>): Credential {
  const configs = {
    default: { kind: 'key-file', key: { kind: 'env', name: 'MY_KEY' } },
    other: { kind: 'token', from: { kind: 'env', name: 'MY_TOKEN' } },
    it: config,
  } as const;
  const { it } = createCredentials(configs, {
    env: { ...env, ...OURS, USERS_OWN: 'kept' },
    secretVariables: ['MY_LISTENER_SECRET'],
    clock: systemClock,
    endpoints: { apisUrl: setting.google.google.url },
  });
  assert.ok(it);
  return it;
}

function assertUntold(told: { readonly args: readonly string[]; readonly env: Record<string, string> }) {
  const secrets = [...listSecrets(setting.google), ...Object.values(OURS)];
  assertNoSecret('what a program was told', JSON.stringify(told), secrets);
  for (const name of Object.keys(OURS)) assert.ok(!(name in told.env), name);
  assert.equal(told.env.USERS_OWN, 'kept');
}

test('R23: gcloud is told no secret, neither by its arguments nor by its environment', async () => {
  const gcloud = await createFakeGcloud(setting.path(''));
  await gcloud.answer({ when: '', code: 1, stderr: 'ERROR: no\n' });
  await failure(make({ kind: 'gcloud', account: 'me@example.com' }, gcloud.env));
  const runs = await gcloud.runs();
  assert.ok(runs.length > 0);
  for (const run of runs) assertUntold(run);
});

test('R23: a federation’s program is told no secret, and its token goes to Google alone', async () => {
  const out = setting.path('told.json');
  const id_token = await setting.google.federation.issueOidcToken();
  const answer = { version: 1, success: true, token_type: 'urn:ietf:params:oauth:token-type:jwt', id_token };
  const source = `require('node:fs').writeFileSync(${JSON.stringify(out)}, JSON.stringify({ args: process.argv, env: process.env }));
    console.log(${JSON.stringify(JSON.stringify(answer))});`;
  const script = await setting.write('says-who.cjs', source);
  const command = `"${process.execPath}" "${script}"`;
  const file = {
    ...setting.google.credentials.federatedGithub,
    credential_source: { executable: { command } },
  };
  const path = await setting.write('executable.json', file);
  const serviceAccount = setting.google.accounts.runner;
  const env = { PATH, SystemRoot, GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: '1' };
  const credential = make({ kind: 'federated', from: { kind: 'config-file', path }, serviceAccount }, env);
  assert.equal((await credential.mint(ID)).identity, serviceAccount);
  // A second time, when there are tokens to tell.
  await credential.mint(ID);
  assertUntold(JSON.parse(await readFile(out, 'utf8')));
});
