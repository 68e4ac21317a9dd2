import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import {
  setsClientCookie,
  toClientCookie,
  toClientCookieName,
  withoutClientCookies,
} from '../../src/gate/client-cookie.ts';
import { createClientSecret } from '../../src/gate/client-secret.ts';
import { NONCE_BYTES, SIGN_IN_CODE_MS } from '../../src/gate/sign-in-code.ts';
import { createSignIns } from '../../src/gate/sign-ins.ts';

const TEXT = 'correct-horse-battery-staple:7';
const COOKIE = toClientCookieName('8080');
const secret = createClientSecret(TEXT, Buffer.alloc(32, 1));
const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
const NOW = Date.UTC(2026, 0, 1);
const codeAt = (ms: number, of = secret): string => of.makeCode(randomBytes(NONCE_BYTES), ms);

for (const [what, lines] of [
  ['Proxy-Authorization, as a bearer', ['Proxy-Authorization', `Bearer ${TEXT}`]],
  ['Proxy-Authorization, as a password', ['proxy-authorization', basic(`anybody:${TEXT}`)]],
  ['Authorization, as a bearer', ['Authorization', `bEaReR   ${TEXT} `]],
  ['Authorization, as a password without a user', ['authorization', basic(`:${TEXT}`)]],
  ['a cookie', ['Cookie', `a=b; ${COOKIE}=${secret.cookieValue(COOKIE)}`]],
  [
    'a cookie behind another one of its name',
    ['Cookie', `${COOKIE}=x; ${COOKIE}=${secret.cookieValue(COOKIE)}`],
  ],
  ['a cookie on a line of its own', ['Cookie', 'a=b', 'cookie', `${COOKIE} = ${secret.cookieValue(COOKIE)}`]],
] as const) {
  test(`R9: a client that shows the secret is known: ${what}`, () => {
    const showing = secret.look(['Host', 'localhost', ...lines], COOKIE);
    assert.equal(showing.isKnown, true);
    assert.equal(showing.isInAuthorization, lines[0].toLowerCase() === 'authorization');
  });
}

for (const [what, lines] of [
  ['nothing', []],
  ['another secret', ['Authorization', 'Bearer correct-horse-battery-staple:8']],
  ['a part of it', ['Authorization', `Bearer ${TEXT.slice(0, -1)}`]],
  ['more than it', ['Authorization', `Bearer ${TEXT}x`]],
  ['no scheme', ['Authorization', TEXT]],
  ['another scheme', ['Authorization', `Token ${TEXT}`]],
  ['it as the user', ['Authorization', basic('correct-horse-battery-staple:')]],
  ['no colon', ['Authorization', basic('7')]],
  ['another field', ['X-Authorization', `Bearer ${TEXT}`]],
  ['a field spelled with _', ['Proxy_Authorization', `Bearer ${TEXT}`]],
  ['the secret as the cookie', ['Cookie', `${COOKIE}=${TEXT}`]],
  ['the cookie of another port', ['Cookie', `${COOKIE}=${secret.cookieValue(toClientCookieName('8081'))}`]],
  ['the cookie under another name', ['Cookie', `gbp-client-1=${secret.cookieValue(COOKIE)}`]],
  ['an empty cookie', ['Cookie', `${COOKIE}=; ${COOKIE}`]],
] as const) {
  test(`R9: a client that doesn’t show the secret is not known: ${what}`, () => {
    const showing = secret.look(['Host', 'localhost', ...lines], COOKIE);
    assert.deepEqual(showing, { isKnown: false, isInAuthorization: false, repeated: undefined });
  });
}

test('a cookie ends with the launch it was made in, and with its secret', () => {
  const value = secret.cookieValue(COOKIE);
  const lines = ['Cookie', `${COOKIE}=${value}`];
  assert.equal(createClientSecret(TEXT, Buffer.alloc(32, 1)).look(lines, COOKIE).isKnown, true);
  assert.equal(createClientSecret(TEXT, Buffer.alloc(32, 2)).look(lines, COOKIE).isKnown, false);
  assert.equal(createClientSecret(`${TEXT}!`, Buffer.alloc(32, 1)).look(lines, COOKIE).isKnown, false);
});

