import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  diagnoseRefusal,
  identifyRefuser,
  isIapGenerated,
  mayBeGoogles,
  type RefusalAnswer,
  type RefusalContext,
} from '../../src/auth/refusal.ts';
import { toRefusalPage } from '../../src/emulator/refusal-page.ts';

const RUN = 'https://orders-ab12cd34ef-an.a.run.app';
const FUNCTION = 'https://us-central1-my-project.cloudfunctions.net';
const RUNNER = 'runner@my-project.iam.gserviceaccount.com';
const GCLOUD = '32555940559.apps.googleusercontent.com';
const OTHER_CLIENT = '123-abc.apps.googleusercontent.com';

/** The front end's page, as the emulator learned it from the real one. */
function page(status: 401 | 403 | 404): RefusalAnswer {
  const { headers, body } = toRefusalPage(status, '/x');
  return { status, lines: Object.entries(headers).flat(), bodyStart: body };
}

function robot(status: number, reason: string): RefusalAnswer {
  const bodyStart = `<!DOCTYPE html>\n<html lang=en>\n  <title>Error ${status} (${reason})!!1</title>`;
  return { status, lines: ['Content-Type', 'text/html; charset=UTF-8'], bodyStart };
}

function iap(status: number, bodyStart: string): RefusalAnswer {
  return { status, lines: ['X-Goog-IAP-Generated-Response', 'true', 'Content-Type', 'text/html'], bodyStart };
}

function context(change: Partial<RefusalContext> = {}): RefusalContext {
  return {
    upstreamOrigin: RUN,
    request: { kind: 'id', audience: RUN },
    identity: RUNNER,
    otherAudience: undefined,
    tokenAgeMs: 1_000,
    clockOffsetMs: 0,
    ...change,
  };
}

test('only HTML with 401, 403 or 404 may be Google’s, and what IAP marks as its own', () => {
  const html = ['Server', 'x', 'content-type', 'text/html; charset=UTF-8'];
  for (const status of [401, 403, 404]) assert.equal(mayBeGoogles(status, html), true);
  for (const status of [200, 302, 400, 405, 429, 500]) assert.equal(mayBeGoogles(status, html), false);
  assert.equal(mayBeGoogles(403, ['Content-Type', 'application/json']), false);
  assert.equal(mayBeGoogles(403, ['X-Text', 'text/html']), false);
  assert.equal(mayBeGoogles(403, []), false);
  assert.equal(mayBeGoogles(401, ['x-goog-iap-generated-response', 'true']), true);
});

test('Google’s pages are told from an application’s own refusals', () => {
  for (const status of [401, 403, 404] as const) {
    assert.equal(identifyRefuser(page(status)), 'google-front-end');
  }
  assert.equal(identifyRefuser(robot(404, 'Not Found')), 'google-front-end');
  assert.equal(identifyRefuser(robot(403, 'Forbidden')), 'google-front-end');
  assert.equal(identifyRefuser(iap(401, 'Invalid IAP credentials: empty token')), 'iap');
  const html = ['Content-Type', 'text/html'];
  const own: RefusalAnswer[] = [
    { status: 401, lines: ['WWW-Authenticate', 'Bearer', ...html], bodyStart: '<h1>Please sign in</h1>' },
    {
      status: 403,
      lines: ['Server', 'Google Frontend', ...html],
      bodyStart: '<title>403 Forbidden</title><h1>403</h1>',
    },
    { status: 404, lines: html, bodyStart: '<h1>Error: Page not found</h1>' },
    { status: 404, lines: html, bodyStart: '' },
    { ...page(403), lines: ['Content-Type', 'application/json'] },
    { ...page(403), status: 400 },
  ];
  for (const answer of own) {
    assert.equal(identifyRefuser(answer), 'application', JSON.stringify(answer));
  }
});

test('IAP’s mark is a header of its own, not a value that looks like one', () => {
  assert.equal(isIapGenerated(['X-Other', 'x-goog-iap-generated-response', 'true', 'true']), false);
  assert.equal(isIapGenerated(['x-goog-iap-generated-response', 'false']), false);
  assert.equal(isIapGenerated(['Location', '/', 'X-Goog-Iap-Generated-Response', 'true']), true);
});

test('an application’s own 403 is named as such, with nothing to fix in Google', () => {
  const answer = { status: 403, lines: ['Content-Type', 'application/json'], bodyStart: '{}' };
  assert.deepEqual(diagnoseRefusal(answer, context()), {
    by: 'application',
    cause: 'application',
    message:
      'The application at orders-ab12cd34ef-an.a.run.app answered 403 itself: Google let the request in.',
    hint: undefined,
  });
});

