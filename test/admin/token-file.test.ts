import assert from 'node:assert/strict';
import { link, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { writeAdminToken } from '../../src/admin/token-file.ts';
import { createFolder } from '../support/stack.ts';

const isWindows = process.platform === 'win32';

test('R10: each launch has a random token of 32 bytes in a file for its user alone, and nothing else is left there', async (t) => {
  const folder = await createFolder(t);
  const file = join(folder, 'admin.token');
  const first = await writeAdminToken(file);
  const firstToken = (await readFile(file, 'utf8')).trimEnd();
  assert.match(await readFile(file, 'utf8'), /^[\w-]{43}\n$/);
  if (!isWindows) assert.equal((await lstat(file)).mode & 0o777, 0o600);
  const second = await writeAdminToken(file);
  const secondToken = (await readFile(file, 'utf8')).trimEnd();
  assert.notEqual(firstToken, secondToken);
  assert.deepEqual([firstToken, secondToken, `${secondToken} `, '', 'x'].map(second.isToken), [
    false,
    true,
    false,
    false,
    false,
  ]);
  assert.deepEqual(await readdir(folder), ['admin.token']);
  assert.ok(!inspect(second, { depth: 9, showHidden: true }).includes(secondToken));

  await first.remove();
  assert.deepEqual(await readdir(folder), ['admin.token'], 'the file is the second launch’s by now');
  await second.remove();
  assert.deepEqual(await readdir(folder), []);
  await second.remove();
});

test('R10: only a token of an earlier launch is replaced', async (t) => {
  const folder = await createFolder(t);
  const [key, odd, empty] = ['key.json', 'odd', 'empty'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(key, '{"type":"service_account"}');
  await writeFile(odd, `${'x'.repeat(42)}!\n`);
  await writeFile(empty, '');
  for (const file of [key, odd]) {
    const before = await readFile(file, 'utf8');
    await assert.rejects(writeAdminToken(file), {
      code: 'token_file_unusable',
      message: /holds something that is no token of an earlier launch/,
      hint: /isn’t there yet/,
    });
    assert.equal(await readFile(file, 'utf8'), before);
  }
  await mkdir(join(folder, 'there'));
  await assert.rejects(writeAdminToken(join(folder, 'there')), { message: /is not a file\./ });
  await writeAdminToken(empty);
  assert.deepEqual((await readdir(folder)).toSorted(), ['empty', 'key.json', 'odd', 'there']);
});

test('R10: a link is neither followed nor replaced, wherever it leads', async (t) => {
  const folder = await createFolder(t);
  const old = join(folder, 'old.token');
  await writeAdminToken(old);
  const before = await readFile(old, 'utf8');
  for (const [name, target] of Object.entries({ toToken: old, toNothing: join(folder, 'nothing') })) {
    const file = join(folder, name);
    await symlink(target, file);
    await assert.rejects(writeAdminToken(file), { code: 'token_file_unusable', message: /is a link\./ });
  }
  assert.equal(await readFile(old, 'utf8'), before);
  assert.deepEqual((await readdir(folder)).toSorted(), ['old.token', 'toNothing', 'toToken']);

  // A second name of one file keeps what it had: the name is replaced, not the content.
  const copy = join(folder, 'copy');
  await link(old, copy);
  await writeAdminToken(old);
  assert.equal(await readFile(copy, 'utf8'), before);
});

test('a folder that is not there is named', async (t) => {
  const file = join(await createFolder(t), 'nowhere', 'admin.token');
  await assert.rejects(writeAdminToken(file), (error) => {
    assert.ok(error instanceof Error);
    assert.ok(error.message.includes(file));
    assert.match(error.message, /can't be written \(ENOENT\)\.$/);
    return true;
  });
});
