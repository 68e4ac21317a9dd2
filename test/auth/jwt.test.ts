import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClaims } from '../../src/auth/jwt.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('the claims of a JWT are read, also beyond ASCII', () => {
  const claims = { aud: 'https://example.com', exp: 1, name: 'Zoë 日本' };
  assert.deepEqual(decodeClaims(`${encode({ alg: 'RS256' })}.${encode(claims)}.c2ln`), claims);
});

test('what is not a JWT is refused without being quoted', () => {
  const canary = 'canary';
  const bad = [
    '',
    canary,
    `${canary}.b`,
    `<html>${canary}</html>`,
    `a.${canary}.c`,
    `a.${encode([canary])}.c`,
    `a.${encode(canary)}.c`,
    'a..c',
  ];
  for (const token of bad) {
    assert.throws(
      () => decodeClaims(token),
      (error: Error) => /not a JWT/.test(error.message) && !error.message.includes(canary),
    );
  }
});
