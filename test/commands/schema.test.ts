import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runSchema } from '../../src/commands/schema.ts';
import { createFolder } from '../config/resolve-file.ts';
import { createIo } from './config-io.ts';

test('schema prints the JSON Schema, and --output writes the same into a file', async (t) => {
  const cwd = createFolder(t);
  const { io, written } = createIo(cwd);
  assert.equal(await runSchema({}, io), 0);
  assert.equal(JSON.parse(written.stdout).title, 'gcp-bearer-proxy configuration');
  assert.ok(written.stdout.endsWith('}\n'));

  const printed = written.stdout;
  assert.equal(await runSchema({ output: 'proxy.schema.json' }, io), 0);
  assert.equal(readFileSync(join(cwd, 'proxy.schema.json'), 'utf8'), printed);
  assert.equal(written.stdout, printed);
});

test('schema says where it could not write', async (t) => {
  const { io } = createIo(createFolder(t));
  await assert.rejects(runSchema({ output: join('nowhere', 'proxy.schema.json') }, io), {
    code: 'usage',
    exitCode: 2,
  });
});
