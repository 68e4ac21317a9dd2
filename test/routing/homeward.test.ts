import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRouteTable } from '../../src/routing/table.ts';
import { parseTarget, toUpstreamTarget } from '../../src/routing/target.ts';
import { toLocalPath } from '../../src/routing/visit.ts';
import { homewardOf, localRoute, visitOf } from '../support/visits.ts';

const orders = localRoute();
const users = localRoute({ path: '/users', upstreamOrigin: 'https://users.example' });
const range = localRoute({
  path: '/range',
  upstreamOrigin: 'https://functions.example',
  basePath: '/get_range',
});
const kept = localRoute({ path: '/v1', stripPath: false, upstreamOrigin: 'https://kept.example' });
const shop = localRoute({ host: 'shop.localhost', path: '/', upstreamOrigin: 'https://shop.example' });
const all = [orders, users, range, kept, shop];
const homeward = homewardOf(...all);

/** Checks what becomes of references in answers to one local URL. */
function assertLocalized(
  route: (typeof all)[number],
  url: string,
  cases: Readonly<Record<string, string>>,
  home = homeward,
): void {
  const visit = visitOf(route, url);
  for (const [reference, expected] of Object.entries(cases)) {
    assert.equal(home.localizeUrl(reference, visit), expected, `${reference} at ${url}`);
  }
}

function assertUnchanged(
  route: (typeof all)[number],
  url: string,
  references: readonly string[],
  home = homeward,
): void {
  assertLocalized(
    route,
    url,
    Object.fromEntries(references.map((reference) => [reference, reference])),
    home,
  );
}

test('R22: a URL on the route’s own upstream leads to the local route, in the form it had', () => {
  assertLocalized(orders, 'http://localhost:8080/orders/7', {
    'https://orders.example/8': 'http://localhost:8080/orders/8',
    'https://orders.example': 'http://localhost:8080/orders/',
    'https://orders.example/': 'http://localhost:8080/orders/',
    'https://orders.example?a=1': 'http://localhost:8080/orders/?a=1',
    'HTTPS://Orders.Example:443/8': 'http://localhost:8080/orders/8',
    '//orders.example/8': '//localhost:8080/orders/8',
    '/8': '/orders/8',
    '/': '/orders/',
    '/orders/8': '/orders/orders/8',
    '/a/../8': '/orders/8',
  });
  assertLocalized(range, 'http://localhost:8080/range', {
    'https://functions.example/get_range': 'http://localhost:8080/range',
    'https://functions.example/get_range/': 'http://localhost:8080/range/',
    'https://functions.example/get_range/x?y': 'http://localhost:8080/range/x?y',
    '/get_range/x': '/range/x',
  });
  assertLocalized(kept, 'http://localhost:8080/v1/a', {
    'https://kept.example/v1/b': 'http://localhost:8080/v1/b',
    '/v1/b': '/v1/b',
  });
});

test('R22: a client that came over https: is sent on over https:', () => {
  assertLocalized(orders, 'https://localhost:8443/orders', {
    'https://orders.example/8': 'https://localhost:8443/orders/8',
  });
});

test('R22: an application behind a TLS front end may say http: of itself', () => {
  assertLocalized(orders, 'http://localhost:8080/orders', {
    'http://orders.example/8': 'http://localhost:8080/orders/8',
    'http://orders.example:80/8': 'http://localhost:8080/orders/8',
  });
  assertUnchanged(orders, 'http://localhost:8080/orders', [
    'http://orders.example:443/8',
    'http://orders.example:8080/8',
    'https://orders.example:80/8',
  ]);
  const plain = localRoute({ upstreamOrigin: 'http://127.0.0.1' });
  assertUnchanged(plain, 'http://localhost:8080/orders', ['https://127.0.0.1/8'], homewardOf(plain));
});

test('R22: what is on no route’s upstream is relayed as it is, malformed or not', () => {
  assertUnchanged(orders, 'http://localhost:8080/orders/7', [
    'https://elsewhere.example/8',
    'https://orders.example.evil.example/8',
    'https://orders.example:8443/8',
    'https://user@orders.example/8',
    'https://user:secret@orders.example/8',
    '//elsewhere.example/8',
    '/\\elsewhere.example/8',
    'mailto:a@orders.example',
    'javascript:location="https://orders.example/"',
    'data:text/html,https://orders.example/',
    'blob:https://orders.example/8',
    'ftp://orders.example/8',
    'ftp://localhost:8080/8',
    'https://',
    'https://[::1',
    'https://orders.example:99999/',
    'http://%zz/',
    '',
  ]);
  assertUnchanged(range, 'http://localhost:8080/range/x', [
    'https://functions.example/get_ranges',
    'https://functions.example/other',
    'https://functions.example/',
    '/other',
  ]);
  assertUnchanged(kept, 'http://localhost:8080/v1/a', [
    'https://kept.example/v10',
    'https://kept.example/v2',
  ]);
});

