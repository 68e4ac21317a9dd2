import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Caller, identifyCaller } from '../../src/gate/caller.ts';
import { parsePreflight, refuseCrossOrigin, toPreflightLines } from '../../src/gate/cors.ts';
import { toReadableLines, toSharedLines } from '../../src/gate/cors-response.ts';
import { corsLimits } from '../support/sites.ts';

const ORIGIN = 'http://localhost:3000';
const PAGE: Caller = { kind: 'page', origin: ORIGIN, isForeign: true };
const OWN_PAGE: Caller = { kind: 'page', origin: 'http://localhost:8080', isForeign: false };
const BROWSER: Caller = { kind: 'browser' };
const PROGRAM: Caller = { kind: 'program' };

const METHOD = 'Access-Control-Request-Method';
const HEADERS = 'Access-Control-Request-Headers';

test('a preflight is an OPTIONS with an Origin that asks for a method, and nothing else is', () => {
  const parse = (method: string, origin: string | undefined, ...lines: string[]) =>
    parsePreflight(method, origin, ['Host', 'localhost', ...lines]);
  assert.deepEqual(parse('OPTIONS', ORIGIN, METHOD, 'PUT'), {
    origin: ORIGIN,
    method: 'PUT',
    headers: [],
    asksPrivateNetwork: false,
  });
  assert.deepEqual(
    parse(
      'OPTIONS',
      ORIGIN,
      METHOD.toLowerCase(),
      'patch',
      HEADERS,
      'content-type,X-A , ,',
      HEADERS,
      'x-b',
      'Access-Control-Request-Private-Network',
      'true',
    ),
    {
      origin: ORIGIN,
      method: 'patch',
      headers: ['content-type', 'X-A', 'x-b'],
      asksPrivateNetwork: true,
    },
  );
  assert.equal(parse('OPTIONS', ORIGIN), undefined);
  assert.equal(parse('OPTIONS', ORIGIN, HEADERS, 'x-a'), undefined);
  assert.equal(parse('OPTIONS', undefined, METHOD, 'PUT'), undefined);
  assert.equal(parse('GET', ORIGIN, METHOD, 'PUT'), undefined);
  assert.equal(parse('options', ORIGIN, METHOD, 'PUT'), undefined);
});

test('what a preflight asks for is never said back unless it is a method and header names', () => {
  for (const lines of [
    [METHOD, ''],
    [METHOD, 'PUT, GET'],
    [METHOD, 'P UT'],
    [METHOD, 'PUT', METHOD, 'PUT'],
  ])
    assert.throws(() => parsePreflight('OPTIONS', ORIGIN, lines), { code: 'bad_request' });
  const lines = [METHOD, 'PUT', HEADERS, 'x-a, x b, <c>, x:d, é, "e", x-f'];
  assert.deepEqual(parsePreflight('OPTIONS', ORIGIN, lines)?.headers, ['x-a', 'x-f']);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (method, headers) => {
      try {
        const preflight = parsePreflight('OPTIONS', ORIGIN, [METHOD, method, HEADERS, headers]);
        for (const text of preflight === undefined ? [] : [preflight.method, ...preflight.headers])
          assert.match(text, /^[!-~]+$/);
      } catch (error) {
        assert.equal(error instanceof Error && 'code' in error && error.code, 'bad_request');
      }
    }),
  );
});

const asked = { origin: ORIGIN, method: 'PUT', headers: ['content-type', 'X-A'], asksPrivateNetwork: false };
const VARY =
  'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network';

test('a preflight is told just what it asked for', () => {
  assert.deepEqual(toPreflightLines(asked, corsLimits(), '/'), [
    ...['Access-Control-Allow-Origin', ORIGIN],
    ...['Access-Control-Allow-Credentials', 'true'],
    ...['Access-Control-Allow-Methods', 'PUT'],
    ...['Access-Control-Allow-Headers', 'content-type, X-A'],
    ...['Access-Control-Max-Age', '600'],
    ...['Vary', VARY],
  ]);
  const plain = { ...asked, headers: [], asksPrivateNetwork: true };
  assert.deepEqual(toPreflightLines(plain, corsLimits({ credentials: false, maxAgeMs: 0 }), '/'), [
    ...['Access-Control-Allow-Origin', ORIGIN],
    ...['Access-Control-Allow-Methods', 'PUT'],
    ...['Access-Control-Allow-Private-Network', 'true'],
    ...['Access-Control-Max-Age', '0'],
    ...['Vary', VARY],
  ]);
});

