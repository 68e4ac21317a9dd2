import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { localizeSetCookie, toUpstreamCookie } from '../../src/routing/cookies.ts';
import { isBelow } from '../../src/routing/table.ts';
import { toUpstreamTarget } from '../../src/routing/target.ts';
import type { Visit } from '../../src/routing/visit.ts';
import { createCookieJar } from '../support/cookie-jar.ts';
import { localRoute, visitOf } from '../support/visits.ts';

const orders = localRoute();
const range = localRoute({ path: '/range', basePath: '/get_range' });
const kept = localRoute({ path: '/range', basePath: '/v1', stripPath: false });
const root = localRoute({ path: '/' });
const based = localRoute({ path: '/', basePath: '/fn' });

function assertSetCookie(visit: Visit, cases: Readonly<Record<string, string>>): void {
  for (const [value, expected] of Object.entries(cases)) {
    assert.equal(localizeSetCookie(value, visit), expected, `${value} at ${visit.localTarget}`);
  }
}

test('R38: Domain is removed, wherever it stands and however it is written', () => {
  assertSetCookie(visitOf(orders, 'https://localhost/orders/7'), {
    'a=1; Domain=orders.example': 'a=1',
    'a=1; domain = .orders.example ; HttpOnly': 'a=1; HttpOnly',
    'a=1;DOMAIN=x;Domain;Max-Age=3': 'a=1;Max-Age=3',
    'a=Domain=x; Domainx=y': 'a=Domain=x; Domainx=y',
  });
});

test('R38: Path is mapped to the route', () => {
  assertSetCookie(visitOf(orders, 'https://localhost/orders/7'), {
    'a=1; Path=/': 'a=1; Path=/orders',
    'a=1; path = /x ; HttpOnly': 'a=1; path =/orders/x; HttpOnly',
    'a=1; Path=/x/': 'a=1; Path=/orders/x/',
    'a=1; Path=/orders': 'a=1; Path=/orders/orders',
    'a=1; Path=/x; Path=/y': 'a=1; Path=/orders/x; Path=/orders/y',
  });
  assertSetCookie(visitOf(range, 'https://localhost/range/7'), {
    'a=1; Path=/': 'a=1; Path=/range',
    'a=1; Path=/get_range': 'a=1; Path=/range',
    'a=1; Path=/get_range/': 'a=1; Path=/range/',
    'a=1; Path=/get_range/x': 'a=1; Path=/range/x',
    'a=1; Path=/get_ranges': 'a=1; Path=/range',
    'a=1; Path=/other': 'a=1; Path=/range',
  });
  assertSetCookie(visitOf(kept, 'https://localhost/range/7'), {
    'a=1; Path=/': 'a=1; Path=/range',
    'a=1; Path=/v1': 'a=1; Path=/range',
    'a=1; Path=/v1/range/x': 'a=1; Path=/range/x',
    'a=1; Path=/v1/other': 'a=1; Path=/range',
  });
  assertSetCookie(visitOf(root, 'https://localhost/7'), {
    'a=1; Path=/x': 'a=1; Path=/x',
    'a=1; Path=/': 'a=1; Path=/',
  });
  assertSetCookie(visitOf(based, 'https://localhost/7'), {
    'a=1; Path=/': 'a=1; Path=/',
    'a=1; Path=/fn': 'a=1; Path=/',
    'a=1; Path=/fn/x': 'a=1; Path=/x',
  });
});

test('R38: a cookie without a Path gets one only where the client’s default would be another', () => {
  const cases: [visit: Visit, expected: string][] = [
    [visitOf(orders, 'https://localhost/orders'), 'a=1; Path=/orders'],
    [visitOf(orders, 'https://localhost/orders?x=/y/'), 'a=1; Path=/orders'],
    [visitOf(orders, 'https://localhost/orders/'), 'a=1'],
    [visitOf(orders, 'https://localhost/orders/7'), 'a=1'],
    [visitOf(orders, 'https://localhost/orders/7/x'), 'a=1'],
    [visitOf(range, 'https://localhost/range'), 'a=1; Path=/range'],
    [visitOf(range, 'https://localhost/range/x/y'), 'a=1'],
    [visitOf(kept, 'https://localhost/range'), 'a=1; Path=/range'],
    [visitOf(root, 'https://localhost/'), 'a=1'],
    [visitOf(root, 'https://localhost/x/y'), 'a=1'],
    [visitOf(based, 'https://localhost/x/y'), 'a=1'],
  ];
  for (const [visit, expected] of cases) {
    assertSetCookie(visit, { 'a=1': expected });
    const invalid = expected === 'a=1' ? 'a=1; Path=x' : expected;
    assertSetCookie(visit, { 'a=1; Path=x': invalid });
  }
  assertSetCookie(visitOf(orders, 'https://localhost/orders'), { 'a=1; Path; X': 'a=1; Path=/orders; X' });
});

