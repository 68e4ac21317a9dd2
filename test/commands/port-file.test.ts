import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPortFile } from '../../src/commands/port-file.ts';
import { createFolder } from '../support/stack.ts';

test('a port file is there while the port is, and what an earlier run left is gone at once', async (t) => {
  const dir = await createFolder(t);
  const file = join(dir, 'port');
  await writeFile(file, '4711\n');
  const port = await openPortFile('port', dir);
  assert.equal(existsSync(file), false);
  await port.write(8123);
  assert.equal(await readFile(file, 'utf8'), '8123\n');
  assert.deepEqual(await readdir(dir), ['port'], 'nothing half done beside it');
  port.remove();
  assert.equal(existsSync(file), false);
});

test('no file of somebody else is taken for a port file', async (t) => {
  const dir = await createFolder(t);
  await writeFile(join(dir, 'notes'), 'of mine');
  await assert.rejects(openPortFile('notes', dir), { code: 'usage', message: /notes already/ });
  assert.equal(await readFile(join(dir, 'notes'), 'utf8'), 'of mine');
  await assert.rejects(openPortFile('.', dir), { code: 'usage' });
  const nowhere = await openPortFile('no/such/folder/port', dir);
  await assert.rejects(nowhere.write(1), { code: 'usage', message: /no\/such\/folder\/port \(ENOENT\)/ });
});
