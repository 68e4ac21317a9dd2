import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createCredentials } from '../../../src/auth/credentials/index.ts';
import { systemClock } from '../../../src/clock.ts';
import type { CredentialConfig } from '../../../src/config/config.ts';
import { impersonate } from './setting.ts';

test('credentials that don’t exist, or are their own source, are mistakes in the configuration', () => {
  const options = { endpoints: {}, env: {}, clock: systemClock };
  const make = (configs: Record<string, CredentialConfig>) => () => createCredentials(configs, options);
  assert.throws(make({ a: impersonate('x', 'b') }), {
    code: 'config_invalid',
    message: /no credentials named "b"/,
  });
  assert.throws(make({ a: impersonate('x', 'constructor') }), { code: 'config_invalid' });
  assert.throws(make({ a: impersonate('x', 'b'), b: impersonate('y', 'a') }), { message: /a -> b -> a\.$/ });
});

test('credentials keep the order and the names they were given', () => {
  const configs: Record<string, CredentialConfig> = {
    acting: impersonate('x', 'default'),
    default: { kind: 'adc' },
    nobody: { kind: 'none' },
  };
  const made = createCredentials(configs, { endpoints: {}, env: {}, clock: systemClock });
  assert.deepEqual(Object.keys(made), ['acting', 'default', 'nobody']);
});

test('google-auth-library is not loaded before the first mint', async () => {
  const module = new URL('../../../src/auth/credentials/index.ts', import.meta.url).href;
  const script = `
    const { createRequire } = await import('node:module');
    const { createCredentials } = await import('${module}');
    createCredentials({ default: { kind: 'adc' } }, { endpoints: {}, env: {}, clock: {} });
    console.log(Object.keys(createRequire('${module}').cache).length);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout.trim(), '0');
});
