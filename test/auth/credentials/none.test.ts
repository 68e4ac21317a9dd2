import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACCESS, failure, ID, SIGNED, useEmulator } from './setting.ts';

const setting = useEmulator();

test('credentials of kind none have no tokens of any sort, and say what to write instead', async () => {
  const none = setting.make({ kind: 'none' });
  const cases = [
    [ID, 'an ID token for https://orders-abc-an.a.run.app'],
    [ACCESS, 'an access token for https://www.googleapis.com/auth/bigquery'],
    [SIGNED, 'a self-signed JWT for https://iap.example.com/*'],
  ] as const;
  for (const [request, what] of cases) {
    const error = await failure(none, request);
    assert.equal(error.code, 'credentials_invalid');
    assert.equal(error.message, `Could not get ${what}: credentials of kind "none" have no tokens.`);
    assert.equal(error.hint, 'Name other credentials, or write `token: none` for the route.');
  }
  assert.deepEqual(none.files(), []);
  assert.equal(none.describe(), 'no credentials');
  assert.equal(await none.projectId(), undefined);
});
