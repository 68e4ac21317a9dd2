import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { presentOrigin, presentReferer } from '../../src/routing/origin-presentation.ts';
import { localRoute, visitOf } from '../support/visits.ts';

const UPSTREAM = 'https://functions.example';
const range = localRoute({ path: '/range', upstreamOrigin: UPSTREAM, basePath: '/get_range' });
const visit = visitOf(range, 'http://localhost:8080/range/7');

/** What Django asks of an unsafe request over HTTPS to a host it knows itself by. */
function passesDjango(host: string, origin: string | undefined, referer: string | undefined): boolean {
  if (origin !== undefined) return origin === `https://${host}`;
  const url = URL.parse(referer ?? '');
  return url?.protocol === 'https:' && url.host === host;
}

test('R38: a form of the application’s own page passes Django’s check', () => {
  const page = 'http://localhost:8080/range/form?a=b';
  assert.equal(passesDjango('functions.example', 'http://localhost:8080', undefined), false);
  assert.equal(
    passesDjango('functions.example', presentOrigin('http://localhost:8080', visit), undefined),
    true,
  );
  assert.equal(passesDjango('functions.example', undefined, presentReferer(page, visit)), true);
});

test('the client’s own origin is presented as the upstream’s, however it is spelled', () => {
  assert.equal(presentOrigin('http://localhost:8080', visit), UPSTREAM);
  assert.equal(presentOrigin('HTTP://LOCALHOST:8080', visit), UPSTREAM);
  assert.equal(presentOrigin('http://localhost', visitOf(range, 'http://localhost:80/range')), UPSTREAM);
  assert.equal(
    presentOrigin('https://shop.localhost', visitOf(range, 'https://shop.localhost/range')),
    UPSTREAM,
  );
});

test('other origins stay: the application sees which page asks', () => {
  for (const origin of [
    'http://localhost:5173',
    'https://localhost:8080',
    'http://127.0.0.1:8080',
    'https://app.example.com',
    'null',
    '',
    'http://localhost:8080/',
    'http://localhost:8080, http://localhost:8080',
    'http://a@localhost:8080',
    'blob:http://localhost:8080/x',
    'http://',
    '[',
  ]) {
    for (const fetchSite of [undefined, 'same-site', 'cross-site', 'none']) {
      assert.equal(presentOrigin(origin, visit, fetchSite), origin);
    }
  }
});

test('a Referer of another origin stays', () => {
  for (const page of [
    'http://localhost:5173/range',
    'https://localhost:8080/',
    'https://app.example.com/range/x',
  ]) {
    for (const fetchSite of [undefined, 'same-site', 'cross-site']) {
      assert.equal(presentReferer(page, visit, fetchSite), page);
    }
  }
});

test('the page of a development server that passes requests on to the proxy counts as the application’s own', () => {
  for (const origin of [
    'http://localhost:5173',
    'http://127.0.0.1:4200',
    'http://[::1]:3000',
    'https://app.localhost',
  ]) {
    assert.equal(presentOrigin(origin, visit, 'same-origin'), UPSTREAM);
    assert.equal(presentReferer(`${origin}/range/page?a`, visit, 'same-origin'), `${UPSTREAM}/`);
  }
  assert.equal(presentOrigin('https://app.example.com', visit, 'same-origin'), 'https://app.example.com');
  assert.equal(presentOrigin('null', visit, 'same-origin'), 'null');
});

test('a Referer below the route is the upstream’s page, another of the client’s origin just its root', () => {
  const cases: Readonly<Record<string, string>> = {
    'http://localhost:8080/range': `${UPSTREAM}/get_range`,
    'http://localhost:8080/range/a?b=%2f': `${UPSTREAM}/get_range/a?b=%2f`,
    'http://localhost:8080/range/../users': `${UPSTREAM}/`,
    'http://localhost:8080/ranges': `${UPSTREAM}/`,
    'http://localhost:8080': `${UPSTREAM}/`,
    'http://localhost:8080/range/caf\xc3\xa9': `${UPSTREAM}/get_range/caf%C3%A9`,
    'http://user:secret@localhost:8080/range/a': `${UPSTREAM}/get_range/a`,
    'https://elsewhere.example/range': 'https://elsewhere.example/range',
    'about:blank': 'about:blank',
    'blob:http://localhost:8080/x': 'blob:http://localhost:8080/x',
    '/range': '/range',
    '': '',
  };
  for (const [referer, expected] of Object.entries(cases)) {
    assert.equal(presentReferer(referer, visit), expected, referer);
  }
});

test('nothing makes it throw, or name more than the upstream’s own (10,000 random values)', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'http://',
      'https://',
      'localhost:8080',
      '/range',
      '/..',
      '?',
      '#',
      '@',
      ':',
      'null',
      'blob:',
    ),
    fc.string({ maxLength: 4, unit: 'binary' }),
  );
  const value = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
  const host = fc.constantFrom('localhost:8080', '', '[', 'a b');
  fc.assert(
    fc.property(value, host, (text, name) => {
      const origin = presentOrigin(text, { ...visit, host: name });
      assert.ok(origin === text || origin === UPSTREAM);
      const referer = presentReferer(text, { ...visit, host: name });
      assert.ok(
        referer === text || /^https:\/\/functions\.example\/(?:$|get_range(?:$|[/?]))/.test(referer),
        referer,
      );
    }),
    { numRuns: 10_000 },
  );
});
