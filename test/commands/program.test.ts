import assert from 'node:assert/strict';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../../src/commands/program.ts';

const TOOLS = join('C', 'tools');
const WINDOWS = {
  env: { path: [join('C', 'none'), TOOLS].join(delimiter), Pathext: '.EXE;.CMD', COMSPEC: 'C:\\cmd.exe' },
  cwd: join('C', 'work'),
  platform: 'win32',
  isThere: (file: string) => [join(TOOLS, 'npm.CMD'), join(TOOLS, 'node.EXE')].includes(file),
} as const;

test('a program is started as it is named, without a shell', () => {
  const args = ['a b', '$(id)', '&', ''];
  const found = findProgram({ command: 'npm', args, env: {}, cwd: '/', platform: 'linux' });
  assert.deepEqual(found, { file: 'npm', args, verbatim: false });
});

test('on Windows a program is found by its endings, and gets its arguments as they are', () => {
  const args = ['-e', '"%PATH%"'];
  assert.deepEqual(findProgram({ ...WINDOWS, command: 'node', args }), {
    file: join(TOOLS, 'node.EXE'),
    args,
    verbatim: false,
  });
});

test('on Windows a batch file such as npm.cmd is run by the interpreter, each argument in quotation marks', () => {
  const args = ['test', 'a & calc', 'C:\\end\\', '(x)^|<>'];
  assert.deepEqual(findProgram({ ...WINDOWS, command: 'npm', args }), {
    file: 'C:\\cmd.exe',
    args: ['/d', '/s', '/c', `""${join(TOOLS, 'npm.CMD')}" "test" "a & calc" "C:\\end\\\\" "(x)^|<>""`],
    verbatim: true,
  });
});

test('on Windows what the interpreter would expand or end a line at is refused, not escaped', () => {
  for (const argument of ['%PATH%', 'a"b', 'one\ntwo', 'hi!']) {
    assert.throws(() => findProgram({ ...WINDOWS, command: 'npm', args: [argument] }), {
      code: 'usage',
      message: /npm is a batch file/,
    });
  }
});

test('on Windows nothing is taken from the working folder unless a path is given', () => {
  const isThere = (file: string) => file.endsWith('evil.EXE');
  const found = findProgram({ ...WINDOWS, isThere, env: { Path: '' }, command: 'evil', args: [] });
  assert.equal(found.file, 'evil');
});