test('R38: a route’s path that no Path can say is covered by its parent', () => {
  const odd = localRoute({ path: '/a/b;c/d' });
  assertSetCookie(visitOf(odd, 'https://localhost/a/b;c/d'), {
    'a=1; Path=/x': 'a=1; Path=/a',
    'a=1': 'a=1; Path=/a',
  });
});

test('over http: a cookie gives up what needs https:', () => {
  assertSetCookie(visitOf(root, 'http://localhost:8080/'), {
    'a=1; Secure; HttpOnly': 'a=1; HttpOnly',
    'a=1;secure;Path=/;SECURE ': 'a=1;Path=/',
    'a=1; SameSite=None; Secure; Partitioned': 'a=1; SameSite=Lax',
    'a=1; samesite = NONE ': 'a=1; samesite =Lax',
    'a=1; SameSite=Strict; Secure': 'a=1; SameSite=Strict',
    'a=1; SameSite': 'a=1; SameSite',
    'a=Secure; Priority=High': 'a=Secure; Priority=High',
  });
  for (const value of ['a=1; Secure; HttpOnly', 'a=1; SameSite=None; Secure; Partitioned']) {
    assertSetCookie(visitOf(root, 'https://localhost:8443/'), { [value]: value });
  }
});

test('a name that promises more than the local cookie keeps is renamed, and only that', () => {
  assertSetCookie(visitOf(root, 'http://localhost/'), {
    '__Host-a=1; Secure; Path=/': 'gbp.__Host-a=1; Path=/',
    ' __SECURE-a = 1; Secure': ' gbp.__SECURE-a = 1',
    '__Http-a=1; Secure; HttpOnly': 'gbp.__Http-a=1; HttpOnly',
    '__Host-Http-a=1; Path=/; Secure; HttpOnly': 'gbp.__Host-Http-a=1; Path=/; HttpOnly',
    'gbp.__Host-a=1': 'gbp.gbp.__Host-a=1',
    'gbp.a=1': 'gbp.a=1',
    '__Hosta=1': '__Hosta=1',
    'a=__Host-b': 'a=__Host-b',
    '__Host-a': '__Host-a',
    '=__Host-a=1': '=__Host-a=1',
  });
  assertSetCookie(visitOf(root, 'https://localhost/'), {
    '__Host-a=1; Secure; Path=/; Domain=x': '__Host-a=1; Secure; Path=/',
    '__Secure-a=1; Secure': '__Secure-a=1; Secure',
    'gbp.__Secure-a=1': 'gbp.gbp.__Secure-a=1',
  });
  assertSetCookie(visitOf(orders, 'https://localhost/orders'), {
    '__Host-a=1; Secure; Path=/': 'gbp.__Host-a=1; Secure; Path=/orders',
    '__Host-Http-a=1; Secure; Path=/': 'gbp.__Host-Http-a=1; Secure; Path=/orders',
    '__Secure-a=1; Secure; Path=/': '__Secure-a=1; Secure; Path=/orders',
    '__Http-a=1; Secure; Path=/': '__Http-a=1; Secure; Path=/orders',
  });
});

test('renamed cookies get their names back, in every crumb, all else byte for byte', () => {
  const cases: Readonly<Record<string, string>> = {
    'gbp.__Host-a=1': '__Host-a=1',
    'x=1; gbp.__Host-a=1;gbp.__secure-b=2 ;  gbp.__Http-c=gbp.__Host-d=; y':
      'x=1; __Host-a=1;__secure-b=2 ;  __Http-c=gbp.__Host-d=; y',
    'gbp.gbp.__Host-a=1': 'gbp.__Host-a=1',
    'gbp.__Host-a=1; __Host-a=2': '__Host-a=1; __Host-a=2',
    'gbp.a=1; GBP.__Host-a=1; gbp.__Host=1; gbp.__Host-a; x=gbp.__Host-a=1':
      'gbp.a=1; GBP.__Host-a=1; gbp.__Host=1; gbp.__Host-a; x=gbp.__Host-a=1',
    '': '',
    ';;': ';;',
  };
  for (const [value, expected] of Object.entries(cases)) assert.equal(toUpstreamCookie(value), expected);
});

