import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RefusalContext } from '../../src/auth/refusal.ts';
import { examineAnonymous, examineAnswer, findIapClient } from '../../src/check/examine-answer.ts';
import { type AudienceFacts, examineAudience } from '../../src/check/examine-audience.ts';
import { examineClock } from '../../src/check/examine-clock.ts';
import { examineConnection, examineDns } from '../../src/check/examine-connection.ts';
import type { Answer } from '../../src/check/http-probe.ts';
import { findRemedies } from '../../src/check/remedies.ts';
import type { CheckResult, Examined, RouteReport } from '../../src/check/result.ts';
import { toRefusalPage } from '../../src/emulator/refusal-page.ts';
import { heldToken } from '../support/sites.ts';

const RUN = 'https://orders-ab12cd34ef-an.a.run.app';
const API = 'https://bigquery.googleapis.com';
const CLIENT = '123-abc.apps.googleusercontent.com';

function answer(status: number, change: Partial<Answer> = {}): Answer {
  return {
    status,
    lines: ['Content-Type', 'text/plain'],
    bodyStart: '',
    durationMs: 12,
    clockOffsetMs: 0,
    header: 'Authorization',
    ...change,
  };
}

function page(status: 401 | 403 | 404, change: Partial<Answer> = {}): Answer {
  const { headers, body } = toRefusalPage(status, '/');
  return answer(status, { lines: Object.entries(headers).flat(), bodyStart: body, ...change });
}

function iap(status: number, lines: readonly string[] = []): Answer {
  return answer(status, { lines: ['X-Goog-IAP-Generated-Response', 'true', ...lines] });
}

function apiError(status: number, reason: string, more = ''): Answer {
  const bodyStart = `{"error":{"code":${status},"status":"X","details":[{"reason": "${reason}"${more}}]}}`;
  return answer(status, { lines: ['Content-Type', 'application/json; charset=UTF-8'], bodyStart });
}

function context(change: Partial<RefusalContext> = {}): RefusalContext {
  return {
    upstreamOrigin: RUN,
    request: { kind: 'id', audience: RUN },
    identity: 'runner@p.iam.gserviceaccount.com',
    otherAudience: undefined,
    tokenAgeMs: 0,
    clockOffsetMs: 0,
    ...change,
  };
}

const forApi = context({ upstreamOrigin: API, request: { kind: 'access', scopes: [] } });

function judge(given: Answer, about = context(), client?: string): Examined {
  return examineAnswer(given, about, client).examined;
}

test('an answer of the application means that the request came in', () => {
  for (const status of [200, 204, 302, 400, 405, 429])
    assert.equal(judge(answer(status)).status, 'ok', `${status}`);
  assert.equal(judge(answer(404)).status, 'ok');
  assert.equal(judge(answer(403)).status, 'warning');
  assert.equal(judge(answer(401)).status, 'warning');
  assert.equal(judge(answer(503)).status, 'warning');
});

test('a refusal of Google’s fails, with its status behind the sentence', () => {
  const { status, message, hint } = judge(page(403));
  assert.equal(status, 'failed');
  assert.match(message, /\(403\)\.$/);
  assert.match(hint ?? '', /^gcloud run services add-iam-policy-binding orders /);
});

test('a token where nobody looks for it is told as that, not as a missing role', () => {
  for (const given of [
    page(403, { header: 'Proxy-Authorization' }),
    { ...iap(401), header: 'X-Serverless-Authorization' as const },
  ]) {
    const { message, hint } = judge(given);
    assert.match(message, /looks for a token in/);
    assert.equal(hint, 'header: auto');
  }
  assert.match(judge(page(404, { header: 'Proxy-Authorization' })).message, /ingress/);
});

test('IAP’s sign-in page names the audience that its refusal keeps to itself', () => {
  const location = `https://accounts.google.com/o/oauth2/v2/auth?client_id=${CLIENT}&response_type=code`;
  const signIn = iap(302, ['Location', location]);
  assert.equal(findIapClient(signIn), CLIENT);
  assert.equal(judge(iap(401), context(), CLIENT).hint, `token: { kind: id, audience: ${CLIENT} }`);
  const withoutToken = judge(signIn, context({ request: undefined }), CLIENT);
  assert.deepEqual(
    [withoutToken.status, withoutToken.hint],
    ['failed', `token: { kind: id, audience: ${CLIENT} }`],
  );
  assert.match(withoutToken.message, /\(302\)\.$/);
});

