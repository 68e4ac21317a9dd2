import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide, type Forward } from '../../src/relay/decide.ts';
import { toLocalize } from '../../src/relay/localization.ts';
import { toClientHead, toInterimLines, toSwitchHead } from '../../src/relay/response-head.ts';
import { toTrailers } from '../../src/relay/trailers.ts';
import { localizeSetCookie, toUpstreamCookie } from '../../src/routing/cookies.ts';
import { requestHead, route, site } from '../support/sites.ts';
import { localRoute, visitOf } from '../support/visits.ts';

const TOKEN = 'eyJhbGciOiJub25lIn0.e30.c2ln';
const HALVES = [TOKEN.slice(0, 9), TOKEN.slice(9)] as const;

const orders = route({
  name: '/orders',
  path: '/orders',
  upstreamOrigin: 'https://orders.example',
  upstreamHost: 'orders.example',
});
const shop = route({
  name: 'shop.localhost',
  host: 'shop.localhost',
  upstreamOrigin: 'https://shop.example',
  upstreamHost: 'shop.example',
  basePath: '/base',
});
const home = site(orders, shop);

function visit(target: string, host = 'localhost:8080', scheme: 'http' | 'https' = 'http'): Forward {
  const decision = decide(home, requestHead({ target, lines: ['Host', host], scheme }));
  if (decision.kind !== 'forward') throw new Error('this visit is let in');
  return decision;
}
const visits = fc.constantFrom(
  visit('/orders/7?a=b'),
  visit('/orders'),
  visit('/a/b', 'shop.localhost:8080'),
  visit('/', 'shop.localhost', 'https'),
);

/** About one connection (RFC 9110, section 7.6.1), or not for our clients. */
const HOP = /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*|alt-svc)$/;
const NAMES = [
  ...[
    'Connection',
    'connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Proxy-Status',
  ],
  ...['PROXY-Authenticate', 'Alt-Svc', 'Content-Length', 'Location', 'Content-Location', 'Link', 'Refresh'],
  ...[
    'Set-Cookie',
    'set-cookie',
    'Strict-Transport-Security',
    'X-A',
    'x-a',
    'X-B',
    'Vary',
    '__proto__',
    `X-${TOKEN}`,
  ],
];
const PIECES = [
  ...[
    TOKEN,
    ...HALVES,
    `${HALVES[0]}\t${HALVES[1]}`,
    'Bearer ',
    'close',
    'X-A',
    'content-length',
    ', ',
    ';',
    '=',
    '"',
  ],
  ...[
    'https://orders.example',
    'https://shop.example/base',
    'http://localhost:8080',
    'https://evil.example',
    '//',
    '/',
  ],
  ...[
    '..',
    '@',
    '?',
    '#',
    '%2e',
    '\\',
    '\t',
    ' ',
    '<',
    '>',
    '0; url=',
    'Path=/',
    'Domain=x',
    '__Host-a',
    '\xe4',
    '[',
  ],
];
const value = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { maxLength: 5 }).map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
);
const lines = fc
  .array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 8 })
  .map((pairs) => pairs.flat());
const status = fc.constantFrom(200, 204, 205, 206, 301, 302, 304, 401, 403, 404, 500, 599);

function namesIn(connection: readonly string[]): Set<string> {
  return new Set(
    connection
      .flatMap((text) => text.split(','))
      .map((name) => name.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase()),
  );
}

test('R23, R26, R27: no head of a response brings back the token or what is between us and the upstream; all else stays, in order (20,000 heads)', () => {
  fc.assert(
    fc.property(lines, status, visits, fc.boolean(), (raw, code, forward, isLocalized) => {
      const localize = isLocalized ? toLocalize(forward, home.homeward) : undefined;
      const head = toClientHead(raw, code, TOKEN, localize);
      const heads = [
        head.lines,
        toInterimLines(raw, TOKEN, localize),
        toSwitchHead(raw, TOKEN, localize).lines.slice(0, -4),
        toTrailers(raw, TOKEN),
      ];
      for (const kept of heads) {
        assert.ok(!kept.some((text) => text.includes(TOKEN)), JSON.stringify(kept));
        const hop = kept.find((name, i) => i % 2 === 0 && HOP.test(name.toLowerCase()) && name !== 'Trailer');
        assert.equal(hop, undefined);
      }
      if (isLocalized) return;
      const named = namesIn(raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === 'connection'));
      const expected: string[] = [];
      for (let i = 0; i < raw.length; i += 2) {
        const [name = '', text = ''] = raw.slice(i, i + 2);
        const lower = name.toLowerCase();
        if (HOP.test(lower) || name.includes(TOKEN) || text.includes(TOKEN)) continue;
        if (lower === 'content-length' ? code === 204 : named.has(lower)) continue;
        expected.push(name, text);
      }
      const announced = head.lines.at(-2) === 'Trailer' ? -2 : undefined;
      assert.deepEqual(head.lines.slice(0, announced), expected);
    }),
    { numRuns: 20_000 },
  );
});

test('R22: a Location leads where the upstream said, or to the proxy, and never puts a token together (20,000 references)', () => {
  fc.assert(
    fc.property(value, visits, (reference, forward) => {
      const [local, said] = [
        URL.parse(`${forward.head.scheme}://${forward.forwardedHost}${forward.localTarget}`),
        URL.parse(reference, forward.route.upstreamOrigin + forward.target),
      ];
      const raw = ['Location', reference];
      const { lines } = toClientHead(raw, 302, TOKEN, toLocalize(forward, home.homeward));
      if (lines.length === 0) return;
      const [, location = ''] = lines;
      assert.ok(!location.includes(TOKEN));
      if (said === null) assert.equal(location, reference, 'malformed ones stay as they are');
      if (location === reference) return;
      const reached = URL.parse(location, local?.href);
      assert.ok(reached !== null && /^(?:.+\.)?localhost$/.test(reached.hostname), location);
      assert.equal(reached.username + reached.password, '');
      assert.equal(reached.hash, said?.hash);
    }),
    { numRuns: 20_000 },
  );
});

test('R38: cookies that two routes had to rename come back under the names their upstreams gave them (10,000 pairs)', () => {
  const name = fc.constantFrom(
    '__Host-sid',
    '__Secure-sid',
    '__host-x',
    '__Http-y',
    'gbp.__Host-sid',
    'gbp.gbp.__Secure-a',
    'sid',
    'gbp.sid',
    '',
  );
  const cookie = fc
    .tuple(name, fc.stringMatching(/^[!-+\--:<-~]{0,6}$/))
    .map(([name, text]) => `${name}=${text}`);
  const attributes = fc.subarray([
    '; Secure',
    '; Path=/',
    '; HttpOnly',
    '; SameSite=None',
    '; Domain=x.example',
    '; Path=/x',
  ]);
  const one = visitOf(localRoute({ path: '/one' }), 'http://localhost:8080/one/a');
  const other = visitOf(localRoute({ path: '/other', basePath: '/b' }), 'https://localhost:8443/other');
  fc.assert(
    fc.property(cookie, cookie, attributes, attributes, (first, second, ofFirst, ofSecond) => {
      const stored = [
        localizeSetCookie(first + ofFirst.join(''), one),
        localizeSetCookie(second + ofSecond.join(''), other),
      ];
      const sent = stored.map((text) => text.split(';', 1)[0]).join('; ');
      assert.equal(toUpstreamCookie(sent), `${first}; ${second}`);
      assert.equal(toUpstreamCookie(sent.split('; ').toReversed().join('; ')), `${second}; ${first}`);
    }),
    { numRuns: 10_000 },
  );
});
