import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { resolveFile } from './resolve-file.ts';

const ACCOUNT = 'runner@my-project.iam.gserviceaccount.com';

function resolveCredentials(t: TestContext, credentials: string, routeLines = ''): Promise<Config> {
  return resolveFile(
    t,
    `credentials: ${credentials}\nroutes: [{ path: /, upstream: emulator:hello${routeLines} }]\n`,
  );
}

test('an impersonation stands on default unless it says otherwise', async (t) => {
  const { credentials } = await resolveCredentials(
    t,
    `{ r: { kind: impersonate, account: ${ACCOUNT} } }`,
    ', credentials: r',
  );
  assert.deepEqual(credentials, {
    default: { kind: 'adc' },
    r: { kind: 'impersonate', account: ACCOUNT, source: 'default', delegates: [] },
  });
});

test('an impersonation that is the default stands on adc, which is there then', async (t) => {
  const { credentials } = await resolveCredentials(
    t,
    `{ default: { kind: impersonate, account: ${ACCOUNT} } }`,
  );
  assert.deepEqual(credentials, {
    adc: { kind: 'adc' },
    default: { kind: 'impersonate', account: ACCOUNT, source: 'adc', delegates: [] },
  });
});

test('an impersonation names its source and the accounts in between', async (t) => {
  const { credentials } = await resolveCredentials(
    t,
    `{ ci: { kind: metadata }, r: { kind: impersonate, account: ${ACCOUNT}, source: ci, delegates: [a@b.example.com] } }`,
    ', credentials: r',
  );
  assert.deepEqual(credentials.ci, { kind: 'metadata', account: 'default' });
  assert.deepEqual(credentials.r, {
    kind: 'impersonate',
    account: ACCOUNT,
    source: 'ci',
    delegates: ['a@b.example.com'],
  });
});

test('a chain of impersonations is fine as long as it ends', async (t) => {
  const chain = ['a', 'b', 'c'].map((name, index) => {
    return `${name}: { kind: impersonate, account: ${ACCOUNT}, source: ${['b', 'c', 'default'][index]} }`;
  });
  const config = await resolveCredentials(t, `{ ${chain.join(', ')} }`, ', credentials: a');
  assert.deepEqual(config.warnings, []);
});

test('credentials nobody uses are warned about', async (t) => {
  const { warnings } = await resolveCredentials(t, '{ default: { kind: adc }, spare: { kind: metadata } }');
  assert.deepEqual(
    warnings.map((warning) => warning.message),
    ['No route uses the credentials `spare`.'],
  );
});

test('names every object has are not the names of credentials', async (t) => {
  for (const name of ['constructor', 'toString', '__proto__']) {
    await assert.rejects(
      resolveCredentials(t, '{}', `, credentials: ${name}`),
      new RegExp(`named "${name}"`),
    );
  }
});
