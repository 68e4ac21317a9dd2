import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadDotenv } from '../../src/commands/dotenv.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createFolder } from '../support/stack.ts';
import { createIo } from './config-io.ts';

test('a .env file adds to the environment and overrides nothing of it, nor of an earlier file', async (t) => {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, '.env'), '# ours\nA=1\nB="two words"\nEMPTY=x\nC=3 # remark\n');
  await writeFile(join(cwd, 'more.env'), 'A=9\nD=4\n');
  const env = { B: 'mine', EMPTY: '' };
  const { io } = createIo(cwd, env);
  const loaded = await loadDotenv(['.env', 'more.env'], io);
  assert.deepEqual(loaded.env, { A: '1', B: 'mine', EMPTY: '', C: '3', D: '4' });
  assert.equal(loaded.stdout, io.stdout);
  assert.deepEqual(env, { B: 'mine', EMPTY: '' });
  await assert.rejects(loadDotenv(['none.env'], io), { code: 'config_not_found', exitCode: 3 });
});

test('R25: certificates are verified whatever a .env file says', async (t) => {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, '.env'), 'NODE_TLS_REJECT_UNAUTHORIZED=0\n');
  const { env } = await loadDotenv(['.env'], createIo(cwd).io);
  await assert.rejects(resolveConfig({ flags: {}, positionals: ['emulator:hello'], env, cwd }), {
    code: 'unsafe_environment',
  });
});
