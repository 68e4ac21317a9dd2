import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HAZARDOUS_PATH, toPathsPattern } from '../../src/export/patterns.ts';
import { toPathRewrite } from '../../src/export/routes.ts';
import { createPathList } from '../../src/routing/path-list.ts';
import { isBelow } from '../../src/routing/table.ts';
import { parseTarget, toUpstreamTarget } from '../../src/routing/target.ts';

/** An expression as Envoy takes it: of the whole text, with RE2's flags in front. */
function compile(pattern: string): RegExp {
  const [, flags = '', rest = ''] = /^(?:\(\?([si]+)\))?(.*)$/s.exec(pattern) ?? [];
  return new RegExp(`^(?:${rest})$`, flags);
}

const PIECES = [
  '/',
  '//',
  '.',
  '..',
  '%2e',
  '%2E',
  '%252e',
  '%2%65',
  '%%32e',
  '%2f',
  '%252F',
  ';',
  '%3b',
  '?',
  '%3f',
  '%23',
  '%5c',
  '%255c',
  '\\',
  '%00',
  '%250a',
  '%1f',
  '%7F',
  '#',
  'a',
  'v1',
  'x',
  '%41',
  '%',
  '%2',
  '2e',
  '25',
  '2',
  'e',
  '-',
  '%c3%a9',
  '%E0',
];
const path = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 8 })
  .map((pieces) => `/${pieces.join('')}`.replaceAll('?', ''));

function isRefused(target: string): boolean {
  try {
    parseTarget(target);
    return false;
  } catch {
    return true;
  }
}

test('the paths that Envoy refuses are those that the proxy refuses', () => {
  const hazardous = compile(HAZARDOUS_PATH);
  fc.assert(
    fc.property(path, (target) => {
      // Overlong UTF-8 is among the differences that every export tells of.
      if (/%(?:25)?e0/i.test(target)) return;
      assert.equal(hazardous.test(target), isRefused(target), target);
    }),
    { numRuns: 5_000 },
  );
});

const lines = fc.uniqueArray(
  fc.constantFrom('/', '/x', '/v1', '/v1/**', '/*/x', '/a.b/*', '/x/v1/**', '/*', '/(a)'),
  { minLength: 1, maxLength: 3 },
);

test('no path passes in Envoy that isn’t among a route’s `paths`, and plain ones pass alike', () => {
  const segments = fc.array(fc.constantFrom('v1', 'x', 'a.b', 'aXb', 'a', '', '%41', 'a%2fb', 'x;y', '(a)'), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(lines, segments, fc.constantFrom('/', '/orders', '/a.b'), (listed, names, own) => {
      const rest = names.length === 0 ? '' : `/${names.join('/')}`;
      const whole = own === '/' ? rest || '/' : own + rest;
      const ours = createPathList(listed)(own === '/' ? whole : whole.slice(own.length));
      const passes = compile(toPathsPattern(own, listed)).test(whole);
      assert.ok(!passes || ours, `${whole} passes ${listed}`);
      if (!/[%;]/.test(whole)) assert.equal(passes, ours, `${whole} of ${listed}`);
    }),
    { numRuns: 3_000 },
  );
});

test('Envoy’s rewrite gives the target that the proxy gives', () => {
  const place = fc.constantFrom('/', '/orders', '/a.b/c+d', '/base/v2');
  fc.assert(
    fc.property(place, place, fc.boolean(), path, (own, basePath, stripPath, rest) => {
      const target = own === '/' ? rest : own + (rest === '/' ? '' : rest);
      fc.pre(isBelow(own, target));
      const rewrite = toPathRewrite(own, stripPath, basePath);
      const rewritten =
        rewrite === undefined ? target : target.replace(new RegExp(rewrite.regex), rewrite.substitution);
      assert.equal(rewritten, toUpstreamTarget({ path: own, stripPath, basePath }, target, ''));
    }),
    { numRuns: 2_000 },
  );
});