test('a preflight for what a route’s limits leave out is refused, with the line to write', () => {
  const within = corsLimits({ methods: ['PUT'], headers: ['content-type', 'x-a'] });
  assert.ok(toPreflightLines(asked, within, '/').includes('PUT'));
  assert.throws(() => toPreflightLines(asked, corsLimits({ methods: ['GET'] }), '/orders'), {
    code: 'origin_not_allowed',
    message: 'Pages of other origins may not use the method PUT at the route /orders.',
    hint: 'If they may, write at that route:  cors: { methods: [GET, PUT] }',
  });
  assert.throws(() => toPreflightLines(asked, corsLimits({ headers: ['content-type', 'x-b'] }), '/orders'), {
    code: 'origin_not_allowed',
    message: 'Pages of other origins may not send X-A to the route /orders.',
    hint: 'If they may, write at that route:  cors: { headers: [content-type, x-b, X-A] }',
  });
});

const request = { method: 'GET', fetchSite: undefined, fetchMode: undefined, fetchDest: undefined };

function isRefused(caller: Caller, change: Partial<typeof request | Record<string, string>>, cors: object) {
  try {
    refuseCrossOrigin(caller, { ...request, ...change }, cors as ReturnType<typeof corsLimits>, '/');
    return false;
  } catch (error) {
    assert.equal(error instanceof Error && 'code' in error && error.code, 'origin_not_allowed');
    return true;
  }
}

test('a route with cors: false takes nothing from pages of other origins but a visit', () => {
  const closed = { kind: 'closed' };
  const image = { fetchMode: 'no-cors', fetchDest: 'image' };
  const visit = { fetchMode: 'navigate', fetchDest: 'document' };
  for (const [caller, change, expected] of [
    [PROGRAM, {}, false],
    [OWN_PAGE, { method: 'POST' }, false],
    [PAGE, {}, true],
    [PAGE, { method: 'OPTIONS' }, true],
    [PAGE, { method: 'POST', ...visit }, true],
    [BROWSER, {}, false],
    [BROWSER, { fetchSite: 'same-origin', ...image }, false],
    [BROWSER, { fetchSite: 'none', ...visit }, false],
    [BROWSER, { fetchSite: 'same-site', ...image }, true],
    [BROWSER, { fetchSite: 'cross-site', ...image }, true],
    [BROWSER, { fetchSite: 'same-site', ...visit }, false],
    [BROWSER, { fetchSite: 'same-site', ...visit, fetchDest: 'iframe' }, true],
  ] as const)
    assert.equal(isRefused(caller, change, closed), expected, JSON.stringify([caller, change]));
  assert.equal(isRefused(PAGE, {}, { kind: 'upstream' }), false);
});

test('a limit of methods holds for requests that browsers send without asking, and for other pages alone', () => {
  const cors = corsLimits({ methods: ['GET'] });
  for (const [caller, method, expected] of [
    [PAGE, 'GET', false],
    [PAGE, 'HEAD', false],
    [PAGE, 'POST', true],
    [PAGE, 'get', true],
    [OWN_PAGE, 'POST', false],
    [BROWSER, 'POST', false],
    [PROGRAM, 'POST', false],
  ] as const)
    assert.equal(isRefused(caller, { method }, cors), expected, JSON.stringify([caller, method]));
  const writing = corsLimits({ methods: ['PUT'] });
  assert.equal(isRefused(PAGE, { method: 'HEAD' }, writing), true);
  assert.equal(isRefused(BROWSER, { fetchSite: 'same-site', fetchMode: 'no-cors' }, writing), true);
  assert.equal(isRefused(BROWSER, { fetchSite: 'same-origin', fetchMode: 'no-cors' }, writing), false);
});

test('who asks is told by Origin, by Fetch Metadata, and by where browsers send none', () => {
  const marks = { origin: undefined, fetchSite: undefined, fetchMode: undefined, fetchDest: undefined };
  const identify = (
    change: Partial<Record<keyof typeof marks, string>>,
    scheme: 'http' | 'https' = 'http',
    name = 'localhost',
  ) => {
    const caller = identifyCaller({ ...marks, ...change }, scheme, { name, port: '8080' });
    return caller.kind === 'page' ? caller.isForeign : caller.kind;
  };
  assert.equal(identify({}), 'program');
  assert.equal(identify({}, 'http', 'shop.localhost'), 'program');
  assert.equal(identify({}, 'https', 'proxy.internal'), 'program');
  assert.equal(identify({}, 'http', 'proxy.internal'), 'browser');
  for (const mark of ['fetchSite', 'fetchMode', 'fetchDest'])
    assert.equal(identify({ [mark]: 'x' }), 'browser', mark);
  assert.equal(identify({ origin: ORIGIN }), true);
  assert.equal(identify({ origin: 'https://localhost:8080' }), true);
  assert.equal(identify({ origin: 'http://shop.localhost:8080' }), true);
  assert.equal(identify({ origin: 'null' }), true);
  assert.equal(identify({ origin: 'http://LOCALHOST:8080' }), false);
  assert.equal(identify({ origin: ORIGIN, fetchSite: 'same-site' }), true);
  // A development server's page, whose requests that server passes on.
  assert.equal(identify({ origin: ORIGIN, fetchSite: 'same-origin' }), false);
});