test('403: the role is missing, and the command that grants it is filled in from the host name', () => {
  const cases: [string, string, string][] = [
    [RUN, RUN, 'gcloud run services add-iam-policy-binding orders --region=asia-northeast1'],
    [
      'https://v2---my-api-ab12cd34ef-uc.a.run.app',
      'https://my-api-ab12cd34ef-uc.a.run.app',
      'gcloud run services add-iam-policy-binding my-api --region=us-central1',
    ],
    [
      'https://orders-123456789012.europe-west1.run.app',
      'https://orders-123456789012.europe-west1.run.app',
      'gcloud run services add-iam-policy-binding orders --region=europe-west1',
    ],
    [
      'https://orders-ab12cd34ef-zz.a.run.app',
      'https://orders-ab12cd34ef-zz.a.run.app',
      'gcloud run services add-iam-policy-binding orders --region=REGION',
    ],
    [
      'https://api.example.com',
      'https://api.example.com',
      'gcloud run services add-iam-policy-binding SERVICE --region=REGION',
    ],
  ];
  for (const [upstreamOrigin, audience, command] of cases) {
    const { cause, hint } = diagnoseRefusal(
      page(403),
      context({ upstreamOrigin, request: { kind: 'id', audience } }),
    );
    assert.equal(cause, 'missing-role');
    assert.equal(hint, `${command} --member=serviceAccount:${RUNNER} --role=roles/run.invoker`);
  }
});

test('403 of a function: its own command, with name, region and project', () => {
  const { cause, hint } = diagnoseRefusal(
    page(403),
    context({ upstreamOrigin: FUNCTION, request: { kind: 'id', audience: `${FUNCTION}/get_range` } }),
  );
  assert.equal(cause, 'missing-role');
  assert.equal(
    hint,
    `gcloud functions add-invoker-policy-binding get_range --region=us-central1 --project=my-project --member=serviceAccount:${RUNNER}`,
  );
});

test('a person without the role is a user to IAM, and 401 means the same as 403 for them', () => {
  for (const status of [401, 403] as const) {
    const { cause, message, hint } = diagnoseRefusal(
      page(status),
      context({ identity: 'ann@example.com', otherAudience: GCLOUD }),
    );
    assert.equal(cause, 'missing-role');
    assert.match(message, /^ann@example\.com may not call orders-ab12cd34ef-an\.a\.run\.app: /);
    assert.match(hint ?? '', /--member=user:ann@example\.com /);
  }
});

test('401 to a person’s token for an OAuth client of their own: act as a service account', () => {
  const found = diagnoseRefusal(
    page(401),
    context({ identity: 'ann@example.com', otherAudience: OTHER_CLIENT }),
  );
  assert.equal(found.cause, 'user-audience');
  assert.match(found.hint ?? '', /kind: impersonate/);
});

test('401: a wrong audience is named with the right one', () => {
  const asked = 'https://orders.example.com';
  const found = diagnoseRefusal(page(401), context({ request: { kind: 'id', audience: asked } }));
  assert.deepEqual(
    [found.cause, found.message, found.hint],
    [
      'wrong-audience',
      `The token is for ${asked}, and orders-ab12cd34ef-an.a.run.app takes tokens for ${RUN}.`,
      `token: { kind: id, audience: ${RUN} }`,
    ],
  );
  const brought = diagnoseRefusal(page(401), context({ otherAudience: asked }));
  assert.equal(brought.cause, 'wrong-audience');
  const elsewhere = context({ upstreamOrigin: FUNCTION, request: { kind: 'id', audience: RUN } });
  assert.equal(
    diagnoseRefusal(page(401), elsewhere).hint,
    `token: { kind: id, audience: ${FUNCTION}/FUNCTION }`,
  );
});

test('401 behind a custom domain: the audience has to be added to the service', () => {
  const audience = 'https://api.example.com';
  const found = diagnoseRefusal(
    page(401),
    context({ upstreamOrigin: audience, request: { kind: 'id', audience } }),
  );
  assert.equal(found.cause, 'custom-audience');
  assert.equal(
    found.hint,
    `gcloud run services update SERVICE --region=REGION --add-custom-audiences=${audience}`,
  );
});

test('401 for the right audience: the clock, the age, or the account', () => {
  const slow = diagnoseRefusal(page(401), context({ clockOffsetMs: -600_000 }));
  assert.deepEqual([slow.cause, slow.message], ['clock', 'The clock of this machine is 10 minutes slow.']);
  const old = diagnoseRefusal(page(401), context({ tokenAgeMs: 4_000_000 }));
  assert.equal(old.cause, 'expired');
  const refused = diagnoseRefusal(page(401), context({ clockOffsetMs: 20_000 }));
  assert.deepEqual(
    [refused.cause, refused.hint],
    ['token-refused', `gcloud iam service-accounts describe ${RUNNER}`],
  );
  const unknown = diagnoseRefusal(
    page(401),
    context({ identity: undefined, tokenAgeMs: undefined, clockOffsetMs: undefined }),
  );
  assert.deepEqual([unknown.cause, unknown.hint], ['token-refused', undefined]);
});

