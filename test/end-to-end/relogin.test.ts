import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startStack } from '../support/stack.ts';

const ROUTES = '  - { path: /hello, upstream: "<hello>" }';

interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
}

test('a revoked login is 502 with the command to run, and the request after the new login works', async (t) => {
  const revoked = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' };
  const { call, emulator, dir } = await startStack(t, {
    routes: ROUTES,
    credentials: 'default: { kind: user, path: "<dir>/authorizedUser.json" }',
    prepare: ({ faults }) => faults.set('token', { status: 400, body: revoked }),
  });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const refused = await call('/hello');
    assert.equal(refused.status, 502);
    const { error } = refused.json<ErrorBody>();
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.hint ?? '', /^gcloud auth application-default login\b/);
  }
  const callsBefore = emulator.requests.token;
  emulator.faults.clear();
  await writeFile(
    join(dir, 'authorizedUser.json'),
    JSON.stringify(emulator.credentials.authorizedUser, null, 2),
  );
  const reply = await call('/hello');
  assert.equal(reply.status, 200);
  assert.equal(reply.json<{ verified: { email: string } }>().verified.email, emulator.accounts.user);
  assert.ok(emulator.requests.token - callsBefore <= 2);
});

test('credentials that come into being while the proxy runs are used by the next request', async (t) => {
  const { call, emulator, dir } = await startStack(t, {
    routes: ROUTES,
    credentials: 'default: { kind: key-file, path: "<dir>/later.json" }',
  });
  const refused = await call('/hello');
  assert.equal(refused.status, 502);
  assert.match(refused.json<ErrorBody>().error.message, /later\.json does not exist/);
  await writeFile(join(dir, 'later.json'), JSON.stringify(emulator.credentials.serviceAccount));
  assert.equal((await call('/hello')).status, 200);
});

test('a token file that is renewed is read again, and one that is gone leaves the old token serving', async (t) => {
  const { call, dir, emulator } = await startStack(t, {
    routes: ROUTES,
    credentials: 'default: { kind: token, from: "file:<dir>/token" }',
  });
  assert.equal((await call('/hello')).status, 502);
  const audience = emulator.services.hello?.audience ?? '';
  const issue = async (): Promise<string> => {
    const { token_uri, ...file } = emulator.credentials.serviceAccount;
    const { createCredentials } = await import('../../src/auth/credentials/index.ts');
    const { systemClock } = await import('../../src/clock.ts');
    const endpoints = { apisUrl: emulator.google.url, applicationDefault: file };
    const made = createCredentials({ it: { kind: 'adc' } }, { endpoints, env: {}, clock: systemClock });
    return (await made.it?.mint({ kind: 'id', audience }))?.value ?? '';
  };
  await writeFile(join(dir, 'token'), `${await issue()}\n`);
  assert.equal((await call('/hello')).status, 200);
  await rm(join(dir, 'token'));
  assert.equal((await call('/hello')).status, 200);
});