const SEGMENTS = ['', '/', '/a', '/a/', '/a/b', '/ab', '/a/b/c'];

test('R38: a browser sends a cookie back to the paths its upstream meant, and to no other route (10,000 random cookies)', () => {
  const prefix = fc.constantFrom('/', '/r', '/r/s');
  const routes = fc
    .record({ path: prefix, basePath: fc.constantFrom('/', '/a', '/base/fn'), stripPath: fc.boolean() })
    .map((change) => localRoute(change));
  const scheme = fc.constantFrom('http', 'https');
  const below = fc.constantFrom(...SEGMENTS);
  const name = fc.constantFrom(
    'sid',
    '__Host-sid',
    '__Secure-sid',
    '__http-sid',
    '__Host-Http-sid',
    'gbp.__Host-sid',
  );
  const path = fc.option(fc.constantFrom('', 'x', '/', '/other', ...SEGMENTS.map((rest) => `BASE${rest}`)));
  const extra = fc.subarray(['Secure', 'HttpOnly', 'SameSite=None', 'Partitioned', 'Domain=orders.example']);
  fc.assert(
    fc.property(
      routes,
      scheme,
      below,
      below,
      name,
      path,
      extra,
      (route, how, from, to, cookie, where, attributes) => {
        const local = `${how}://localhost:8080`;
        const stem = route.path === '/' ? '' : route.path;
        const [first, second] = [from, to].map((rest) => visitOf(route, `${local}${stem + rest || '/'}`));
        assert.ok(first && second);
        const given = where?.replace('BASE', toUpstreamTarget(route, route.path, ''));
        const value = [`${cookie}=1`, ...(given === undefined ? [] : [`Path=${given}`]), ...attributes].join(
          '; ',
        );
        const direct = createCookieJar();
        direct.set(route.upstreamOrigin + first.upstreamTarget, value);
        const proxied = createCookieJar();
        proxied.set(local + first.localTarget, localizeSetCookie(value, first));

        const meant = direct.get(route.upstreamOrigin + second.upstreamTarget);
        const sent = proxied.get(local + second.localTarget);
        const arrived = sent === undefined ? undefined : toUpstreamCookie(sent);
        // Never less than directly.
        if (meant !== undefined) assert.equal(arrived, meant, value);
        // And no more, where the cookie is one the upstream could use at all, and can be told apart from its neighbours here.
        const base = toUpstreamTarget(route, route.path, '');
        const isUsable = direct.get(route.upstreamOrigin + (given ?? first.upstreamTarget)) !== undefined;
        const isTold = given?.startsWith('/') !== true || isBelow(base, given) || isBelow(given, base);
        if (meant === undefined && isUsable && isTold && (route.path !== '/' || route.basePath === '/')) {
          assert.equal(arrived, undefined, value);
        }
        if (stem !== '') assert.equal(proxied.get(`${local}/`), undefined, value);
      },
    ),
    { numRuns: 10_000 },
  );
});

test('no cookie makes it throw or is lost (10,000 random values)', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ';',
      '=',
      ' ',
      '\t',
      '"',
      'Path',
      'Domain',
      'Secure',
      'SameSite',
      'None',
      '/',
      '__Host-',
      'gbp.',
    ),
    fc.string({ maxLength: 4, unit: 'binary' }),
  );
  const value = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  const visits = fc.constantFrom(
    visitOf(orders, 'http://localhost/orders'),
    visitOf(kept, 'https://localhost/range/x'),
  );
  fc.assert(
    fc.property(value, visits, (text, visit) => {
      const [pair = ''] = text.split(';', 1);
      const [localized = ''] = localizeSetCookie(text, visit).split(';', 1);
      assert.equal(toUpstreamCookie(localized), pair);
    }),
    { numRuns: 10_000 },
  );
});
