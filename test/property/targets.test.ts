import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProxyError } from '../../src/errors.ts';
import { createRouteTable, type Matchable } from '../../src/routing/table.ts';
import { parseTarget, type Target, toUpstreamTarget } from '../../src/routing/target.ts';

/** What targets that climb are made of, and what looks like it and is harmless. */
const CLIMBING = [
  ...[
    '/',
    '/',
    '//',
    '.',
    '..',
    '...',
    '/./',
    '/../',
    '\\',
    ';',
    ';x',
    '..;a=b',
    '%2e',
    '%2E',
    '%2f',
    '%2F',
    '%5c',
  ],
  ...[
    '%252e',
    '%252E%252e',
    '%252f',
    '%255c',
    '%25252e',
    '%25',
    '%',
    '%2',
    '%zz',
    '%u002e',
    '%00',
    '%0a',
    '%2500',
  ],
  ...['%c0%ae', '%c0%af', '%e0%80%ae', '%f0%80%80%ae', '%f8%80%80%80%ae', '%fc%80%80%80%80%ae', '%25c0%25ae'],
  ...[
    '\xc0\xae',
    '\xe0\x80\xae',
    '\xe4',
    '%e2%80%a4',
    '%ef%bc%8e',
    '?',
    '?a=/../',
    '#',
    '%23',
    '%3f',
    '%3b',
    '~',
  ],
];
const HARMLESS = [
  ...[
    '/',
    '/',
    '//',
    'a',
    'b.c',
    '..d',
    'e..',
    '...',
    '-',
    '_',
    '~',
    ':',
    '@',
    '!',
    '$',
    '&',
    "'",
    '(',
    ')',
    '*',
    '+',
  ],
  ...[
    ',',
    '=',
    ';x',
    '%20',
    '%2F',
    '%2f',
    '%41',
    '%25',
    '%zz',
    '%',
    '%e2%82%ac',
    '%E4',
    '%3F',
    '%23',
    '\xe4',
    '\xff',
  ],
];
const QUERIES = ['?', '??', '?a?b', '?a=%2e%2e/../', '?\\', '?%00', '?x=/a//b', '?a=%', '?\xe4'];

const joined = (pieces: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...pieces), { maxLength }).map((parts) => parts.join(''));
const climbing = fc.oneof(
  { weight: 5, arbitrary: joined(CLIMBING, 9) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.oneof(fc.constantFrom(...CLIMBING), fc.string({ maxLength: 3, unit: 'binary-ascii' })), {
        maxLength: 6,
      })
      .map((parts) => parts.join('')),
  },
);
const prefix = fc.constantFrom(
  '',
  '/svc',
  '/svc/',
  'http://localhost/svc',
  'http://localhost',
  'HTTP://evil.example/',
);
const mapping = fc.record({
  path: fc.constantFrom('/', '/svc', '/svc/v1'),
  basePath: fc.constantFrom('/', '/base', '/base/fn'),
  stripPath: fc.boolean(),
});

/** @throws whatever isn't a ProxyError (R16) */
function read(raw: string): Target | undefined {
  try {
    return parseTarget(raw);
  } catch (error) {
    if (isProxyError(error)) return undefined;
    throw error;
  }
}

