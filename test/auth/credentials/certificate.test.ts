import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { CredentialConfig } from '../../../src/config/config.ts';
import { ACCESS, failure, ID, useEmulator } from './setting.ts';

const setting = useEmulator();

/** A workload that is known by its certificate, and the certificate configuration it has. */
async function certified(t: TestContext): Promise<{ config: CredentialConfig; configPath: string }> {
  const { toCredential, client, caPem } = await setting.google.federation.startMutualTls();
  const trusted = tls.getCACertificates('default');
  tls.setDefaultCACertificates([caPem]);
  t.after(() => tls.setDefaultCACertificates(trusted));
  const workload = {
    cert_path: await setting.write('client.pem', client.cert),
    key_path: await setting.write('client-key.pem', client.key),
  };
  const configPath = await setting.write('certificate_config.json', { cert_configs: { workload } });
  const path = await setting.write('wif.json', toCredential(configPath));
  const serviceAccount = setting.google.accounts.runner;
  return { config: { kind: 'federated', from: { kind: 'config-file', path }, serviceAccount }, configPath };
}

test('a workload with a certificate shows it by mutual TLS', async (t) => {
  const { config, configPath } = await certified(t);
  const credential = setting.make(config);
  assert.ok(credential.files().includes(configPath));
  for (const request of [ID, ACCESS]) {
    const counts = await setting.count(async () => {
      assert.equal((await credential.mint(request)).identity, setting.google.accounts.runner);
    });
    assert.deepEqual(counts, {
      sts: 1,
      [request.kind === 'id' ? 'generateIdToken' : 'generateAccessToken']: 1,
    });
  }
});

test('an exchange by mutual TLS is bounded and named as others are', async (t) => {
  const { config } = await certified(t);
  setting.google.faults.set('sts', 'hang');
  const hung = await failure(setting.make(config, { timeoutMs: 60 }));
  assert.equal(hung.code, 'token_unavailable');
  assert.match(hung.message, /127\.0\.0\.1 can't be reached \(TimeoutError\)\.$/);
  setting.google.faults.set('sts', { status: 503 });
  assert.equal((await failure(setting.make(config))).code, 'token_unavailable');
});

test('a certificate or key that is missing is named', async (t) => {
  const { config, configPath } = await certified(t);
  const workload = { cert_path: setting.path('client.pem'), key_path: setting.path('no-key.pem') };
  await setting.write('certificate_config.json', { cert_configs: { workload } });
  const noKey = await failure(setting.make(config));
  assert.equal(noKey.code, 'credentials_invalid');
  assert.match(noKey.message, /Failed to read private key file at .*no-key\.pem/);
  await setting.write('certificate_config.json', {});
  assert.ok((await failure(setting.make(config))).message.includes(configPath));
});
