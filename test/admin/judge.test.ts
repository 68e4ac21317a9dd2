import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Endpoint, toJsonAnswer } from '../../src/admin/endpoint.ts';
import { type AdminRules, judge } from '../../src/admin/judge.ts';
import { createGate } from '../../src/gate/gate.ts';
import { CROSS_SITE_VISIT } from '../support/sites.ts';

const answer = () => toJsonAnswer(200, {});
const ENDPOINTS: readonly Endpoint[] = [
  { method: 'GET', path: '/state', needsToken: false, answer },
  { method: 'GET', path: '/both', needsToken: false, answer },
  { method: 'POST', path: '/both', needsToken: true, answer },
  { method: 'POST', path: '/change', needsToken: true, answer },
];
const TOKEN = 'the-token_of_this-launch';
const RULES: AdminRules = {
  gate: createGate({ bound: ['127.0.0.1'], names: [], origins: ['https://app.example.com'] }),
  endpoints: ENDPOINTS,
  isToken: (text) => text === TOKEN,
};

/** Method and path of the endpoint it leads to, or status, code and `Allow`. */
function see(request: string, fields: readonly string[] = [], rules = RULES): string {
  const [method = '', target = ''] = request.split(' ');
  const verdict = judge(rules, { method, target, lines: ['Host', 'localhost:9901', ...fields] });
  if (verdict.kind === 'answer') return `${verdict.endpoint.method} ${verdict.endpoint.path}`;
  const { status, code, allow } = verdict.error;
  return [status, code, allow].filter((part) => part !== undefined).join(' ');
}

const AUTHORIZED = ['Authorization', `Bearer ${TOKEN}`];

for (const [request, fields, expected] of [
  ['GET /state', [], 'GET /state'],
  ['HEAD /state?x=1', [], 'GET /state'],
  ['HEAD /both', [], 'GET /both'],
  ['POST /both', AUTHORIZED, 'POST /both'],
  ['POST /change', AUTHORIZED, 'POST /change'],
  ['POST /change', ['authorization', `bearer ${TOKEN}`], 'POST /change'],
  ['POST /change', [...AUTHORIZED, 'Content-Length', '65536'], 'POST /change'],
  ['POST /change', [...AUTHORIZED, 'Content-Length', '65537'], '413 body_too_large'],
  ['POST /change', [...AUTHORIZED, 'Transfer-Encoding', 'chunked'], '413 body_too_large'],
  ['GET /state', ['Content-Length', '9999999999999'], '413 body_too_large'],
  ['POST /change', [], '403 admin_token_required'],
  ['POST /change', ['Authorization', 'Bearer'], '403 admin_token_required'],
  ['POST /change', ['Authorization', 'Bearer '], '403 admin_token_required'],
  ['POST /change', ['Authorization', TOKEN], '403 admin_token_required'],
  ['POST /change', ['Authorization', `Basic ${TOKEN}`], '403 admin_token_required'],
  ['POST /change', ['Authorization', `Bearer ${TOKEN}x`], '403 admin_token_required'],
  ['POST /change', ['Authorization', `Bearer  ${TOKEN}`], '403 admin_token_required'],
  ['POST /change', [...AUTHORIZED, ...AUTHORIZED], '403 admin_token_required'],
  ['POST /change', ['Authorization', 'Bearer x', ...AUTHORIZED], '403 admin_token_required'],
  [`POST /change?token=${TOKEN}`, [], '403 admin_token_required'],
  ['POST /change', ['Cookie', `token=${TOKEN}`], '403 admin_token_required'],
  ['GET /change', AUTHORIZED, '405 method_not_allowed POST'],
  ['HEAD /change', AUTHORIZED, '405 method_not_allowed POST'],
  ['OPTIONS /change', AUTHORIZED, '405 method_not_allowed POST'],
  ['PUT /change', AUTHORIZED, '405 method_not_allowed POST'],
  ['POST /state', AUTHORIZED, '405 method_not_allowed GET, HEAD'],
  ['DELETE /both', AUTHORIZED, '405 method_not_allowed GET, HEAD, POST'],
  ['POST /Change', AUTHORIZED, '404 no_endpoint'],
  ['POST /change/', AUTHORIZED, '404 no_endpoint'],
  ['POST //change', AUTHORIZED, '404 no_endpoint'],
  ['POST /x/../change', AUTHORIZED, '404 no_endpoint'],
  ['POST http://localhost:9901/change', AUTHORIZED, '404 no_endpoint'],
  ['OPTIONS *', [], '404 no_endpoint'],
  // The gate comes before everything, the token included.
  ['POST /change', [...AUTHORIZED, 'Origin', 'https://evil.com'], '403 origin_not_allowed'],
  ['POST /change', [...AUTHORIZED, 'Origin', 'null'], '403 origin_not_allowed'],
  ['POST /change', [...AUTHORIZED, 'Sec-Fetch-Site', 'cross-site'], '403 cross_site_request'],
  ['GET /nothing', ['Origin', 'https://evil.com'], '403 origin_not_allowed'],
  ['GET /state', CROSS_SITE_VISIT, '403 cross_site_request'],
  ['POST /change', [...AUTHORIZED, 'Host', 'localhost'], '400 bad_host'],
  ['POST /change', [...AUTHORIZED, 'Origin', 'https://app.example.com'], 'POST /change'],
  ['POST /change', ['Origin', 'https://app.example.com'], '403 admin_token_required'],
] as const) {
  test(`R10: ${request} ${JSON.stringify(fields)} on the admin port is ${expected}`, () => {
    assert.equal(see(request, fields), expected);
  });
}

test('R10: without a token nothing changes state, and the answer names the line to add', () => {
  const rules = { ...RULES, isToken: undefined };
  assert.equal(see('POST /change', AUTHORIZED, rules), '403 admin_token_required');
  const verdict = judge(rules, { method: 'POST', target: '/change', lines: ['Host', 'localhost'] });
  assert.ok(verdict.kind === 'refuse');
  assert.match(verdict.error.hint ?? '', /admin: \{ tokenFile: FILE \}/);
  assert.equal(see('GET /state', [], rules), 'GET /state');
});

test('what is where is said, and nothing of the request', () => {
  const verdict = judge(RULES, {
    method: 'GET',
    target: '/secret?token=1',
    lines: ['Host', 'localhost', 'Authorization', 'Bearer canary'],
  });
  assert.ok(verdict.kind === 'refuse');
  const { message, hint } = verdict.error;
  assert.equal(hint, 'There are: GET /state, GET /both, POST /both, POST /change.');
  assert.doesNotMatch(message, /secret|token|canary/);
});

test('R10, R4: no request gets past the token or makes the judge fail, whatever is in it', () => {
  const field = fc.tuple(
    fc.constantFrom('Host', 'Origin', 'Authorization', 'Sec-Fetch-Site', 'Content-Length', 'Connection', 'X'),
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('localhost', 'Bearer x', '5', `Bearer ${TOKEN} `),
    ),
  );
  const request = fc.record({
    method: fc.oneof(fc.constantFrom('GET', 'POST', 'HEAD'), fc.string({ unit: 'binary' })),
    target: fc.oneof(fc.constantFrom('/state', '/change', '/both'), fc.string({ unit: 'binary' })),
    lines: fc.array(field).map((fields) => ['Host', 'localhost', ...fields.flat()]),
  });
  fc.assert(
    fc.property(request, (given) => {
      const verdict = judge(RULES, given);
      return verdict.kind === 'refuse' || !verdict.endpoint.needsToken;
    }),
    { numRuns: 2_000 },
  );
});
