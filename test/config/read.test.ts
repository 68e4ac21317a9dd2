import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProxyError } from '../../src/errors.ts';
import { resolveFile } from './resolve-file.ts';

const ROUTES = 'routes:\n  - path: /orders\n    upstream: https://orders-abc123-an.a.run.app\n';
const JSON_FILE =
  '{\n\t"routes": [\n\t\t{ "path": "/orders", "upstream": "https://orders-abc123-an.a.run.app" }\n\t]\n}\n';

for (const [what, content] of [
  ['a byte order mark', `\ufeff${ROUTES}`],
  ['Windows line ends', ROUTES.replaceAll('\n', '\r\n')],
  ['tabs, as JSON', JSON_FILE],
  ['a document start and comments', `# mine\n---\n${ROUTES}# end\n`],
  ['no line end', ROUTES.trimEnd()],
  ['an alias', `credentials: { a: &a { kind: adc }, default: *a }\n${ROUTES}    credentials: a\n`],
] as const) {
  test(`a file with ${what} is read`, async (t) => {
    assert.equal((await resolveFile(t, content)).routes[0]?.name, '/orders');
  });
}

test('a file of 1 MiB is read, one byte more is refused', async (t) => {
  const filled = ROUTES + '#'.repeat(1_048_576 - ROUTES.length);
  assert.equal((await resolveFile(t, filled)).routes.length, 1);
  await assert.rejects(resolveFile(t, `${filled}#`), {
    code: 'config_invalid',
    message:
      'The configuration has a mistake:\n\nproxy.yaml: The file is larger than 1 MiB, so it is not a configuration.',
  });
});

test('a file nested too deeply is refused, not a crash', async (t) => {
  await assert.rejects(resolveFile(t, `routes: ${'['.repeat(100_000)}`), /This is nested too deeply\./);
  await assert.rejects(resolveFile(t, `routes: ${'{a: '.repeat(100_000)}`), { code: 'config_invalid' });
});

test('an alias to what holds it is refused, not a loop', async (t) => {
  await assert.rejects(resolveFile(t, 'routes: &a\n  - path: /\n    upstream: *a\n'), {
    code: 'config_invalid',
  });
});

test('a mistake behind an alias is pointed out where it is written', async (t) => {
  const text = `routes:\n  - path: /a\n    upstream: https://a.run.app\n    timeout: &slow { headers: 70 }\n  - path: /b\n    upstream: https://b.run.app\n    timeout: *slow\n`;
  await assert.rejects(resolveFile(t, text), (error: Error) => {
    assert.match(error.message, /^The configuration has a mistake:\n\nproxy\.yaml:4:31: /);
    return true;
  });
});

test('every mistake of a broken file is shown with its line, and no secret with it', async (t) => {
  const secrets = [
    'hunter2',
    'ya29.c0ffee',
    'eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln',
    'MIIEvQIBADANBg',
    'blue-tenant',
  ];
  const text = `routes:
  - path: /a
    upstream: https://me:${secrets[0]}@a.run.app
    password: ${secrets[0]}
  - path: /b
    upstream: https://b.run.app/?tenant=${secrets[4]}
    tokn: ${secrets[1]}
  - path: /c
    upstream: https://c.run.app
    token: ${secrets[2]}
    headers: { set: { Authorization: Bearer ${secrets[1]} } }
credentials:
  a: { kind: key-file, private_key: "${secrets[3]}" }
  b: { kind: key-file, path: '{"private_key":"-----BEGIN PRIVATE KEY-----${secrets[3]}"}' }
`;
  await assert.rejects(resolveFile(t, text), (error) => {
    assert.ok(isProxyError(error));
    for (const line of [3, 4, 6, 7, 10, 11, 13, 14])
      assert.match(error.message, new RegExp(`^proxy\\.yaml:${line}:`, 'm'));
    for (const secret of secrets)
      assert.ok(!error.message.includes(secret), `${secret} in:\n${error.message}`);
    return true;
  });
});
