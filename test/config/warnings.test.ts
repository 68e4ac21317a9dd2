import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { resolveFile } from './resolve-file.ts';

const IAP_CLIENT = '1234-abc.apps.googleusercontent.com';
const PROVIDER = 'projects/123/locations/global/workloadIdentityPools/ci/providers/gh';
const RUNNER = 'runner@my-project.iam.gserviceaccount.com';

async function findMessages(t: TestContext, credential: string, token: string): Promise<readonly string[]> {
  const { warnings } = await resolveFile(
    t,
    `credentials: { it: ${credential} }
routes: [{ path: /app, upstream: https://app.example.com, credentials: it, token: ${token} }]`,
  );
  return warnings.map(({ route, message, hint }) => `${route}: ${message} ${hint}`);
}

const JWT = '{ kind: jwt, audience: https://app.example.com/* }';
const IAP = `{ kind: id, audience: ${IAP_CLIENT} }`;
const NO_JWT = /^\/app: The credentials `it` can't sign a JWT: only a service account can\. /;
const NO_ID_TOKEN = /^\/app: The credentials `it` can't get an ID token: .*serviceAccount: /;
const NO_IAP =
  /^\/app: The credentials `it` are a person's, .* IAP takes none of those\. .*kind: impersonate/;

for (const [credential, token, expected] of [
  ['{ kind: user }', JWT, NO_JWT],
  ['{ kind: gcloud }', JWT, NO_JWT],
  ['{ kind: token, from: env:T }', JWT, NO_JWT],
  [`{ kind: federated, provider: ${PROVIDER}, from: github }`, JWT, NO_JWT],
  [`{ kind: federated, provider: ${PROVIDER}, from: github }`, 'id', NO_ID_TOKEN],
  [`{ kind: federated, provider: ${PROVIDER}, from: aws }`, IAP, NO_ID_TOKEN],
  ['{ kind: user }', IAP, NO_IAP],
  ['{ kind: user, path: login.json }', IAP, NO_IAP],
  ['{ kind: gcloud, account: me@example.com }', IAP, NO_IAP],
] as const) {
  test(`token: ${token} with ${credential} is warned about`, async (t) => {
    const messages = await findMessages(t, credential, token);
    assert.equal(messages.length, 1);
    assert.match(messages[0] ?? '', expected);
  });
}

for (const [credential, token] of [
  ['{ kind: adc }', JWT],
  ['{ kind: key-file, key: env:GCP_KEY }', JWT],
  ['{ kind: metadata }', JWT],
  [`{ kind: impersonate, account: ${RUNNER} }`, JWT],
  [`{ kind: federated, provider: ${PROVIDER}, from: github, serviceAccount: ${RUNNER} }`, JWT],
  ['{ kind: federated, path: wif.json }', JWT],
  ['{ kind: federated, path: wif.json }', 'id'],
  [`{ kind: federated, provider: ${PROVIDER}, from: github }`, 'access'],
  ['{ kind: user }', 'id'],
  ['{ kind: adc }', IAP],
  ['{ kind: gcloud }', IAP],
  [`{ kind: gcloud, account: ${RUNNER} }`, IAP],
  [`{ kind: impersonate, account: ${RUNNER} }`, IAP],
  ['{ kind: none }', 'none'],
] as const) {
  test(`token: ${token} with ${credential} may be fine, so there is no warning`, async (t) => {
    assert.deepEqual(await findMessages(t, credential, token), []);
  });
}

test('a Google API of another universe without an access token is warned about, too', async (t) => {
  const routes = 'routes: [{ path: /bq, upstream: https://bigquery.apis-tpczero.goog }]';
  assert.deepEqual((await resolveFile(t, routes)).warnings, []);
  const { warnings } = await resolveFile(t, `universeDomain: apis-tpczero.goog\n${routes}`);
  assert.deepEqual(
    warnings.map(({ message }) => message),
    ['bigquery.apis-tpczero.goog is a Google API: those take access tokens.'],
  );
});
