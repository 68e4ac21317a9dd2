import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../src/config/nearest.ts';

const SETTINGS = [
  'path',
  'host',
  'upstream',
  'stripPath',
  'credentials',
  'token',
  'header',
  'timeout',
  'headers',
];

for (const [word, meant] of [
  ['upsteam', 'upstream'],
  ['upstraem', 'upstream'],
  ['UPSTREAM', 'upstream'],
  ['strip_path', 'stripPath'],
  ['hsot', 'host'],
  ['cred', 'credentials'],
  ['headrs', 'headers'],
] as const) {
  test(`a mistyped ${word} most likely means ${meant}`, () => {
    assert.equal(nearest(word, SETTINGS), meant);
  });
}

for (const word of ['', 'x', 'retry', 'completely-different', 'he', 'u'.repeat(100_000)]) {
  test(`nothing is suggested for ${JSON.stringify(word.slice(0, 30))}`, () => {
    assert.equal(nearest(word, SETTINGS), undefined);
  });
}

test('the beginning of several words suggests none of them', () => {
  assert.equal(nearest('abc', ['abcdefgh', 'abcxyzuvw']), undefined);
});

test('of two words equally close the first one is suggested', () => {
  assert.equal(nearest('statt', ['start', 'state']), 'start');
});
