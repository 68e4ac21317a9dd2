import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProxyError } from '../../src/errors.ts';
import { MAX_TARGET_BYTES, parseTarget, toUpstreamTarget } from '../../src/routing/target.ts';

function codeOf(target: string): string {
  try {
    parseTarget(target);
    return 'accepted';
  } catch (error) {
    return isProxyError(error) ? error.code : `threw ${String(error)}`;
  }
}

test('R13: paths that could climb out of their base once decoded are refused', () => {
  for (const target of [
    '/../x',
    '/..',
    '/.',
    '/a/./b',
    '/a/..',
    '/a/../b?x',
    '/%2e%2e/x',
    '/%2E%2e%2fx',
    '/.%2e/x',
    '/..%5cx',
    '/a\\..\\b',
    '/%5c',
    '/%252e%252e/',
    '/%252e%252e%252fx',
    '/%25%32%65%2e/x',
    '/%00',
    '/%2500',
    '/a%0d%0ab',
    '/#x',
    '/x?y#z',
    '/%c0%ae%c0%ae/x',
    '/%c0%af',
    '/%e0%80%ae',
    '/%f8%80%80%80%ae',
    '/..;/x',
    '/%2e%2e;a=b/x',
    '/a/..%3fx',
    '/a/%2e%2e%23x/y',
    '/a/.%253Fx',
    '/\xc0\xae/x',
    '/a b',
    '/a\tb',
    '/a\x7fb',
  ]) {
    assert.equal(codeOf(target), 'bad_path', target);
  }
});

test('R14: what is unusual but harmless goes on byte for byte', () => {
  const mapping = { path: '/', basePath: '/', stripPath: true };
  for (const target of [
    '/',
    '//x',
    '/a//b',
    '/a?b?c',
    '/a%20b',
    '/o/folder%2Ffile',
    '/?q=%2F..%2F',
    '/?q=/../',
    '/a?',
    '/%zz',
    '/%',
    '/a%2',
    '/...',
    '/.well-known/x',
    '/a/.hidden',
    '/a..b/c',
    '/caf%C3%A9',
    '/%e9',
    '/caf\xe9',
    '/a;b=c',
    "/a:b@c!$&'()*+,=",
    '/%23',
    '/%25',
  ]) {
    const { path, query } = parseTarget(target);
    assert.equal(toUpstreamTarget(mapping, path, query), target);
  }
});

test('R16: a malformed escape is no reason to fail', () => {
  for (const target of ['/%zz', '/%', '/%e', '/a%%b', '/%u002e'])
    assert.equal(codeOf(target), 'accepted', target);
});

test('R11: an absolute-form target is taken apart, anything else that is not a path is refused', () => {
  assert.deepEqual(parseTarget('http://localhost:8080/a?b'), {
    path: '/a',
    query: '?b',
    authority: 'localhost:8080',
  });
  assert.deepEqual(parseTarget('HTTP://localhost'), { path: '/', query: '', authority: 'localhost' });
  assert.deepEqual(parseTarget('http://localhost?x'), { path: '/', query: '?x', authority: 'localhost' });
  assert.deepEqual(parseTarget('*'), { path: '*', query: '', authority: undefined });
  for (const target of ['https://localhost/', 'ftp://x/', 'localhost:8080', 'x', '', '?x', '*x']) {
    assert.equal(codeOf(target), 'bad_request', target);
  }
  assert.equal(codeOf('http://localhost/../x'), 'bad_path');
});

test('R31: a target that is too long is refused', () => {
  assert.equal(codeOf(`/${'a'.repeat(MAX_TARGET_BYTES - 1)}`), 'accepted');
  assert.equal(codeOf(`/${'a'.repeat(MAX_TARGET_BYTES)}`), 'target_too_long');
});

test('the route’s path is cut off and the upstream’s put in front', () => {
  const cases: [path: string, basePath: string, strip: boolean, target: string, expected: string][] = [
    ['/orders', '/', true, '/orders', '/'],
    ['/orders', '/', true, '/orders?a=1', '/?a=1'],
    ['/orders', '/', true, '/orders/', '/'],
    ['/orders', '/', true, '/orders/7/x?a', '/7/x?a'],
    ['/orders', '/', true, '/orders//7', '//7'],
    ['/orders', '/', false, '/orders/7', '/orders/7'],
    ['/range', '/get_range', true, '/range', '/get_range'],
    ['/range', '/get_range', true, '/range/', '/get_range/'],
    ['/range', '/get_range', true, '/range?n=3', '/get_range?n=3'],
    ['/range', '/get_range', true, '/range/x', '/get_range/x'],
    ['/range', '/v1', false, '/range/x', '/v1/range/x'],
    ['/', '/get_range', true, '/', '/get_range'],
    ['/', '/get_range', true, '/?n=3', '/get_range?n=3'],
    ['/', '/get_range', true, '/x/', '/get_range/x/'],
    ['/', '/', true, '/x', '/x'],
  ];
  for (const [path, basePath, stripPath, target, expected] of cases) {
    const parsed = parseTarget(target);
    assert.equal(
      toUpstreamTarget({ path, basePath, stripPath }, parsed.path, parsed.query),
      expected,
      target,
    );
  }
});