test('no token, or one of another kind, is named before anything else', () => {
  assert.equal(diagnoseRefusal(page(403), context({ request: undefined })).cause, 'no-token');
  const access = context({ request: { kind: 'access', scopes: [] } });
  assert.deepEqual(
    [diagnoseRefusal(page(401), access).cause, diagnoseRefusal(page(401), access).hint],
    ['wrong-kind', 'token: id'],
  );
  const jwt = context({ request: { kind: 'jwt', audience: `${RUN}/*` } });
  assert.equal(diagnoseRefusal(page(401), jwt).cause, 'wrong-kind');
});

test('404 of the front end: ingress, a URL that is off, or no such service', () => {
  const closed = diagnoseRefusal(page(404), context());
  assert.equal(closed.cause, 'ingress');
  assert.equal(
    closed.hint,
    'gcloud run services update orders --region=asia-northeast1 --ingress=all --default-url',
  );
  const unknown = diagnoseRefusal(robot(404, 'Not Found'), context());
  assert.deepEqual([unknown.cause, unknown.hint], ['not-a-service', 'gcloud run services list']);
  const inFunction = context({
    upstreamOrigin: FUNCTION,
    request: { kind: 'id', audience: `${FUNCTION}/f` },
  });
  assert.equal(
    diagnoseRefusal(page(404), inFunction).hint,
    'gcloud functions describe f --region=us-central1 --project=my-project',
  );
  const api = context({
    upstreamOrigin: 'https://bigquery.googleapis.com',
    request: { kind: 'access', scopes: [] },
  });
  assert.equal(
    diagnoseRefusal(robot(404, 'Not Found'), api).message,
    'bigquery.googleapis.com has nothing at this path.',
  );
});

test('IAP: each refusal with its fix', () => {
  const forClient = { kind: 'id', audience: OTHER_CLIENT } as const;
  const invalid = 'Invalid IAP credentials: Invalid bearer token. Invalid JWT audience.';
  const expected = `doesn't match this application ('aud' claim (${RUN}) doesn't match expected value (${OTHER_CLIENT}))`;
  const cases: [RefusalAnswer, Partial<RefusalContext>, string, RegExp][] = [
    [iap(401, 'Invalid IAP credentials: empty token'), { request: undefined }, 'no-token', /CLIENT_ID/],
    [iap(401, invalid), {}, 'iap-audience', /^token: \{ kind: id, audience: CLIENT_ID\.apps/],
    [iap(401, `JWT audience ${expected}`), {}, 'iap-audience', new RegExp(`audience: ${OTHER_CLIENT} }`)],
    [iap(401, invalid), { request: forClient }, 'iap-audience', /CLIENT_ID/],
    [
      iap(401, invalid),
      { request: { kind: 'jwt', audience: 'https://x/*' } },
      'iap-audience',
      /kind: jwt, audience: https:\/\/orders-ab12cd34ef-an\.a\.run\.app\/\*/,
    ],
    [
      iap(401, invalid),
      { request: forClient, identity: 'ann@example.com', otherAudience: GCLOUD },
      'user-audience',
      /kind: impersonate/,
    ],
    [iap(401, 'Unable to parse JWT'), { request: { kind: 'access', scopes: [] } }, 'wrong-kind', /kind: id/],
    [
      iap(403, '<h1>You don’t have access</h1>'),
      { request: forClient },
      'iap-role',
      /^gcloud iap web add-iam-policy-binding --member=serviceAccount:runner@.* --role=roles\/iap\.httpsResourceAccessor$/,
    ],
    [
      iap(401, 'JWT signature is invalid'),
      { request: forClient, clockOffsetMs: 600_000 },
      'clock',
      /network time/,
    ],
    [iap(401, 'JWT signature is invalid'), { request: forClient }, 'token-refused', /service-accounts/],
  ];
  for (const [answer, change, cause, hint] of cases) {
    const found = diagnoseRefusal(answer, context(change));
    assert.deepEqual([found.by, found.cause], ['iap', cause]);
    assert.match(found.hint ?? '', hint);
  }
});

test('every message is a sentence, and quotes nothing of the page', () => {
  const secret = 'SECRET-IN-THE-PAGE';
  for (const answer of [
    page(401),
    page(403),
    page(404),
    robot(404, 'Not Found'),
    iap(401, ''),
    iap(403, ''),
  ]) {
    const { message, hint } = diagnoseRefusal(
      { ...answer, bodyStart: `${answer.bodyStart}${secret}` },
      context(),
    );
    assert.match(message, /^[\w].*\.$/s);
    assert.doesNotMatch(`${message}${hint}`, new RegExp(secret));
  }
});
