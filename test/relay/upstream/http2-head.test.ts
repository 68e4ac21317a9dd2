import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseHead,
  parseStatus,
  parseTrailers,
  toRequestHeaders,
  toRequestTrailers,
} from '../../../src/relay/upstream/http2-head.ts';
import { BadResponseError } from '../../../src/relay/upstream/response-parser.ts';
import { NO_LIMITS } from '../../support/attempts.ts';

const ORIGIN = new URL('https://upstream.example:8443');

function toHeaders(method: string, lines: readonly string[]): string[] {
  const options = { expectsContinue: false, wantsHttp2: true, mayRetry: true, timeout: NO_LIMITS };
  return toRequestHeaders({ method, target: '/x', lines, body: null, ...options }, ORIGIN);
}

test('the authority is the Host, or the origin where there is none', () => {
  const toPseudo = (authority: string): string[] => [
    ...[':method', 'GET', ':authority', authority],
    ...[':scheme', 'https', ':path', '/x'],
  ];
  assert.deepEqual(toHeaders('GET', ['hOst', 'a.example']), toPseudo('a.example'));
  assert.deepEqual(toHeaders('GET', []), toPseudo('upstream.example:8443'));
});

test('TE goes on only where it takes trailers', () => {
  assert.deepEqual(toHeaders('GET', ['TE', 'gzip, trailers;q=0.5']).slice(8), ['te', 'trailers']);
  assert.deepEqual(toHeaders('GET', ['TE', 'gzip, trailersx']).slice(8), []);
});

test('a value with a line end or NUL in it is not sent', () => {
  for (const value of ['a\rb', 'a\nb', 'a\0b'])
    assert.throws(() => toHeaders('GET', ['X-A', value]), { code: 'bad_request' });
  assert.deepEqual(
    { ...toRequestTrailers(['X-A', 'a\nb', 'x y', '1', 'X-B', '1', 'x-b', '2']) },
    { 'x-b': ['1', '2'] },
  );
});

test('trailers hold nothing that belongs to a head or a connection', () => {
  assert.deepEqual(
    { ...toRequestTrailers(['Host', 'x', 'Content-Length', '1', 'TE', 'trailers', '__proto__', '1']) },
    Object.fromEntries([['__proto__', ['1']]]),
  );
});

test('what HTTP/1.1 could not carry is no head', () => {
  assert.deepEqual(parseHead([':status', '200', 'x-a', '1', 'x-a', '']), ['x-a', '1', 'x-a', '']);
  for (const line of [
    ['', '1'],
    ['x a', '1'],
    ['x-a', 'a\rb'],
    ['x-a', 'a\nb'],
    ['x-a', 'a\0b'],
  ]) {
    assert.throws(() => parseHead([':status', '200', ...line]), BadResponseError);
    assert.throws(() => parseTrailers(line), BadResponseError);
  }
  assert.throws(() => parseHead(['x-a', 'v'.repeat(65_536)]), BadResponseError);
  assert.throws(() => parseTrailers(['x-a', 'v'.repeat(16_384)]), BadResponseError);
});

test('a status has three digits, and does not switch protocols', () => {
  assert.equal(parseStatus([':status', '103']), 103);
  assert.equal(parseStatus([':status', '999']), 999);
  for (const status of ['', '99', '099', '2xx', '1000', ' 200', '101'])
    assert.throws(() => parseStatus([':status', status]), BadResponseError);
  assert.throws(() => parseStatus(['x-a', '200']), BadResponseError);
});
