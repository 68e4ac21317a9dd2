import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEmulator } from '../../src/emulator/emulator.ts';
import { assertNoToken } from '../support/canary.ts';
import { runCli, startCli } from '../support/cli.ts';
import { startGoogleTls } from '../support/google-tls.ts';
import { createFolder } from '../support/stack.ts';

test('init finds services at Google’s own addresses, through a forward proxy and with a CA of the network’s own', async (t) => {
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const { url } = emulator.google;
  const hosts = { 'run.googleapis.com': url, 'cloudfunctions.googleapis.com': url };
  const google = await startGoogleTls(t, emulator, hosts);
  const cwd = await createFolder(t);
  // A key as Google gives it: it names no address of the emulator's.
  const key = { ...emulator.credentials.serviceAccount, token_uri: 'https://oauth2.googleapis.com/token' };
  await writeFile(join(cwd, 'key.json'), JSON.stringify(key));
  const env = { HTTPS_PROXY: google.proxyUrl, GOOGLE_APPLICATION_CREDENTIALS: join(cwd, 'key.json') };
  const args = ['init', '--project', 'emulated-project', '--ca-file', google.caFile, '--json'];
  const { code, stdout, stderr } = await runCli(t, args, { cwd, env });
  assert.deepEqual([code, stderr], [0, '']);
  const paths = JSON.parse(stdout).services.map(({ path }: { path: string | null }) => path);
  assert.deepEqual(paths, ['/hello', null, null, null]);
  assert.deepEqual(google.requests.toSorted(), [
    'GET https://cloudfunctions.googleapis.com/v2/projects/emulated-project/locations/-/functions',
    'GET https://run.googleapis.com/v2/projects/emulated-project/locations/-/services',
    'POST https://cloudfunctions.googleapis.com/v1/projects/emulated-project/locations/us-central1/functions/on-upload:testIamPermissions',
    'POST https://oauth2.googleapis.com/token',
    ...['europe-west1/services/hello', 'europe-west1/services/payroll', 'us-central1/services/ledger'].map(
      (rest) =>
        `POST https://run.googleapis.com/v2/projects/emulated-project/locations/${rest}:testIamPermissions`,
    ),
  ]);
});

test('emulate, init and start follow one another', async (t) => {
  const cwd = await createFolder(t);
  const emulate = startCli(t, ['emulate', 'hello', '--dir', 'google', '--json-ready'], { cwd });
  const { google, files } = await emulate.ready<{
    google: { url: string };
    files: { serviceAccount: string };
  }>();
  const env = {
    GOOGLE_APPLICATION_CREDENTIALS: files.serviceAccount,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: `${google.url}/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS: `${google.url}/`,
  };
  const made = await runCli(t, ['init'], { cwd, env });
  assert.deepEqual([made.code, made.stdout], [0, '']);
  const start = startCli(t, ['start', '--port', '0', '--json-ready'], { cwd, env });
  const { url } = await start.ready<{ url: string }>();
  const answer = await fetch(`${url}/hello`);
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /developer@emulated-project/);
  const written = `${made.stderr}${await readFile(join(cwd, 'proxy.yaml'), 'utf8')}`;
  assertNoToken('what init wrote', written, []);
});
