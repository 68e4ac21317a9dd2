import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProxyError } from '../../src/errors.ts';
import { createPathList } from '../../src/routing/path-list.ts';
import { parseTarget } from '../../src/routing/target.ts';

const LINES = ['/', '/healthz', '/dir/', '/v1/**', '/users/*/avatar', '/users/*', '/op/x:run'];
const takes = createPathList(LINES);

test('a path is taken that a line of the list names, with * for a segment and ** for all below', () => {
  for (const path of [
    '',
    '/',
    '/healthz',
    '/dir/',
    '/v1',
    '/v1/',
    '/v1/x',
    '/v1/x/y/',
    '/users/7',
    '/users/7/avatar',
    '/users/7%20a/avatar',
    '/users/caf%C3%A9',
    '/users/100%25',
    '/users/a:b@c',
    '/op/x:run',
  ]) {
    assert.equal(takes(path), true, path);
  }
});

test('any other path is not: also one that differs by a slash at its end, or in its case', () => {
  for (const path of [
    '/healthz/',
    '/dir',
    '/healthz/x',
    '/Healthz',
    '/V1/x',
    '/v1x',
    '/v',
    '/users',
    '/users/',
    '/users//avatar',
    '/users/7/8/avatar',
    '/users/7/avatar/',
    '/admin',
    '/op/x',
    '/op/x:run:y',
  ]) {
    assert.equal(takes(path), false, path);
  }
});

test('R13: segments are compared decoded, once', () => {
  const list = createPathList(['/v1/admin', '/b/**']);
  assert.equal(list('/v1/%61dmin'), true);
  assert.equal(list('/%76%31/%61%64%6D%69%6e'), true);
  assert.equal(list('/%62/x'), true);
  assert.equal(list('/v1/%2561dmin'), false);
  assert.equal(list('/v1%2fadmin'), false);
});

test('R13: what another reader could take for a path outside of the list is not taken', () => {
  for (const path of [
    // Merged slashes.
    '//healthz',
    '//v1/x',
    '/users//7/avatar',
    // Parameters that Java servers cut off.
    '/healthz;x',
    '/v1;x/y',
    '/;x/v1',
    '/users/;x/avatar',
    '/users/7;x/avatar',
    '/users/7%3bx/avatar',
    '/users/7%253bx/avatar',
    // Separators that show once decoded.
    '/users/7%2f8/avatar',
    '/users/7%2F..%2fadmin',
    '/users/7%252f8/avatar',
    '/users/7%3fx/avatar',
    '/users/7%23x/avatar',
    '/users/7%253fx',
    // Escapes that not all readers read alike.
    '/v1/%',
    '/v1/%zz',
    '/v1/%u002e%u002e/admin',
    '/v1/%25u002e%25u002e/admin',
    // What some leave out of the text.
    '/v1/.%ff./admin',
    '/v1/.%25ff./admin',
    '/users/%e9',
    '/v1/caf\xe9',
  ]) {
    assert.equal(takes(path), false, path);
  }
});

test('below ** there may be escaped slashes, parameters and empty segments: all of that stays below', () => {
  for (const path of ['/v1//x', '/v1/x;y=1/z', '/v1/b/o/folder%2Ffile', '/v1/x%3fy', '/v1/caf\xc3\xa9'])
    assert.equal(takes(path), true, path);
});

test('/** takes whatever can be read in one way', () => {
  const all = createPathList(['/**']);
  for (const path of ['', '/', '//', '/a/b%2fc;d']) assert.equal(all(path), true, path);
  for (const path of ['/%', '/%ff']) assert.equal(all(path), false, path);
});

const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('/', 'healthz', 'v1', 'users', 'avatar', 'dir', 'x', 'op', '/v1/', '/users/'),
  },
  fc.constantFrom(';', '.', '..', '%2e', '%2f', '%252f', '%3b', '%253b', '%3f', '%23', '%25', '%76', '%2568'),
  fc.constantFrom('%ff', '%c3%a9', '\xff', '%', '%u002e', ':run', '*', '%20', 'é'),
  fc.string({ unit: 'binary-ascii', maxLength: 2 }),
);

test('R13: a path that is taken is in the list for every reader there might be (50,000 random paths)', () => {
  const takesListed = createPathList(['/healthz', '/dir/', '/v1/**', '/users/*/avatar', '/op/x:run']);
  let taken = 0;
  const path = fc
    .tuple(
      fc.constantFrom('/', '/v1/', '/users/x'),
      fc.array(piece, { maxLength: 7 }),
      fc.constantFrom('', '/avatar'),
    )
    .map(([start, pieces, end]) => start + pieces.join('') + end);
  fc.assert(
    fc.property(path, (target) => {
      if (!isLetThrough(target)) return;
      if (!takesListed(target)) return;
      taken += 1;
      for (const reading of readings(target))
        assert.ok(isListed(reading), `${target} can be read as ${reading}`);
    }),
    { numRuns: 50_000 },
  );
  assert.ok(taken > 1_000, `only ${taken} were taken`);
});

function isLetThrough(target: string): boolean {
  try {
    parseTarget(target);
    return !target.includes('?');
  } catch (error) {
    if (isProxyError(error)) return false;
    throw error;
  }
}

/** That list as a regular expression has it: on plain text, that readers have made of a path. */
function isListed(path: string): boolean {
  return /^(?:\/healthz|\/dir\/|\/v1(?:\/.*)?|\/users\/[^/]+\/avatar|\/op\/x:run)$/s.test(path);
}

type Step = (path: string) => string;
const asIs: Step = (path) => path;
const decode: Step = (path) =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
const cutOff: Step = (path) => path.split(/[?#]/, 1)[0] ?? '';
const dropParameters: Step = (path) => path.replaceAll(/;[^/]*/g, '');
const dropInvalid: Step = (path) =>
  isUtf8(Buffer.from(path, 'latin1')) ? path : path.replaceAll(/[\x80-\xff]/g, '');
const mergeSlashes: Step = (path) => path.replaceAll(/[\\/]+/g, '/');
const resolveDots: Step = (path) => {
  const out: string[] = [];
  const segments = path.split('/').slice(1);
  for (const segment of segments) {
    if (segment === '..') out.pop();
    else if (segment !== '.') out.push(segment);
  }
  return `/${out.join('/')}`;
};

/** What a path becomes in the hands of readers that do each of these things, or don't. */
function readings(path: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const decoded of [decode, (text: string) => decode(decode(text))]) {
    for (const first of [asIs, dropInvalid]) {
      for (const second of [asIs, cutOff]) {
        for (const third of [asIs, dropParameters]) {
          for (const fourth of [asIs, mergeSlashes])
            found.add(fourth(resolveDots(third(second(first(decoded(path)))))));
        }
      }
    }
  }
  return found;
}