/** One decoding of a path, byte by byte; what is no escape stays. */
function decodeOnce(path: string): string {
  return path.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** UTF-8 as the most lenient decoder takes it: sequences longer than they need to be, up to six bytes. */
function readOverlong(path: string): string {
  return path.replace(
    /[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}|[\xf8-\xfb][\x80-\xbf]{4}|[\xfc\xfd][\x80-\xbf]{5}/g,
    (sequence) => {
      const lead = sequence.charCodeAt(0) & (0x7f >> sequence.length);
      const code = [...sequence.slice(1)].reduce((sum, byte) => sum * 64 + (byte.charCodeAt(0) & 0x3f), lead);
      return code < 0x80 ? String.fromCharCode(code) : sequence;
    },
  );
}

/** The segments of a path as the most lenient server has them: RFC 3986, section 5.2.4, and all that servers were seen to do besides. */
function toSegments(path: string): readonly string[] {
  const [bare = ''] = path.split('\0', 1);
  const segments: string[] = [];
  for (const segment of bare.replaceAll('\\', '/').split('/')) {
    const [name = ''] = segment.split(';', 1);
    if (name === '..') segments.pop();
    else if (name !== '.' && name !== '') segments.push(name);
  }
  return segments;
}

/** Every way that a server may look at a path, up to two decodings. */
function toReadings(path: string): readonly string[] {
  const once = decodeOnce(path);
  const twice = decodeOnce(once);
  return [path, once, twice].flatMap((reading) => [reading, readOverlong(reading)]);
}

test('R13, R16: whatever is accepted stays below its base, however a server decodes it, and nothing but a ProxyError is thrown (30,000 targets)', () => {
  let accepted = 0;
  fc.assert(
    fc.property(prefix, climbing, mapping, (start, rest, route) => {
      const raw = start + rest;
      const target = read(raw);
      if (target === undefined || target.path === '*') return;
      const match = createRouteTable([{ ...route, host: undefined }])('localhost', target.path);
      if (match === undefined) return;
      accepted += 1;
      const upstream = toUpstreamTarget(route, target.path, target.query);
      const [path = ''] = upstream.split('?', 1);
      const base = route.basePath.split('/').filter((name) => name !== '');
      for (const reading of toReadings(path))
        assert.deepEqual(
          toSegments(reading).slice(0, base.length),
          base,
          JSON.stringify([raw, upstream, reading]),
        );
    }),
    { numRuns: 30_000 },
  );
  assert.ok(accepted > 2_000, `only ${accepted} were accepted`);
});

test('R14: what is harmless goes on byte for byte, be it unusual (10,000 targets)', () => {
  const harmless = joined(HARMLESS, 9).map((rest) => `/svc/${rest}`);
  fc.assert(
    fc.property(harmless, fc.constantFrom('', ...QUERIES), mapping, (path, query, route) => {
      const isDot = toReadings(path).some((reading) => /(?:^|\/)\.\.?(?:[;/]|$)/.test(reading));
      fc.pre(
        !isDot &&
          !toReadings(path).some(
            (reading) => /[^\x20-\x7e\x80-\xff]|\\/.test(reading) || readOverlong(reading) !== reading,
          ),
      );
      assert.deepEqual(parseTarget(path + query), { path, query, authority: undefined });
      assert.deepEqual(parseTarget(`http://localhost${path}${query}`), {
        path,
        query,
        authority: 'localhost',
      });
      const isTaken = route.path !== '/svc/v1' || path === '/svc/v1' || path.startsWith('/svc/v1/');
      if (!isTaken) return;
      const upstream = toUpstreamTarget(route, path, query);
      const rest = route.stripPath && route.path !== '/' ? path.slice(route.path.length) : path;
      assert.ok(upstream.endsWith(rest + query), upstream);
      assert.equal(
        upstream.length,
        rest.length + query.length + (route.basePath === '/' ? 0 : route.basePath.length),
      );
    }),
    { numRuns: 10_000 },
  );
});

const segments = fc.array(fc.constantFrom('a', 'b', 'ab', 'a.b', '%61', ''), { maxLength: 4 });
const routePath = segments.map((parts) => `/${parts.filter((part) => part !== '').join('/')}`);
const host = fc.constantFrom(undefined, 'localhost', 'shop.localhost', '__proto__');

test('R15: the route table agrees with the simplest one there is: the host’s own routes first, whole segments, the longest (10,000 tables)', () => {
  const routes = fc.uniqueArray(fc.record({ host, path: routePath }), {
    maxLength: 7,
    selector: ({ host, path }) => `${host} ${path}`,
  });
  const isTakenBy = (route: Matchable, path: string): boolean => {
    const own = route.path.split('/').slice(1);
    return route.path === '/' || own.every((segment, at) => path.split('/')[at + 1] === segment);
  };
  fc.assert(
    fc.property(
      routes,
      fc.constantFrom('localhost', 'shop.localhost', 'other', '__proto__', 'toString'),
      segments,
      (routes, name, parts) => {
        const path = `/${parts.join('/')}`;
        const fitting = routes.filter((route) => (route.host ?? name) === name && isTakenBy(route, path));
        const own = fitting.filter((route) => route.host !== undefined);
        const best = (own.length > 0 ? own : fitting).toSorted((a, b) => b.path.length - a.path.length)[0];
        assert.equal(createRouteTable(routes)(name, path), best);
      },
    ),
    { numRuns: 10_000 },
  );
});
