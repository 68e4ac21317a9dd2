import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { type Advice, type MintFailure, scrub, toMintError } from '../../src/auth/failure.ts';
import { ID_REQUEST } from './fake-credential.ts';

const NOW = Date.UTC(2026, 0, 1);
const url = new URL('https://oauth2.googleapis.com/token');

function toError(
  thrown: unknown,
  advise: (failure: MintFailure) => Advice | undefined = () => 'do something',
) {
  return toMintError(thrown, { request: ID_REQUEST, credential: 'key file k.json', advise, localNowMs: NOW });
}

/** What google-auth-library throws for an answer. */
function answered(status: number, data: unknown, headers: Record<string, string> = {}): Error {
  return Object.assign(new Error('raw'), {
    config: { url },
    response: { status, data, headers: new Headers(headers) },
  });
}

/** What it throws where there was none. */
function unanswered(code: string): Error {
  return Object.assign(new Error(`request failed, reason: ${code}`), { config: { url }, code });
}

test('R21: an answer that will stay the same is permanent, one that may change is temporary', () => {
  for (const status of [400, 401, 403, 404])
    assert.equal(toError(answered(status, {})).code, 'credentials_invalid');
  for (const status of [408, 429, 500, 502, 503, 504])
    assert.equal(toError(answered(status, {})).code, 'token_unavailable');
});

test('R21: no answer is temporary, whatever the network says', () => {
  for (const code of [
    'ECONNREFUSED',
    'ENOTFOUND',
    'ETIMEDOUT',
    'TimeoutError',
    'ERR_STREAM_PREMATURE_CLOSE',
  ]) {
    const error = toError(unanswered(code));
    assert.equal(error.code, 'token_unavailable');
    assert.ok(error.message.endsWith(`oauth2.googleapis.com can't be reached (${code}).`), error.message);
  }
});

test('an error in OAuth’s words is told in one sentence', () => {
  const error = toError(
    answered(400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }),
  );
  assert.equal(
    error.message,
    'Could not get an ID token for https://orders-abc-an.a.run.app from key file k.json: oauth2.googleapis.com answered 400 invalid_grant: Invalid JWT Signature.',
  );
  assert.equal(error.hint, 'do something');
});

test('an error in the words of Google’s APIs is told too', () => {
  const body = {
    error: { code: 403, status: 'PERMISSION_DENIED', message: 'Permission denied\non resource' },
  };
  assert.match(
    toError(answered(403, body)).message,
    /answered 403 PERMISSION_DENIED: Permission denied on resource\.$/,
  );
});

test('the page of somebody else in place of an answer is not shown', () => {
  const error = toError(
    Object.assign(answered(403, '<html>canary</html>'), { message: '<html>canary</html>' }),
  );
  assert.ok(!inspect(error, { depth: 9 }).includes('canary'));
});

test('a parser that quotes what it read is not shown', () => {
  for (const thrown of [
    new SyntaxError('Unexpected token c, "canary" is not'),
    new TypeError("on string 'canary'"),
  ]) {
    const error = toError(thrown);
    assert.equal(error.code, 'credentials_invalid');
    assert.ok(!inspect(error, { depth: 9 }).includes('canary'));
  }
});

test('what a kind of credential knows better is said in place of the answer, and stands until somebody acts', () => {
  const error = toError(answered(503, {}, { 'retry-after': '7' }), () => ({
    because: 'there are none on this machine',
    hint: 'log in',
  }));
  assert.match(error.message, /from key file k\.json: there are none on this machine\.$/);
  assert.deepEqual([error.code, error.hint], ['credentials_invalid', 'log in']);
  assert.equal(error.retryAfterMs, undefined);
});

test('a code of Node’s is shown however long it is; anything else as long is not', () => {
  const code = 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED';
  assert.match(toError(unanswered(code)).message, new RegExp(`\\(${code}\\)\\.$`));
  assert.match(toError(unanswered(code.toLowerCase())).message, /\(\[removed\]\)\.$/);
});

