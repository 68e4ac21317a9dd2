import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveFile } from './resolve-file.ts';

const ROUTES = 'routes: [{ path: /, upstream: emulator:hello }]\n';

test('the admin port may be a map: each part alone, or both', async (t) => {
  const address = { host: '127.0.0.1', port: 9000 };
  const onlyAddress = await resolveFile(t, `admin: { address: 127.0.0.1:9000 }\n${ROUTES}`);
  assert.deepEqual(onlyAddress.admin, { ...address, explicit: true, tokenFile: undefined });

  const onlyFile = await resolveFile(t, `admin: { tokenFile: /run/admin.token }\n${ROUTES}`);
  const tokenFile = join('/', 'run', 'admin.token');
  assert.deepEqual(onlyFile.admin && { ...onlyFile.admin, tokenFile }, {
    host: '127.0.0.1',
    port: 9901,
    explicit: false,
    tokenFile,
  });

  const both = await resolveFile(t, `admin: { address: 9000, tokenFile: admin.token }\n${ROUTES}`);
  assert.equal(both.admin?.port, 9000);
  assert.match(both.admin?.tokenFile ?? '', /[\\/]admin\.token$/);
});

test('a token file goes default < file < environment < flag, by itself', async (t) => {
  const file = `admin: { address: 127.0.0.1:9000, tokenFile: /file }\n${ROUTES}`;
  const env = { GBP_ADMIN_TOKEN_FILE: '/env' };
  const flags = { adminTokenFile: '/flag' };
  const nameOf = async (overrides: Parameters<typeof resolveFile>[2]): Promise<unknown> => {
    const { admin } = await resolveFile(t, file, overrides);
    assert.equal(admin?.port, 9000);
    return admin.tokenFile?.replace(/.*[\\/]/, '');
  };
  assert.equal(await nameOf({}), 'file');
  assert.equal(await nameOf({ env }), 'env');
  assert.equal(await nameOf({ env, flags }), 'flag');
});

test('an admin port that is turned off takes its token file along', async (t) => {
  const file = `admin: { tokenFile: /file }\n${ROUTES}`;
  assert.equal((await resolveFile(t, file, { flags: { admin: 'off' } })).admin, undefined);
});

test('R10: the default admin port gives way to a service that a route leads to', async (t) => {
  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    const config = await resolveFile(t, `routes: [{ path: /, upstream: "http://${host}:9901" }]\n`);
    assert.deepEqual([config.admin?.port, config.admin?.explicit], [0, false], host);
  }
  const elsewhere = await resolveFile(t, 'routes: [{ path: /, upstream: "https://example.com:9901" }]\n');
  assert.equal(elsewhere.admin?.port, 9901);
});
