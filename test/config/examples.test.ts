import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const examples = readdirSync(join(root, 'config', 'examples')).map((name) =>
  join('config', 'examples', name),
);

function resolveExample(config: string): Promise<Config> {
  return resolveConfig({ flags: { config }, positionals: [], env: {}, cwd: root });
}

/** Node has no unix sockets on Windows. */
function isForThisSystem(name: string): boolean {
  return process.platform !== 'win32' || !name.endsWith('unix-socket.yaml');
}

test('there is an example for each way to use it', () => {
  assert.deepEqual(examples.map((name) => name.replace(/.*[\\/]/, '')).toSorted(), [
    'aws.yaml',
    'cloud-functions.yaml',
    'corporate-network.yaml',
    'github-actions.yaml',
    'google-api.yaml',
    'grpc.yaml',
    'guarded.yaml',
    'host-routes.yaml',
    'iap.yaml',
    'impersonate.yaml',
    'key-file.yaml',
    'quota-project.yaml',
    'several-services.yaml',
    'unix-socket.yaml',
    'web-app.yaml',
  ]);
});

for (const name of [...examples, 'proxy.example.yaml']) {
  test(`${name} is a good configuration without warnings`, async () => {
    if (!isForThisSystem(name)) {
      await assert.rejects(resolveExample(name), { code: 'config_invalid' });
      return;
    }
    const config = await resolveExample(name);
    assert.ok(config.routes.length >= 2);
    assert.deepEqual(config.warnings, []);
  });

  test(`${name} leads editors to the schema`, () => {
    const file = join(root, name);
    const [, schema = ''] =
      /^# yaml-language-server: \$schema=(\S+)\r?\n/.exec(readFileSync(file, 'utf8')) ?? [];
    const target = resolve(dirname(file), schema);
    assert.equal(target, join(root, 'config', 'proxy.schema.json'));
    assert.ok(existsSync(target));
  });
}

test('the examples show every kind of token, and each kind of credentials that takes some explaining', async () => {
  const configs = await Promise.all(examples.filter(isForThisSystem).map(resolveExample));
  const credentials = configs.flatMap((config) => Object.values(config.credentials));
  assert.deepEqual([...new Set(credentials.map(({ kind }) => kind))].toSorted(), [
    'adc',
    'federated',
    'gcloud',
    'impersonate',
    'key-file',
    'token',
  ]);
  const tokens = configs.flatMap((config) => config.routes.map((route) => route.token.kind));
  assert.deepEqual([...new Set(tokens)].toSorted(), ['access', 'id', 'jwt', 'none']);
});

test('what npm start runs is emulated throughout, with more than one identity', async () => {
  const config = await resolveExample('proxy.example.yaml');
  assert.deepEqual([...new Set(config.routes.map((route) => route.upstream.kind))], ['emulator']);
  assert.deepEqual([...new Set(config.routes.map((route) => route.credentials))], ['default', 'runner']);
});
