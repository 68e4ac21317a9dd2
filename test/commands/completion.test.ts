import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommandLine } from '../../src/command-line/run.ts';
import { runCompletion, SHELLS, type Shell } from '../../src/commands/completion.ts';
import { createFolder, writeConfig } from '../config/resolve-file.ts';
import { createIo } from './config-io.ts';

/** A route whose name a shell would run, if it expanded it. */
const ROUTES = `routes:
  - { path: /orders, upstream: emulator:hello }
  - { path: '/o$(id)', upstream: emulator:hello }
  - { host: shop.localhost, upstream: emulator:hello }
`;

async function complete(t: TestContext, ...words: string[]): Promise<string[]> {
  const { io, written } = createIo(writeConfig(t, ROUTES));
  assert.equal(await runCommandLine(['--get-yargs-completions', 'gcp-bearer-proxy', ...words], io), 0);
  return written.stdout.split('\n').slice(0, -1);
}

test('what could follow is asked of the program: commands, flags, choices, routes', async (t) => {
  const commands = await complete(t, '');
  for (const command of ['start', 'exec', 'wait', 'completion'])
    assert.ok(commands.includes(command), command);
  const flags = await complete(t, 'exec', '--');
  for (const flag of ['--env', '--emulate', '--local', '--dotenv']) assert.ok(flags.includes(flag), flag);
  assert.ok((await complete(t, '--po')).includes('--port-file'), 'flags of start need no command');
  assert.ok((await complete(t, 'completion', '')).includes('fish'));
  assert.deepEqual((await complete(t, 'exec', '/')).slice(0, 2), ['/orders', '/o$(id)']);
  assert.ok((await complete(t, 'check', 'sh')).includes('shop.localhost'));
});

test('nothing is completed where another program’s words or a file’s name stand', async (t) => {
  assert.deepEqual(await complete(t, 'exec', '--', 'npm', ''), []);
  assert.deepEqual(await complete(t, 'exec', '--config', ''), []);
});

function scriptOf(shell: Shell): string {
  const { io, written } = createIo('/');
  assert.equal(runCompletion(shell, io), 0);
  return written.stdout;
}

test('every shell has a script that asks the program and hands on what was typed', () => {
  for (const shell of SHELLS) {
    const script = scriptOf(shell);
    assert.match(script, /gcp-bearer-proxy --get-yargs-completions/);
    assert.doesNotMatch(script, /compgen -W|\beval\b|\$\{(?:current|word)\}/, 'nothing expands a name twice');
  }
});

/** A folder with a program of our name that always offers these words. */
function installWords(t: TestContext, words: readonly string[]): string {
  const folder = createFolder(t);
  const program = join(folder, 'gcp-bearer-proxy');
  writeFileSync(program, `#!/bin/sh\ncat <<'END'\n${words.join('\n')}\nEND\n`);
  chmodSync(program, 0o755);
  return folder;
}

const hasBash = process.platform !== 'win32' && spawnSync('bash', ['--version']).status === 0;

test('bash completes from them, and runs nothing that a route is called', {
  skip: !hasBash && 'no bash here',
}, (t) => {
  const folder = installWords(t, ['/orders', '/o$(touch proof)', 'shop.localhost']);
  const script = `${scriptOf('bash')}
COMP_WORDS=(gcp-bearer-proxy exec /o) COMP_CWORD=2
_gcp_bearer_proxy
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const stdout = execFileSync('bash', ['--norc', '-c', script], {
    cwd: folder,
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    encoding: 'utf8',
  });
  assert.deepEqual(stdout.trimEnd().split('\n'), ['/orders', '/o\\$\\(touch\\ proof\\)']);
  assert.equal(existsSync(join(folder, 'proof')), false);
});

for (const [shell, args] of [
  ['zsh', ['-n']],
  ['fish', ['--no-execute']],
] as const) {
  // Where the shell isn't, its script is only looked at, above.
  if (spawnSync(shell, ['--version']).status !== 0) continue;
  test(`${shell} can read its script`, () => {
    const { status, stderr } = spawnSync(shell, args, { input: scriptOf(shell), encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
}