const THEIRS = [
  ...['Content-Type', 'text/plain', 'access-control-allow-origin', '*'],
  ...['Access-Control-Expose-Headers', 'X-None', 'Location', '/7', 'ETag', '"1"', 'etag', '"2"'],
  ...['Set-Cookie', 'a=1', 'Access-Control-Allow-Private-Network', 'true'],
];
const KEPT = [
  'Content-Type',
  'text/plain',
  'Location',
  '/7',
  'ETag',
  '"1"',
  'etag',
  '"2"',
  'Set-Cookie',
  'a=1',
];

test('a page may read all of a response by name, and the upstream’s own say is replaced', () => {
  assert.deepEqual(toSharedLines(THEIRS, PAGE, corsLimits()), [
    ...KEPT,
    ...['Vary', 'Origin', 'Access-Control-Allow-Origin', ORIGIN, 'Access-Control-Allow-Credentials', 'true'],
    ...['Access-Control-Expose-Headers', 'Location, ETag, Vary'],
  ]);
  const limits = corsLimits({ credentials: false, exposeHeaders: ['etag'] });
  assert.deepEqual(toSharedLines(THEIRS, PAGE, limits), [
    ...KEPT,
    ...['Vary', 'Origin', 'Access-Control-Allow-Origin', ORIGIN, 'Access-Control-Expose-Headers', 'etag'],
  ]);
  assert.deepEqual(toSharedLines(THEIRS, PAGE, corsLimits({ exposeHeaders: [] })).slice(KEPT.length), [
    ...['Vary', 'Origin', 'Access-Control-Allow-Origin', ORIGIN, 'Access-Control-Allow-Credentials', 'true'],
  ]);
});

test('what a browser may keep for another page’s request varies by Origin; a program’s is left alone', () => {
  assert.deepEqual(toSharedLines(THEIRS, BROWSER, corsLimits()), [...KEPT, 'Vary', 'Origin']);
  assert.equal(toSharedLines(THEIRS, PROGRAM, corsLimits()), THEIRS);
});

test('cors: false lets no CORS header of the upstream through, cors: upstream leaves all as they are', () => {
  for (const caller of [PAGE, OWN_PAGE, BROWSER, PROGRAM]) {
    assert.deepEqual(toSharedLines(THEIRS, caller, { kind: 'closed' }), KEPT);
    assert.equal(toSharedLines(THEIRS, caller, { kind: 'upstream' }), THEIRS);
  }
});

test('Vary names Origin once, whatever was in it', () => {
  for (const [before, after] of [
    [[], ['Vary', 'Origin']],
    [
      ['vary', 'Accept-Encoding'],
      ['vary', 'Accept-Encoding, Origin'],
    ],
    [
      ['Vary', 'Accept, origin ,X'],
      ['Vary', 'Accept, origin ,X'],
    ],
    [
      ['Vary', '*'],
      ['Vary', '*'],
    ],
    [
      ['Vary', 'X-Origin, Origin-Y'],
      ['Vary', 'X-Origin, Origin-Y, Origin'],
    ],
    [
      ['Vary', ''],
      ['Vary', 'Origin'],
    ],
    [
      ['Vary', 'A', 'X', '1', 'Vary', 'B'],
      ['Vary', 'A', 'X', '1', 'Vary', 'B, Origin'],
    ],
    [
      ['Vary', 'Origin', 'Vary', 'B'],
      ['Vary', 'Origin', 'Vary', 'B'],
    ],
  ] as const)
    assert.deepEqual(toSharedLines([...before], BROWSER, corsLimits()), after, before.join());
});

test('an answer of the proxy’s own can be read to the last header', () => {
  assert.deepEqual(toReadableLines(['Content-Type', 'x', 'Proxy-Status', 'y', 'Retry-After', '1'], ORIGIN), [
    ...['Content-Type', 'x', 'Proxy-Status', 'y', 'Retry-After', '1', 'Vary', 'Origin'],
    ...['Access-Control-Allow-Origin', ORIGIN, 'Access-Control-Allow-Credentials', 'true'],
    ...['Access-Control-Expose-Headers', 'Proxy-Status, Retry-After, Vary'],
  ]);
});