test('R9: credentials that are there twice are told, also where one of them is right', () => {
  const right = `Bearer ${TEXT}`;
  const own = ['Authorization', right, 'authorization', 'Bearer other'];
  assert.equal(secret.look(own, COOKIE).repeated, 'Authorization');
  const proxy = ['Proxy-Authorization', 'x', 'proxy-authorization', right];
  assert.equal(secret.look(proxy, COOKIE).repeated, 'Proxy-Authorization');
});

/** What a stranger could try: pieces of the right thing in random places, never the whole. */
const guess = fc.oneof(
  fc.string(),
  fc.constantFrom('', TEXT.slice(1), TEXT.toUpperCase(), `${TEXT}\0`, `"${TEXT}"`),
  fc.string().map((text) => `Bearer ${text}`),
  fc.string().map((text) => basic(text)),
  fc.string().map((text) => `Basic ${text}`),
  fc.string().map((text) => `${COOKIE}=${text}`),
  fc.string().map((text) => `;${COOKIE};=${text};${COOKIE}=`),
  fc.base64String().map((text) => `Basic ${text}`),
);
const name = fc.oneof(
  fc.constantFrom('Authorization', 'proxy-authorization', 'COOKIE', 'authorization', 'Cookie'),
  fc.string(),
);

test('R9: whatever a stranger sends, looking at it throws nothing and admits nobody', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, guess), { maxLength: 6 }), fc.string(), (lines, cookie) => {
      const { isKnown, isInAuthorization } = secret.look(lines.flat(), cookie);
      assert.equal(isKnown || isInAuthorization, false);
    }),
    { numRuns: 5_000 },
  );
});

test('a compiled secret shows nothing of itself', () => {
  const shown = inspect(secret, { depth: 9, showHidden: true }) + JSON.stringify(secret);
  assert.ok(!shown.includes(TEXT.slice(0, 8)));
  assert.doesNotMatch(shown, /Buffer|[0-9a-f]{16}/);
});

test('a code signs in once, for ten minutes', () => {
  const signIns = createSignIns(NOW);
  const code = codeAt(NOW);
  assert.equal(signIns.redeem(secret, code, NOW + 1), true);
  assert.equal(signIns.redeem(secret, code, NOW + 2), false);
  const late = codeAt(NOW);
  assert.equal(signIns.redeem(secret, late, NOW + SIGN_IN_CODE_MS), false);
  assert.equal(signIns.redeem(secret, late, NOW + SIGN_IN_CODE_MS - 1), true);
});

test('a code of another secret, of before the launch, or that is valid for too long, is no good', () => {
  const signIns = createSignIns(NOW);
  const other = createClientSecret(`${TEXT}!`, Buffer.alloc(32, 1));
  assert.equal(signIns.redeem(secret, codeAt(NOW, other), NOW), false);
  assert.equal(signIns.redeem(secret, codeAt(NOW - 1), NOW), false, 'it may have been used then');
  assert.equal(signIns.redeem(secret, codeAt(NOW + SIGN_IN_CODE_MS), NOW), false);
  assert.equal(signIns.redeem(secret, codeAt(NOW + 30_000), NOW), true, 'clocks differ a little');
});

test('a code that is changed anywhere is no good, nor is what is none', () => {
  const signIns = createSignIns(NOW);
  const code = codeAt(NOW);
  for (let i = 0; i < code.length; i += 1) {
    const changed = code.slice(0, i) + (code[i] === 'A' ? 'B' : 'A') + code.slice(i + 1);
    assert.equal(signIns.redeem(secret, changed, NOW), false, `character ${i}`);
  }
  for (const text of ['', 'x', `${code}A`, code.slice(1), `${code}=`, ` ${code}`, TEXT])
    assert.equal(signIns.redeem(secret, text, NOW), false, text);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\w-]{72}$/)), (text) => {
      assert.equal(signIns.redeem(secret, text, NOW), false);
    }),
  );
  assert.equal(signIns.redeem(secret, code, NOW), true);
});

