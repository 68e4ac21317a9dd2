import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toForwardedLines } from '../../src/relay/forwarded.ts';
import { fromHttp2Fields, joinCookies, toHttp2Fields } from '../../src/relay/http2-fields.ts';
import { toTrailerNames, toTrailers } from '../../src/relay/trailers.ts';

/** What must never arrive behind the content, whoever sends it (RFC 9110, section 6.5.1). */
const FORBIDDEN = [
  'Authorization',
  'Cookie',
  'Set-Cookie',
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Trailer',
  'TE',
  'Connection',
  'Content-Type',
  'Content-Encoding',
  'Content-Range',
  'X-Serverless-Authorization',
  'Proxy-Authorization',
  'Proxy-Status',
  'X-Forwarded-For',
  'Forwarded',
  'Upgrade',
  'Keep-Alive',
  'Expect',
  'If-Match',
  'Range',
  'Cache-Control',
  'Location',
  'X-Goog-User-Project',
  'Sec-Fetch-Site',
  'Origin',
  'Access-Control-Allow-Origin',
  'WWW-Authenticate',
  ':path',
  'X-HTTP-Method-Override',
  'X-HTTP-Method',
  'X-Method-Override',
  'X-Original-URL',
  'X-Rewrite-URL',
  ':status',
];

/** A name as a client could disguise it: any case, and `_` for `-`. */
const disguised = fc
  .tuple(fc.constantFrom(...FORBIDDEN), fc.infiniteStream(fc.integer({ min: 0, max: 3 })))
  .map(([name, choices]) =>
    [...name]
      .map((letter) => {
        const choice = choices.next().value;
        if (letter === '-') return choice === 0 ? '_' : '-';
        return choice % 2 === 0 ? letter.toUpperCase() : letter.toLowerCase();
      })
      .join(''),
  );
const harmless = fc.stringMatching(/^x-[a-z]{1,8}$/).filter((name) => !name.startsWith('x-forwarded'));

test('R18 R33: no field that means something else in a head passes as a trailer, however it is spelled', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(disguised, harmless), { maxLength: 12 }), (names) => {
      const kept = toTrailers(names.flatMap((name) => [name, 'v']));
      const isAllowed = (name: string): boolean =>
        !FORBIDDEN.some((other) => other.toLowerCase() === name.toLowerCase().replaceAll('_', '-'));
      assert.deepEqual(
        kept.filter((_, i) => i % 2 === 0),
        names.filter(isAllowed),
      );
      assert.deepEqual(toTrailerNames(names.join(' , '))?.split(', ') ?? [], names.filter(isAllowed));
    }),
    { numRuns: 2_000 },
  );
});

test('R23: a trailer that holds the token goes no further', () => {
  assert.deepEqual(toTrailers(['X-A', 'is Bearer s3cret!', 'X-B', 'fine', 'X-A', 's3cre'], 's3cret'), [
    'X-B',
    'fine',
    'X-A',
    's3cre',
  ]);
});

test('trailers keep their order, case and repetition', () => {
  const lines = ['X-A', '1', 'grpc-status', '0', 'x-a', '2', 'ETag', '"1"', 'X-A', ''];
  assert.deepEqual(toTrailers(lines), lines);
  assert.deepEqual(toTrailers([]), []);
});

test('R39: the client and what it asked for are told as the route wants it', () => {
  const facts = { peer: '127.0.0.1', host: 'shop.localhost:8080', scheme: 'https', prefix: '/shop' } as const;
  const x = [
    'X-Forwarded-For',
    '127.0.0.1',
    'X-Forwarded-Host',
    'shop.localhost:8080',
    'X-Forwarded-Proto',
    'https',
    'X-Forwarded-Prefix',
    '/shop',
  ];
  const standard = ['Forwarded', 'for=127.0.0.1;host="shop.localhost:8080";proto=https'];
  assert.deepEqual(toForwardedLines('none', facts), []);
  assert.deepEqual(toForwardedLines('x-forwarded', facts), x);
  assert.deepEqual(toForwardedLines('forwarded', facts), standard);
  assert.deepEqual(toForwardedLines('both', facts), [...x, ...standard]);
  assert.deepEqual(toForwardedLines('forwarded', { ...facts, peer: '::1' }), [
    'Forwarded',
    'for="[::1]";host="shop.localhost:8080";proto=https',
  ]);
  assert.deepEqual(toForwardedLines('x-forwarded', { ...facts, peer: '', prefix: '/' }), [
    'X-Forwarded-For',
    '127.0.0.1',
    ...x.slice(2, 6),
  ]);
});

test('fields for HTTP/2 are in lower case, in order, repeated ones together; what is about a connection stays', () => {
  const fields = toHttp2Fields([
    'X-B',
    '1',
    'Connection',
    'x',
    'x-a',
    '2',
    'Set-Cookie',
    'a',
    'X-b',
    '3',
    'set-cookie',
    'b',
    'Keep-Alive',
    '1',
    ':status',
    '200',
    '__proto__',
    'x',
  ]);
  assert.deepEqual(Object.entries(fields), [
    ['x-b', ['1', '3']],
    ['x-a', '2'],
    ['set-cookie', ['a', 'b']],
    ['__proto__', 'x'],
  ]);
});

test('fields for HTTP/2 never hold what belongs to a connection of HTTP/1.1, nor a pseudo-header field', () => {
  const names = fc.oneof(
    fc.constantFrom(
      'Connection',
      'transfer-encoding',
      'UPGRADE',
      'Keep-alive',
      'proxy-connection',
      'HTTP2-Settings',
      ':path',
    ),
    harmless,
  );
  fc.assert(
    fc.property(fc.array(names), (list) => {
      const kept = Object.keys(toHttp2Fields(list.flatMap((name) => [name, 'v'])));
      assert.deepEqual(kept, [...new Set(list.filter((name) => name.startsWith('x-')))]);
    }),
  );
});

test('fields of HTTP/2 come without pseudo-header fields, and are otherwise as they were', () => {
  assert.deepEqual(fromHttp2Fields([':method', 'GET', 'a', '1', 'a', '2', ':path', '/', 'b', '']), [
    'a',
    '1',
    'a',
    '2',
    'b',
    '',
  ]);
});

test('cookies that HTTP/2 split are one field again, where the first of them was', () => {
  assert.deepEqual(
    joinCookies(['a', '1', 'cookie', 'x=1', 'b', '2', 'cookie', 'y=2', 'cookie', 'z=3; w=4']),
    ['a', '1', 'cookie', 'x=1; y=2; z=3; w=4', 'b', '2'],
  );
  // A value that says `cookie` is none.
  for (const lines of [['a', 'cookie', 'b', 'cookie'], ['cookie', 'x=1'], []])
    assert.deepEqual(joinCookies([...lines]), lines);
  assert.deepEqual(joinCookies(['cookie', 'cookie', 'a', 'b', 'cookie', 'c']), [
    'cookie',
    'cookie; c',
    'a',
    'b',
  ]);
});
