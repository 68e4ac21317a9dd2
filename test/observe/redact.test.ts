import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redactSecrets, redactTarget } from '../../src/observe/redact.ts';

test('a target in a log keeps its path and the names of its query, never a value', () => {
  assert.equal(redactTarget('/a/b'), '/a/b');
  assert.equal(redactTarget('/a?id=7&user=ann&x='), '/a?id=…&user=…&x=…');
  assert.equal(redactTarget('/a?secret'), '/a?…');
  assert.equal(redactTarget('/a?x=1?y=2&a=b=c'), '/a?x=…&a=…');
  assert.equal(redactTarget('/a?'), '/a?');
});

test('R23: whatever looks like a credential is taken out of a text', () => {
  const secrets = [
    'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl',
    'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0',
    'ya29.a0AfH6SMBx-1234567890',
    '1//0gabcdefghijklmnop',
    'GOCSPX-abcdef123456',
    'Bearer opaque-token-value',
    'bearer  opaque-token-value',
    '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----',
    '-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END RSA PRIVATE KEY-----',
  ];
  for (const secret of secrets) {
    const redacted = redactSecrets(`before ${secret} after`);
    assert.match(redacted, /^before (bearer\s+)?\[redacted\] after$/i, secret);
  }
  assert.equal(
    redactSecrets('HTTPS_PROXY=http://me:pass%40word@proxy.example:3128/ failed'),
    'HTTPS_PROXY=http://me:[redacted]@proxy.example:3128/ failed',
  );
  assert.equal(redactSecrets('at http://localhost:8080/@scope/a'), 'at http://localhost:8080/@scope/a');
  assert.equal(
    redactSecrets('a plain sentence about a bearer of news'),
    'a plain sentence about a bearer of news',
  );
  // A message that was cut short.
  assert.equal(redactSecrets('x -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq'), 'x [redacted]');
});
