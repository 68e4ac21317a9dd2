import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toClientHead } from '../../src/relay/response-head.ts';
import { toTrailers } from '../../src/relay/trailers.ts';

test('R26: hop-by-hop headers and those Connection names don’t come back', () => {
  const head = toClientHead(
    [
      'Connection',
      'close, X-Hop',
      'Keep-Alive',
      'x',
      'Transfer-Encoding',
      'chunked',
      'Proxy-Status',
      'gcp-bearer-proxy; error=x',
      'X-Hop',
      '1',
      'Trailer',
      'x',
      'Upgrade',
      'h2c',
      'X-Kept',
      '1',
    ],
    200,
    undefined,
  );
  assert.deepEqual(head.lines, ['X-Kept', '1', 'Trailer', 'x']);
});

test('R27: Set-Cookie lines come back one by one, in order and case', () => {
  const lines = [
    'Set-Cookie',
    'a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT',
    'X-B',
    '1',
    'set-cookie',
    'b=2',
    'x-b',
    '2',
  ];
  assert.deepEqual(toClientHead(lines, 200, undefined).lines, lines);
});

test('R36: Content-Length stays on a HEAD or 304 response and goes from a 204', () => {
  assert.deepEqual(toClientHead(['Content-Length', '5'], 304, undefined).lines, ['Content-Length', '5']);
  assert.deepEqual(toClientHead(['Content-Length', '5'], 204, undefined).lines, []);
  assert.equal(toClientHead(['Content-Length', '5'], 200, undefined).contentLength, 5);
});

test('a response’s Connection header can’t take its framing off', () => {
  assert.deepEqual(
    toClientHead(['Connection', 'content-length', 'Content-Length', '5'], 200, undefined).lines,
    ['Content-Length', '5'],
  );
});

test('R23: a response header that gives the token back is dropped', () => {
  const head = toClientHead(['X-Echo', 'was: Bearer s3cret!', 'X-Ok', 'Bearer s3cre'], 200, 's3cret');
  assert.deepEqual(head.lines, ['X-Ok', 'Bearer s3cre']);
  assert.deepEqual(head.leaked, ['X-Echo']);
});

test('R27: what Connection names is dropped even where that gives the token back', () => {
  const head = toClientHead(['Connection', 's3cret, x-hop', 'X-Hop', '1', 'X-Ok', '1'], 200, 's3cret');
  assert.deepEqual(head.lines, ['X-Ok', '1']);
  assert.deepEqual(head.leaked, ['Connection']);
});

test('R23: nor does a field named after the token come back, a trailer announced by it, or a URL that puts it together', () => {
  const token = 's3cret';
  const raw = ['X-s3cret', '1', 'Trailer', 's3cret', 'Location', '/s3c\tret', 'X-Ok', '1'];
  const head = toClientHead(raw, 200, token, (name, value) =>
    name === 'location' ? value.replace('\t', '') : value,
  );
  assert.deepEqual(head.lines, ['X-Ok', '1']);
  assert.deepEqual(head.leaked, ['the name of a field', 'Trailer', 'Location']);
  assert.deepEqual(toTrailers(['X-s3cret', '1', 'X-Ok', '1'], token), ['X-Ok', '1']);
});
