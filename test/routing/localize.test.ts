import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { localizeField } from '../../src/routing/localize.ts';
import { homewardOf, localRoute, visitOf } from '../support/visits.ts';

const orders = localRoute();
const homeward = homewardOf(orders);
const visit = visitOf(orders, 'http://localhost:8080/orders/7');

function assertLocalized(name: string, cases: Readonly<Record<string, string>>): void {
  for (const [value, expected] of Object.entries(cases)) {
    assert.equal(localizeField(homeward, name, value, visit), expected, `${name}: ${value}`);
  }
}

test('R22: Location and Content-Location come home, other fields stay as they are', () => {
  for (const name of ['location', 'content-location']) {
    assertLocalized(name, {
      'https://orders.example/8?a#b': 'http://localhost:8080/orders/8?a#b',
      '/8': '/orders/8',
    });
  }
  for (const name of ['Location', 'x-location', 'content-security-policy', 'set-cookie', '__proto__']) {
    assertLocalized(name, { 'https://orders.example/8': 'https://orders.example/8' });
  }
});

test('R22: Refresh comes home in all its spellings', () => {
  assertLocalized('refresh', {
    '5; url=https://orders.example/8': '5; url=http://localhost:8080/orders/8',
    '0;URL=/8?a=b;c,d': '0;URL=/orders/8?a=b;c,d',
    ' 5 ;  Url = /8': ' 5 ;  Url = /orders/8',
    '5,url=/8': '5,url=/orders/8',
    '5 /8': '5 /orders/8',
    '5;/8': '5;/orders/8',
    '.5; /8': '.5; /orders/8',
    '1.5;url=/8': '1.5;url=/orders/8',
    "0; url='/8'": "0; url='/orders/8'",
    '0; url="/8"': '0; url="/orders/8"',
    '0; url="/8" and more': '0; url="/orders/8" and more',
    "0; url='/8": "0; url='/orders/8",
    '0; "/8"': '0; "/orders/8"',
  });
  for (const value of [
    '',
    '5',
    '5;',
    '5; url=',
    'x; url=/8',
    '-1; url=/8',
    '5url=/8',
    '5; url="',
    '5; url=9',
    '; url=/8',
  ]) {
    assertLocalized('refresh', { [value]: value });
  }
});

test('R22: an apostrophe in the page’s own path does not cut the URL of a Refresh short', () => {
  const quoted = localRoute({ path: "/it's" });
  const home = homewardOf(quoted);
  assert.equal(
    localizeField(home, 'refresh', "0; url='/8'", visitOf(quoted, "http://localhost:8080/it's")),
    "0; url='/it%27s/8'",
  );
});

test('R22: the targets of a Link come home, parameters stay as they are', () => {
  assertLocalized('link', {
    '</8>': '</orders/8>',
    '<https://orders.example/?page=2>; rel="next", </?page=9>; rel=last':
      '<http://localhost:8080/orders/?page=2>; rel="next", </orders/?page=9>; rel=last',
    '</a,b;c>; rel="x"': '</orders/a,b;c>; rel="x"',
    '</8>; title="a, </9>; \\"b\\", </9>", </9>': '</orders/8>; title="a, </9>; \\"b\\", </9>", </orders/9>',
    '</8>; anchor="https://orders.example/7"; rel=up':
      '</orders/8>; anchor="https://orders.example/7"; rel=up',
    '< /8 >,</9>': '</orders/8>,</orders/9>',
    ', ,</8> ,, </9>;': ', ,</orders/8> ,, </orders/9>;',
    '<https://elsewhere.example/8>; rel=preload; as=style':
      '<https://elsewhere.example/8>; rel=preload; as=style',
    'nonsense </8>, </9>': 'nonsense </8>, </orders/9>',
    '</8>; title="open, </9>': '</orders/8>; title="open, </9>',
    '</8': '</8',
    '<>; rel=self': '<>; rel=self',
    '"': '"',
    '"\\': '"\\',
  });
});

test('a head full of links keeps nobody busy: past the first 256 they stay as they are', () => {
  const value = localizeField(homeward, 'link', '</8>,'.repeat(13_000), visit);
  assert.equal(value, '</orders/8>,'.repeat(256) + '</8>,'.repeat(13_000 - 256));
});

test('no value makes it throw, and what holds no URL of ours is unchanged (10,000 random values)', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '5',
      ';',
      ',',
      'url',
      '=',
      '"',
      "'",
      '\\',
      '<',
      '>',
      '/8',
      'https://elsewhere.example',
      '\t',
      ' ',
    ),
    fc.string({ maxLength: 4, unit: 'binary' }),
  );
  const value = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  const root = localRoute({ path: '/' });
  const home = homewardOf(root);
  const rootVisit = visitOf(root, 'http://localhost:8080/a/b');
  const name = fc.constantFrom('location', 'content-location', 'refresh', 'link');
  fc.assert(
    fc.property(name, value, (field, text) => {
      assert.equal(typeof localizeField(homeward, field, text, visit), 'string');
      // Through a route at `/` every relative reference is right as it is.
      assert.equal(localizeField(home, field, text, rootVisit), text);
    }),
    { numRuns: 10_000 },
  );
});