test('R22: a relative reference stays where the client gets there with it', () => {
  assertUnchanged(orders, 'http://localhost:8080/orders/a/b?q', [
    'c',
    '../c',
    './',
    '?page=2',
    '#top',
    '..',
    '',
  ]);
  // At the route itself the client is one segment higher than the upstream's page.
  assertLocalized(orders, 'http://localhost:8080/orders?q', {
    c: '/orders/c',
    './': '/orders/',
    '?page=2': '?page=2',
    '#top': '#top',
    '../../c#top': '/orders/c#top',
  });
  assertLocalized(orders, 'http://localhost:8080/orders/a/b', { '../../../c?d': '/orders/c?d' });
  assertUnchanged(shop, 'http://shop.localhost:8080/a', ['/b', '/b?c', 'b', '/ä b', '/a/../b']);
});

test('R22: query and fragment are kept byte for byte', () => {
  const tail = '?a=%2f&b=%C3%A4&c=ä&d="<>"|^`{}?#x?y#z%zz';
  assertLocalized(orders, 'http://localhost:8080/orders', {
    [`https://orders.example/8${tail}`]: `http://localhost:8080/orders/8${tail}`,
    [`/8${tail}`]: `/orders/8${tail}`,
  });
});

test('bytes outside ASCII in a path are escaped as the bytes they are', () => {
  const utf8 = Buffer.from('/caf\u00e9').toString('latin1');
  assertLocalized(orders, 'http://localhost:8080/orders', {
    [utf8]: '/orders/caf%C3%A9',
    '/caf\xe9': '/orders/caf%E9',
  });
});

test('R22: a URL on another route’s upstream leads to that route', () => {
  assertLocalized(orders, 'http://localhost:8080/orders/7', {
    'https://users.example/3?a': 'http://localhost:8080/users/3?a',
    '//users.example/3': '//localhost:8080/users/3',
    'https://functions.example/get_range/x': 'http://localhost:8080/range/x',
    'https://functions.example/get_rangex': 'https://functions.example/get_rangex',
    'https://kept.example/v1/x': 'http://localhost:8080/v1/x',
    'https://kept.example/v2/x': 'https://kept.example/v2/x',
    'https://shop.example/basket': 'http://shop.localhost:8080/basket',
    '//shop.example/basket': '//shop.localhost:8080/basket',
  });
  assertLocalized(shop, 'http://shop.localhost/', {
    'https://shop.example/x': 'http://shop.localhost/x',
    // The host route takes everything on its own host.
    'https://orders.example/7': 'http://localhost/orders/7',
  });
  assertLocalized(shop, 'http://shop.localhost.:8080/', {
    'https://orders.example/7': 'http://localhost:8080/orders/7',
  });
});

test('R22: the longest base that has the URL decides; of equals, one on the client’s host', () => {
  const whole = localRoute({ path: '/whole', upstreamOrigin: 'https://one.example' });
  const part = localRoute({ path: '/part', upstreamOrigin: 'https://one.example', basePath: '/a/b' });
  const onHost = localRoute({
    host: 'x.localhost',
    path: '/part',
    upstreamOrigin: 'https://one.example',
    basePath: '/a/b',
  });
  const web = localRoute({ host: 'x.localhost', path: '/web', upstreamOrigin: 'https://web.example' });
  for (const routes of [
    [orders, whole, part, onHost, web],
    [web, onHost, part, whole, orders],
  ]) {
    const home = homewardOf(...routes);
    assertLocalized(
      web,
      'http://x.localhost:81/web',
      { 'https://one.example/a/b/c': 'http://x.localhost:81/part/c' },
      home,
    );
  }
  const home = homewardOf(orders, whole, part);
  assertLocalized(
    orders,
    'http://localhost/orders',
    {
      'https://one.example/a/b/c': 'http://localhost/part/c',
      'https://one.example/a/bc': 'http://localhost/whole/a/bc',
    },
    home,
  );
  const onOther = localRoute({ ...part, host: 'y.localhost', path: '/' });
  assertLocalized(
    orders,
    'http://localhost/orders',
    { 'https://one.example/a/b/c': 'http://y.localhost/c' },
    homewardOf(orders, whole, onOther),
  );
  // Left as it is, this would stay on the client's host.
  const rooted = localRoute({ host: 'y.localhost', path: '/', upstreamOrigin: 'https://one.example' });
  assertLocalized(part, 'http://localhost/part', { '/c': 'http://y.localhost/c' }, homewardOf(part, rooted));
  // The visited route comes first, whatever its base.
  assertLocalized(whole, 'http://localhost/whole', { '/a/b/c': '/whole/a/b/c' }, home);
});

