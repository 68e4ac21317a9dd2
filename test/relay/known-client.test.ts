import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createClientSecret } from '../../src/gate/client-secret.ts';
import { composeHead, type Decision, decide, type RequestHead } from '../../src/relay/decide.ts';
import type { Route, Site } from '../../src/relay/site.ts';
import { heldToken, requestHead, route, site } from '../support/sites.ts';

const SECRET = 'a-secret-of-32-characters-or-so!';
const BEARER = `Bearer ${SECRET}`;
const BASIC = `Basic ${Buffer.from(`:${SECRET}`).toString('base64')}`;
const clientSecret = createClientSecret(SECRET, Buffer.alloc(32));

/** Two listeners: one asks for the secret, one doesn't. */
function guarded(...routes: Route[]): Site {
  return {
    ...site(...(routes.length === 0 ? [route()] : routes)),
    listeners: [{ clientSecret }, { clientSecret: undefined }],
  };
}

function decideOn(lines: readonly string[], change: Partial<RequestHead> = {}, ...routes: Route[]): Decision {
  return decide(guarded(...routes), requestHead({ lines: ['Host', 'localhost:8080', ...lines], ...change }));
}

function outcomeOf(decision: Decision): string {
  if (decision.kind === 'own-page') return decision.page.kind;
  return 'error' in decision ? decision.error.code : decision.kind;
}

test('R9: the secret is asked for after the gate has judged, and before there is a word of routes', () => {
  assert.equal(
    outcomeOf(decideOn(['Origin', 'https://evil.example', 'Authorization', BEARER])),
    'origin_not_allowed',
  );
  assert.equal(outcomeOf(decideOn(['Origin', 'https://evil.example'])), 'origin_not_allowed');
  assert.equal(outcomeOf(decideOn([], { method: 'TRACE' })), 'method_not_allowed');
  assert.equal(outcomeOf(decideOn([], { method: 'OPTIONS', target: '*' })), 'server-options');
  const narrow = route({ path: '/orders' });
  assert.equal(outcomeOf(decideOn([], { target: '/nowhere' }, narrow)), 'client_not_authenticated');
  assert.equal(outcomeOf(decideOn(['Expect', 'x'], {}, narrow)), 'client_not_authenticated');
  assert.equal(outcomeOf(decideOn(['Authorization', BEARER], { target: '/nowhere' }, narrow)), 'no_route');
  assert.equal(outcomeOf(decideOn(['Authorization', BEARER])), 'forward');
});

test('R9: each listener asks for its own; one that nobody knows lets nobody in', () => {
  assert.equal(outcomeOf(decideOn([], { listener: 0 })), 'client_not_authenticated');
  assert.equal(outcomeOf(decideOn([], { listener: 1 })), 'forward');
  for (const listener of [2, -1, Number.NaN]) assert.equal(outcomeOf(decideOn([], { listener })), 'internal');
});

test('the pages of the proxy are on listeners with a secret alone, and hide no route elsewhere', () => {
  const at = (target: string, listener = 0): string => outcomeOf(decideOn([], { target, listener }));
  assert.equal(at('/.gcp-bearer-proxy/sign-in?code=x'), 'sign-in');
  assert.equal(at('/.gcp-bearer-proxy/'), 'stranger');
  for (const target of [
    '/.gcp-bearer-proxy/sign-in/',
    '/.gcp-bearer-proxyx/sign-in',
    '/%2egcp-bearer-proxy/sign-in',
    '//.gcp-bearer-proxy/sign-in',
    '/.GCP-bearer-proxy/',
  ])
    assert.equal(at(target), 'client_not_authenticated', target);
  assert.equal(at('/.gcp-bearer-proxy/sign-in?code=x', 1), 'forward');
});

test('the cookie is for the port the client knows, or that of the scheme', () => {
  for (const [host, scheme, port] of [
    ['localhost:8080', 'http', '8080'],
    ['localhost', 'http', '80'],
    ['localhost', 'https', '443'],
    ['[::1]:9', 'http', '9'],
  ] as const) {
    const name = `gbp-client-${port}`;
    const lines = ['Host', host, 'Cookie', `${name}=${clientSecret.cookieValue(name)}`];
    assert.equal(outcomeOf(decide(guarded(), requestHead({ lines, scheme }))), 'forward', host);
  }
});

const given = fc.constantFrom(
  ['Proxy-Authorization', BEARER],
  ['proxy-authorization', BASIC],
  ['Authorization', BEARER],
  ['authorization', BASIC],
  ['Cookie', `gbp-client-8080=${clientSecret.cookieValue('gbp-client-8080')}`],
);
const other = fc.oneof(
  fc.constantFrom(
    ['Connection', 'authorization, cookie, proxy-authorization'],
    ['Proxy_Authorization', BEARER],
    ['Cookie', 'a=b; gbp-client-8080=x'],
    ['X-Forwarded-Authorization', BEARER],
    ['Proxy-Connection', BEARER],
  ),
  fc.tuple(fc.stringMatching(/^x-[a-z]{1,5}$/), fc.stringMatching(/^[a-z ]{0,9}$/)),
);

test('R9 R17: however the secret is given, it isn’t in what goes on, and exactly one token is', () => {
  const routes = ['auto', 'authorization', 'x-serverless-authorization', 'proxy-authorization'] as const;
  fc.assert(
    fc.property(
      fc.uniqueArray(given, { minLength: 1, selector: ([name = '']) => name.toLowerCase() }),
      fc.array(other, { maxLength: 5 }),
      fc.constantFrom(...routes),
      fc.boolean(),
      (ways, others, header, isLocalized) => {
        const lines = [...ways, ...others].flat();
        const localize = { redirects: isLocalized, cookies: isLocalized };
        const decision = decideOn(lines, {}, route({ header, localize }));
        assert.equal(decision.kind, 'forward');
        if (decision.kind !== 'forward') return;
        const sent = composeHead(decision, heldToken('google'));
        const text = sent.join('\n');
        assert.ok(
          !text.includes(SECRET) && !text.includes(BASIC.slice(6)) && !text.includes('gbp-client'),
          text,
        );
        assert.deepEqual(
          sent.filter((_, i) => /authorization$/i.test(sent[i - 1] ?? '') && i % 2 === 1),
          ['Bearer google'],
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

test('an Authorization that is the secret is none: `auto` puts the token there, not beside it', () => {
  const decision = decideOn(['Authorization', BASIC, 'Proxy-Authorization', BEARER]);
  assert.equal(decision.kind, 'forward');
  if (decision.kind !== 'forward') return;
  assert.deepEqual(decision.placement, { header: 'Authorization', keepAuthorization: false });
});