test('used codes are remembered in bounds: who makes a thousand has to wait until they expire', () => {
  const signIns = createSignIns(NOW);
  const codes = Array.from({ length: 1_000 }, () => codeAt(NOW));
  for (const code of codes) assert.equal(signIns.redeem(secret, code, NOW), true);
  assert.equal(signIns.redeem(secret, codeAt(NOW), NOW), false);
  const laterMs = NOW + SIGN_IN_CODE_MS;
  assert.equal(signIns.redeem(secret, codeAt(laterMs), laterMs), true);
});

test('a used code stays used when the clock is set back', () => {
  const signIns = createSignIns(NOW);
  const code = codeAt(NOW);
  signIns.redeem(secret, code, NOW);
  const laterMs = NOW + 2 * SIGN_IN_CODE_MS;
  assert.equal(signIns.redeem(secret, codeAt(laterMs), laterMs), true);
  assert.equal(signIns.redeem(secret, code, NOW), false);
});

test('the cookie is for this browser session, for no script, and over TLS for TLS alone', () => {
  assert.equal(toClientCookie(COOKIE, 'v', 'http'), 'gbp-client-8080=v; Path=/; HttpOnly; SameSite=Strict');
  assert.equal(
    toClientCookie(COOKIE, 'v', 'https'),
    'gbp-client-8080=v; Path=/; HttpOnly; SameSite=Strict; Secure',
  );
});

for (const [sent, left] of [
  ['a=1; b=2', 'a=1; b=2'],
  ['gbp-client-8080=x', undefined],
  [' gbp-client-8080=x ; gbp-client-1=', undefined],
  ['gbp-client-8080=x; a=1', 'a=1'],
  ['a=1; gbp-client-8080=x; b=2', 'a=1; b=2'],
  ['a=1;gbp-client-8080;b="2', 'a=1;b="2'],
  ['a=1; gbp-client-8080=x', 'a=1'],
  ['a=gbp-client-8080; xgbp-client-8080=1', 'a=gbp-client-8080; xgbp-client-8080=1'],
  ['; a=1;; gbp-client-8080=x', '; a=1;'],
] as const) {
  test(`of the cookies ${JSON.stringify(sent)} goes on: ${JSON.stringify(left)}`, () => {
    assert.equal(withoutClientCookies(sent), left);
  });
}

test('R9: what signs a client in goes no further, whatever stands around its name', () => {
  const value = secret.cookieValue(COOKIE);
  for (const space of ['', ' ', '\t', '\xa0', '\v', '\f', '"', '=']) {
    for (const sent of [`a=1;${space}${COOKIE}=${value}`, `${space}${COOKIE}${space}=${value}`]) {
      if (!secret.look(['Cookie', sent], COOKIE).isKnown) continue;
      assert.ok(!(withoutClientCookies(sent) ?? '').includes(value), JSON.stringify(sent));
    }
  }
});

test('own cookies are taken out of any others, which stay as they are and in order', () => {
  const others = fc.stringMatching(/^[a-f]{1,3}=[^;]{0,5}$/).filter((crumb) => crumb.trim() === crumb);
  const own = fc.nat(65_535).map((port) => `gbp-client-${port}=${secret.cookieValue(COOKIE)}`);
  fc.assert(
    fc.property(fc.array(fc.oneof(others, own)), (crumbs) => {
      const kept = crumbs.filter((crumb) => !crumb.startsWith('gbp-client-')).join('; ');
      assert.equal(withoutClientCookies(crumbs.join('; ')) ?? '', kept);
    }),
  );
});

for (const value of [
  'gbp-client-8080=x',
  ' GBP-Client-8080=x; Path=/',
  'gbp-client-8080=; Max-Age=0',
  '=gbp-client-8080=x',
  '\t= gbp-client-8080=x',
  'gbp-client-8080',
]) {
  test(`Set-Cookie: ${JSON.stringify(value)} would set or delete a cookie of the proxy`, () => {
    assert.equal(setsClientCookie(value), true);
  });
}

test('Set-Cookie for anything else is not the proxy’s business', () => {
  for (const value of ['sid=gbp-client-8080', 'gbp.__Host-x=1', 'client=1', '', 'x=; gbp-client-1=2'])
    assert.equal(setsClientCookie(value), false, value);
});