test('kinds are told what OAuth and metadata servers add to an answer', () => {
  const body = { error: 'invalid_grant', error_subtype: 'invalid_rapt' };
  const seen: (string | boolean | undefined)[] = [];
  const note = ({ subtype, isMetadataServer }: MintFailure): undefined => {
    seen.push(subtype, isMetadataServer);
  };
  toError(answered(400, body), note);
  toError(answered(404, '', { 'metadata-flavor': 'Google' }), note);
  assert.deepEqual(seen, ['invalid_rapt', false, undefined, true]);
});

test('an API that is switched off comes with the command that switches it on', () => {
  const message =
    'IAM Service Account Credentials API has not been used in project 1 before or it is disabled.';
  const error = toError(answered(403, { error: { status: 'PERMISSION_DENIED', message } }));
  assert.equal(error.hint, 'gcloud services enable iamcredentials.googleapis.com');
});

test('R63: an assertion refused because of this machine’s clock says by how much it is off', () => {
  const body = {
    error: 'invalid_grant',
    error_description: 'Invalid JWT: Token must be a short-lived token',
  };
  const behind = toError(answered(400, body, { date: new Date(NOW + 600_000).toUTCString() }));
  assert.equal(behind.hint, "Set this machine's clock: it is 10 min behind Google's.");
  const ahead = toError(answered(400, body, { date: new Date(NOW - 600_000).toUTCString() }));
  assert.equal(ahead.hint, "Set this machine's clock: it is 10 min ahead of Google's.");
  assert.equal(toError(answered(400, body, { date: new Date(NOW).toUTCString() })).hint, 'do something');
});

test('a certificate that is not Google’s hints at the network', () => {
  assert.match(toError(unanswered('UNABLE_TO_VERIFY_LEAF_SIGNATURE')).hint ?? '', /caFile: /);
});

test('Retry-After is passed on, within a minute', () => {
  assert.equal(toError(answered(429, {}, { 'retry-after': '7' })).retryAfterMs, 7_000);
  assert.equal(toError(answered(503, {}, { 'retry-after': '86400' })).retryAfterMs, 60_000);
  assert.equal(
    toError(answered(503, {}, { 'retry-after': 'Fri, 01 Jan 2027 00:00:00 GMT' })).retryAfterMs,
    undefined,
  );
});

test('whatever is thrown, there is an error', () => {
  for (const thrown of [undefined, null, 'text', 7, {}, { response: {} }, { response: { status: '200' } }]) {
    assert.equal(toError(thrown).code, 'credentials_invalid');
  }
});

test('R23: text taken over from Google is one bounded line without anything like a secret', () => {
  const secrets = [
    'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl',
    'ya29.a0AfB_byC-secret',
    '1//0gsecretsecret-secret',
    'GOCSPX-secretsecret',
    'a'.repeat(40),
    '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----',
  ];
  for (const secret of secrets) assert.equal(scrub(`see ${secret}`), 'see [removed]', secret);
  const echoes = ['{"client_secret": "short", "refresh_token":"1"}', "client_secret=short&assertion=a.b'"];
  for (const echo of echoes) assert.doesNotMatch(scrub(echo), /short|"1"|a\.b/);
  assert.equal(scrub('a\r\n\tb\u0000c\u2028d'), 'a b c d');
  assert.equal(scrub('word '.repeat(1_000)).length, 241);
  const kept = [
    "Permission 'iam.serviceAccounts.getOpenIdToken' denied for runner@my-project.iam.gserviceaccount.com",
    '//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/github',
    'getServiceAccountOpenIdTokenCreator',
    'https://console.developers.google.com/apis/api/iamcredentials.googleapis.com/overview?project=123456789012',
  ];
  for (const text of kept) assert.equal(scrub(text), text);
});

test('R23: random secrets are removed, in either alphabet of base64', () => {
  for (let count = 0; count < 2_000; count += 1) {
    const bytes = randomBytes(30 + (count % 90));
    for (const secret of [bytes.toString('base64'), bytes.toString('base64url')])
      assert.ok(!scrub(`it was ${secret}!`).includes(secret.slice(0, 20)), secret);
  }
  assert.equal(scrub('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'), '[removed]');
});