test('R22: a route that no local URL reaches is not named', () => {
  const everywhere = [undefined, 'localhost', 'x.localhost'].map((host) =>
    localRoute({ host, path: '/', upstreamOrigin: `https://${host ?? 'any'}.example` }),
  );
  const home = homewardOf(...everywhere);
  const [any, , onX] = everywhere;
  assert.ok(any && onX);
  assertUnchanged(onX, 'http://x.localhost/', ['https://any.example/a'], home);
  assertLocalized(any, 'http://127.0.0.1/', { 'https://any.example/a': 'http://127.0.0.1/a' }, home);
});

test('a path that another, longer route takes still comes home: one site made of several upstreams', () => {
  const web = localRoute({ path: '/', upstreamOrigin: 'https://web.example' });
  assertLocalized(
    web,
    'http://localhost:8080/',
    { 'https://web.example/users/3': 'http://localhost:8080/users/3', '/users/3': '/users/3' },
    homewardOf(web, users),
  );
});

test('IPv6 hosts keep their brackets', () => {
  const six = localRoute({ host: '::1', path: '/', upstreamOrigin: 'https://six.example' });
  const upstream = localRoute({ path: '/up', upstreamOrigin: 'http://[::1]:3000' });
  const home = homewardOf(orders, six, upstream);
  assertLocalized(
    orders,
    'http://localhost:8080/orders',
    { 'https://six.example/a': 'http://[::1]:8080/a', 'http://[::1]:3000/a': 'http://localhost:8080/up/a' },
    home,
  );
  assertLocalized(six, 'http://[::1]:8080/', { 'https://six.example/a': 'http://[::1]:8080/a' }, home);
});

test('a path that starts with two slashes is never written as a reference to another host', () => {
  const root = localRoute({ path: '/', upstreamOrigin: 'https://functions.example', basePath: '/fn' });
  const home = homewardOf(root);
  assertLocalized(
    root,
    'http://localhost:8080/',
    {
      '/fn//evil.example/x': 'http://localhost:8080//evil.example/x',
      './fn//evil.example/x': 'http://localhost:8080//evil.example/x',
      '//functions.example/fn//evil.example': '//localhost:8080//evil.example',
    },
    home,
  );
});

test('R22: a URL an application made from X-Forwarded-Host gets the route’s path in front', () => {
  assertLocalized(orders, 'http://localhost:8080/orders/7', {
    'http://localhost:8080/8?a': 'http://localhost:8080/orders/8?a',
    'https://LOCALHOST:8080/8': 'http://localhost:8080/orders/8',
    '//localhost:8080/8': '//localhost:8080/orders/8',
    'http://localhost:8080/ordersx': 'http://localhost:8080/orders/ordersx',
    // Below the route already: the application knows its prefix. Only the scheme may be wrong.
    'http://localhost:8080/orders/8': 'http://localhost:8080/orders/8',
    'https://localhost:8080/orders/8': 'http://localhost:8080/orders/8',
    // Another route's: where the client wants to return to.
    'http://localhost:8080/users/3': 'http://localhost:8080/users/3',
    // Not the client's own origin.
    'http://localhost/8': 'http://localhost/8',
    'http://localhost:8081/8': 'http://localhost:8081/8',
    'http://127.0.0.1:8080/8': 'http://127.0.0.1:8080/8',
  });
  // One at `/` takes everything: no sign that this path is its own.
  const root = localRoute({ path: '/', upstreamOrigin: 'https://root.example' });
  assertLocalized(
    orders,
    'http://localhost:8080/orders/7',
    { 'http://localhost:8080/8': 'http://localhost:8080/orders/8' },
    homewardOf(orders, root),
  );
  assertLocalized(range, 'http://localhost:8080/range', {
    'https://localhost:8080/get_range/x': 'http://localhost:8080/range/x',
    'https://localhost:8080/x': 'http://localhost:8080/range/x',
  });
  assertLocalized(kept, 'http://localhost:8080/v1/a', {
    'https://localhost:8080/v1/b': 'http://localhost:8080/v1/b',
    'https://localhost:8080/v2/b': 'http://localhost:8080/v2/b',
  });
  assertLocalized(shop, 'http://shop.localhost/', {
    'http://shop.localhost/users/3': 'http://shop.localhost/users/3',
    'https://shop.localhost/a': 'http://shop.localhost/a',
  });
});

test('a reference that is a fragment alone keeps the page’s query when it has to be replaced', () => {
  // An absolute-form target may lead to a route that its Host would not.
  const visit = { ...visitOf(orders, 'http://localhost/orders?q'), host: 'shop.localhost' };
  assert.equal(homeward.localizeUrl('#top', visit), '/orders/?q#top');
});