test('a client id that IAP didn’t send, or that is none, is not taken over', () => {
  const location = ['Location', `https://accounts.google.com/?client_id=${CLIENT}`];
  assert.equal(findIapClient(answer(302, { lines: location })), undefined);
  assert.equal(
    findIapClient(iap(302, ['Location', 'https://x.example/?client_id=rm%20-rf%20%2F'])),
    undefined,
  );
  assert.equal(findIapClient(iap(302, ['Location', 'not a url'])), undefined);
});

test('what a Google API has against a request is told by its reason', () => {
  const cases: [Answer, RegExp, RegExp][] = [
    [apiError(403, 'ACCESS_TOKEN_SCOPE_INSUFFICIENT'), /lacks a scope/, /scopes: \[/],
    [
      apiError(403, 'SERVICE_DISABLED', ', "metadata": {"consumer": "projects/123456"}'),
      /is not enabled in the project 123456\./,
      /^gcloud services enable bigquery\.googleapis\.com --project=123456$/,
    ],
    [apiError(401, 'ACCESS_TOKEN_TYPE_UNSUPPORTED'), /takes access tokens/, /^token: access$/],
    [apiError(401, 'SOMETHING_NEW'), /does not take the token/, /^token: access$/],
    [
      apiError(403, 'USER_PROJECT_DENIED', ', "consumer": "projects/my-p"'),
      /may not bill the project my-p/,
      /serviceUsageConsumer/,
    ],
  ];
  for (const [given, message, hint] of cases) {
    const found = judge(given, forApi);
    assert.equal(found.status, 'failed');
    assert.match(found.message, message);
    assert.match(found.hint ?? '', hint);
  }
  assert.match(judge(apiError(403, 'SOMETHING_NEW'), forApi).message, /lacks a permission/);
});

test('nothing of an API’s body gets into a message, whatever it calls itself', () => {
  const given = apiError(403, 'SERVICE_DISABLED', ', "consumer": "projects/$(reboot)"');
  const { message, hint } = judge(given, forApi);
  assert.match(hint ?? '', /--project=PROJECT$/);
  assert.doesNotMatch(message, /reboot/);
});

test('an API’s 404 at its root says nothing about the token; a JSON one says that it was taken', () => {
  const robot = answer(404, {
    lines: ['Content-Type', 'text/html'],
    bodyStart: '<title>Error 404 (Not Found)!!1</title>',
  });
  assert.equal(judge(robot, forApi).status, 'skipped');
  const json = answer(404, { lines: ['Content-Type', 'application/json'], bodyStart: '{"error":{}}' });
  assert.equal(judge(json, forApi).status, 'ok');
});

test('without a token: public, private, or asked for nothing', () => {
  const about = context({ request: undefined });
  const cases: [Answer, RegExp, boolean][] = [
    [answer(200), /answers 200 to anybody: it is public\.$/, false],
    [answer(401), /answers 401 to anybody: Google asks for no token here\.$/, false],
    [page(403), /^Google turns it away \(403\): .* is private\.$/, true],
    [page(404), /^Google shows nothing/, false],
    [iap(302), /^Identity-Aware Proxy turns it away \(302\)/, true],
  ];
  for (const [given, message, isPrivate] of cases) {
    const judged = examineAnonymous(given, about);
    assert.match(judged.examined.message, message);
    assert.deepEqual([judged.examined.status, judged.isPrivate], ['ok', isPrivate]);
  }
  const api = examineAnonymous(apiError(401, 'CREDENTIALS_MISSING'), { ...forApi, request: undefined });
  assert.match(api.examined.message, /wants a token \(401\)/);
});

function audience(change: Partial<AudienceFacts> = {}): Examined {
  return examineAudience({
    request: { kind: 'id', audience: RUN },
    origin: RUN,
    basePath: '/',
    held: heldToken('t'),
    isPrivate: true,
    judgement: examineAnswer(answer(200), context(), undefined),
    ...change,
  });
}

test('an audience fits when a private service let the token in, or found only the role missing', () => {
  const custom = { kind: 'id', audience: 'https://custom.example' } as const;
  assert.match(audience({ request: custom }).message, /takes tokens for https:\/\/custom\.example\.$/);
  const role = examineAnswer(page(403), context({ request: custom }), undefined);
  assert.equal(audience({ request: custom, judgement: role }).status, 'ok');
  const wrong = examineAnswer(page(401), context({ request: custom }), undefined);
  const found = audience({ request: custom, judgement: wrong });
  assert.deepEqual([found.status, found.hint], ['failed', `token: { kind: id, audience: ${RUN} }`]);
});

test('where nobody judged the token, its audience is judged by the upstream’s address', () => {
  const isPrivate = false;
  assert.equal(audience({ isPrivate }).status, 'ok');
  const other = audience({ isPrivate, request: { kind: 'id', audience: 'https://custom.example' } });
  assert.deepEqual([other.status, other.hint], ['warning', `token: { kind: id, audience: ${RUN} }`]);
  const domain = 'https://api.example.com';
  const custom = audience({ isPrivate, origin: domain, request: { kind: 'id', audience: domain } });
  assert.match(custom.hint ?? '', /--add-custom-audiences/);
  assert.equal(audience({ isPrivate, request: { kind: 'id', audience: CLIENT } }).status, 'ok');
});

test('a person’s token is a warning even where it is taken', () => {
  const held = { ...heldToken('t'), identity: 'ann@example.com', otherAudience: CLIENT };
  const { status, message, hint } = audience({ held });
  assert.equal(status, 'warning');
  assert.match(message, /ann@example\.com/);
  assert.match(hint ?? '', /impersonate/);
  const brought = audience({ held: { ...held, otherAudience: 'https://other.example' } });
  assert.deepEqual([brought.status, brought.hint], ['warning', `Have it made for ${RUN}.`]);
});

test('a clock is warned of from half a minute on, and fails from five; Google’s counts before an upstream’s', () => {
  assert.equal(examineClock(undefined, undefined).status, 'skipped');
  assert.equal(examineClock(0, 600_000).status, 'ok');
  assert.equal(examineClock(undefined, -29_000).status, 'ok');
  assert.equal(examineClock(undefined, 30_000).status, 'warning');
  assert.equal(examineClock(-299_000, undefined).status, 'warning');
  const failed = examineClock(undefined, -300_000);
  assert.deepEqual(
    [failed.status, failed.message],
    ['failed', 'The clock of this machine is 5 minutes slow.'],
  );
});

const NOW = Date.UTC(2026, 0, 1);
const where = { origin: new URL(RUN), forwardProxy: undefined, nowMs: NOW };

function thrown(code: string): { kind: 'failed'; cause: Error } {
  return { kind: 'failed', cause: Object.assign(new Error('x'), { code }) };
}

test('faults of certificates are told in words', () => {
  const cases: [string, RegExp][] = [
    ['CERT_HAS_EXPIRED', /has expired/],
    ['CERT_NOT_YET_VALID', /not valid yet/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /for other names/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /does not trust/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /does not know/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /signed itself/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /other than TLS/],
    ['ECONNREFUSED', /refused the connection/],
    ['CONNECT_TIMEOUT', /in time/],
    ['EHOSTUNREACH', /can't be reached/],
  ];
  for (const [code, message] of cases) {
    const found = examineConnection(thrown(code), where);
    assert.equal(found.status, 'failed');
    assert.match(found.message, message);
    assert.ok(found.hint, code);
  }
});

test('a certificate that ends within the week is a warning', () => {
  const tls = { version: 'TLSv1.3', issuer: 'WR2', validUntilMs: NOW + 6 * 86_400_000 };
  const found = examineConnection({ kind: 'connected', durationMs: 1, tls }, where);
  assert.deepEqual(
    [found.status, found.message],
    ['warning', 'TLSv1.3 in 1 ms; certificate by WR2, good until 2026-01-07.'],
  );
  const later = { ...tls, validUntilMs: NOW + 8 * 86_400_000 };
  assert.equal(examineConnection({ kind: 'connected', durationMs: 1, tls: later }, where).status, 'ok');
});

test('a name that no server knows is told from a network that is down', () => {
  const origin = new URL(RUN);
  assert.match(examineDns({ kind: 'failed', code: 'ENOTFOUND' }, origin).message, /^No name server knows/);
  assert.match(examineDns({ kind: 'failed', code: 'EAI_AGAIN' }, origin).message, /\(EAI_AGAIN\)/);
  assert.equal(examineDns({ kind: 'literal' }, origin).status, 'skipped');
});

test('what to do is told once, for all routes that need it, in the words of the first finding', () => {
  const result = (message: string, hint?: string): CheckResult => ({
    name: 'token',
    status: 'failed',
    message,
    hint,
  });
  const report = (name: string, ...checks: CheckResult[]): RouteReport => ({
    name,
    credential: undefined,
    identity: undefined,
    claims: undefined,
    lacksToken: false,
    isFine: false,
    checks,
  });
  const remedies = findRemedies(
    [
      report('/a', result('One.', 'do this'), result('Two.', 'do this'), result('Three.')),
      report('/b', result('Four.', 'do this'), { ...result('Five.', 'x'), status: 'warning' }),
    ],
    'failed',
  );
  assert.deepEqual(remedies, [
    { routes: ['/a', '/b'], message: 'One.', hint: 'do this' },
    { routes: ['/a'], message: 'Three.', hint: undefined },
  ]);
});
