import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { resolveConfig } from '../../src/config/resolve.ts';
import { resolveFile, writeConfig } from './resolve-file.ts';

const ROUTES = 'routes:\n  - path: /\n    upstream: emulator:hello\n';
const UNIVERSE = { GOOGLE_CLOUD_UNIVERSE_DOMAIN: 'apis-env.goog' };

test('the universe domain of the environment holds where the file says none', async (t) => {
  const find = async (text: string) => (await resolveFile(t, text, { env: UNIVERSE })).google.universeDomain;
  assert.equal(await find(ROUTES), 'apis-env.goog');
  assert.equal(await find(`universeDomain: Apis-File.goog.\n${ROUTES}`), 'apis-file.goog');
});

for (const [written, tokenTimeoutMs] of [
  ['500ms', 500],
  ['15s', 15_000],
  ['1m', 60_000],
] as const) {
  test(`tokenTimeout: ${written} is ${tokenTimeoutMs} ms`, async (t) => {
    const { google } = await resolveFile(t, `tokenTimeout: ${written}\n${ROUTES}`);
    assert.equal(google.tokenTimeoutMs, tokenTimeoutMs);
  });
}

for (const written of ['0s', '"0"', 'off', '60001ms', '2m', '-5s', '5']) {
  test(`tokenTimeout: ${written} is refused`, async (t) => {
    await assert.rejects(
      resolveFile(t, `tokenTimeout: ${written}\n${ROUTES}`),
      /^[^\n]*a mistake:\n\nproxy\.yaml:1:15: /,
    );
  });
}

test('caFile starts at the folder of the file, GBP_CA_FILE and --ca-file at the working folder', async (t) => {
  const cwd = writeConfig(t, `caFile: corp.pem\n${ROUTES}`, 'conf/proxy.yaml');
  const find = async (env: Record<string, string>, caFile?: string) => {
    const flags = { config: 'conf/proxy.yaml', ...(caFile !== undefined && { caFile }) };
    return (await resolveConfig({ flags, positionals: [], env, cwd })).caFile;
  };
  assert.equal(await find({}), join(cwd, 'conf', 'corp.pem'));
  const home = join(cwd, 'home');
  const env = { GBP_CA_FILE: '~/env.pem', HOME: home, USERPROFILE: home };
  assert.equal(await find(env), join(home, 'env.pem'));
  assert.equal(await find(env, 'flag.pem'), join(cwd, 'flag.pem'));
  assert.equal(await find(env, '/etc/flag.pem'), resolve('/etc/flag.pem'));
});

test('the environment says what routes of the command line need, without a file', async (t) => {
  const cwd = writeConfig(t, ROUTES);
  const env = { ...UNIVERSE, GBP_CA_FILE: 'corp.pem' };
  const config = await resolveConfig({ flags: {}, positionals: ['emulator:hello'], env, cwd });
  assert.equal(config.google.universeDomain, 'apis-env.goog');
  assert.equal(config.caFile, join(cwd, 'corp.pem'));
});