test('a visit with a Host that is none changes nothing', () => {
  for (const host of ['', '[', 'a b', '[::1', ':80', 'x:99999']) {
    const visit = { ...visitOf(orders, 'http://localhost/orders'), host };
    assert.equal(homeward.localizeUrl('https://orders.example/8', visit), 'https://orders.example/8');
  }
});

const segment = fc
  .stringMatching(/^[a-z0-9._~!$&'()*+,;=:@-]{0,4}$/)
  .filter((text) => !/^\.{1,2}(?:;|$)/.test(text));
const segments = fc.array(segment, { maxLength: 4 }).map((parts) => parts.map((part) => `/${part}`).join(''));
const prefix = fc.constantFrom('/', '/a', '/a/b');
const anyRoute = fc
  .record({
    path: prefix,
    basePath: prefix,
    stripPath: fc.boolean(),
    host: fc.constantFrom(undefined, 'shop.localhost'),
    upstreamOrigin: fc.constantFrom('https://one.example', 'https://two.example', 'http://127.0.0.1:3000'),
  })
  .map((change) => localRoute(change));

test('R22: from upstream to local and back is the same path (10,000 random routes and paths)', () => {
  fc.assert(
    fc.property(anyRoute, segments, (route, path) => {
      const upstreamPath = (route.basePath === '/' ? '' : route.basePath) + path || '/';
      // A route at `/` has one spelling for its base with and without a slash.
      if (route.path === '/' && route.basePath !== '/' && path === '/') return;
      const local = toLocalPath(route, upstreamPath);
      if (local === undefined) return assert.equal(route.stripPath, false);
      const target = parseTarget(local);
      assert.equal(toUpstreamTarget(route, target.path, target.query), upstreamPath);
    }),
    { numRuns: 10_000 },
  );
});

test('R22: a URL of the visited upstream leads the client to that very path, in every form (10,000 random visits)', () => {
  const forms = fc.constantFrom('https:', '', 'path');
  fc.assert(
    fc.property(
      fc.array(anyRoute, { maxLength: 4 }),
      anyRoute,
      segments,
      segments,
      forms,
      (others, route, from, to, form) => {
        const host = `${route.host ?? 'localhost'}:8080`;
        const strip = route.path === '/' ? '' : route.path;
        const visit = visitOf(route, `http://${host}${strip + from || '/'}`);
        const base = route.basePath === '/' ? '' : route.basePath;
        const inside = route.stripPath ? base : base + strip;
        const path = inside + to || '/';
        if (form === 'path' && path.startsWith('//')) return;
        const { host: upstreamHost, protocol } = new URL(route.upstreamOrigin);
        const prefixes = { 'https:': `${protocol}//${upstreamHost}`, '': `//${upstreamHost}`, path: '' };
        const reference = prefixes[form as keyof typeof prefixes] + path;
        const routes = [...others, route];
        const home = homewardOf(...routes);
        const localized = home.localizeUrl(reference, visit);
        const reached = new URL(localized, `http://${host}${visit.localTarget}`);
        assert.equal(reached.origin, `http://${host}`, localized);
        const spelled = route.path === '/' && base !== '' && path === `${base}/` ? base : path;
        assert.equal(toUpstreamTarget(route, reached.pathname, ''), spelled, localized);
        // What has come home stays.
        if (form === 'https:' && (route.path !== '/' || base === '')) {
          assert.equal(home.localizeUrl(localized, visit), localized);
        }
      },
    ),
    { numRuns: 10_000 },
  );
});

test('no reference makes it throw, and what is changed leads to a route through the proxy (10,000 random references)', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...[
        'https:',
        'http:',
        '//',
        '/',
        '\\',
        '..',
        '.',
        '?',
        '#',
        '@',
        ':',
        ':443',
        ':8080',
        '%2e',
        '%',
        '[',
        ']',
      ],
      ...[
        'orders.example',
        'functions.example',
        'shop.example',
        'localhost:8080',
        '/get_range',
        '\t',
        ' ',
        '\xe4',
      ],
    ),
    fc.string({ maxLength: 4, unit: 'binary' }),
  );
  const reference = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  const visits = [
    visitOf(orders, 'http://localhost:8080/orders/7?a'),
    visitOf(range, 'http://localhost:8080/range'),
    visitOf(shop, 'https://shop.localhost/'),
  ];
  const find = createRouteTable(all);
  fc.assert(
    fc.property(reference, fc.constantFrom(...visits), (text, visit) => {
      const localized = homeward.localizeUrl(text, visit);
      if (localized === text) return;
      const local = `${visit.scheme}://${visit.host}`;
      const reached = URL.parse(localized, local + visit.localTarget);
      assert.ok(reached, localized);
      assert.equal(reached.protocol, `${visit.scheme}:`);
      assert.match(reached.hostname, /(?:^|\.)localhost$/);
      assert.ok(find(reached.hostname, reached.pathname), localized);
    }),
    { numRuns: 10_000 },
  );
});
