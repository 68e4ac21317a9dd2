import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startChild } from '../../src/commands/child.ts';
import { type ExecOptions, runExec } from '../../src/commands/exec.ts';
import { createFolder } from '../config/resolve-file.ts';
import { createIo } from './config-io.ts';

const hasSignals = process.platform !== 'win32';
const start = (command: string, args: readonly string[] = [], cwd = '.') =>
  startChild({ command, args, env: process.env, cwd }).ended;

test('a command that can’t be run is 127 or 126 with a sentence', async (t) => {
  const cwd = createFolder(t);
  await assert.rejects(start('no-such-program-here'), {
    exitCode: 127,
    message: 'There is no program "no-such-program-here".',
  });
  if (!hasSignals) return;
  writeFileSync(join(cwd, 'notes'), 'not a program', { mode: 0o644 });
  await assert.rejects(start('./notes', [], cwd), {
    exitCode: 126,
    message: '"./notes" can\'t be run (EACCES).',
  });
});

test('a command that a signal ends is 128 and its number', {
  skip: !hasSignals && 'no signals on Windows',
}, async () => {
  assert.equal(await start(process.execPath, ['-e', "process.kill(process.pid, 'SIGKILL')"]), 137);
});

/** Runs a command that would leave a file behind; and makes sure that it didn't. */
async function execInVain(t: TestContext, options: Partial<ExecOptions>) {
  const cwd = createFolder(t);
  const ran = join(cwd, 'ran');
  const { io, written } = createIo(cwd, { GOOGLE_APPLICATION_CREDENTIALS: join(cwd, 'none.json') });
  const failure: unknown = await runExec(
    {
      flags: {},
      positionals: [],
      command: [process.execPath, '-e', `require('node:fs').writeFileSync(${JSON.stringify(ran)}, '')`],
      commandEnv: {},
      env: [],
      readyTimeoutMs: 30_000,
      checkUpstreams: false,
      verbose: false,
      emulate: false,
      local: [],
      ...options,
    },
    io,
  ).catch((error: unknown) => error);
  assert.ok(failure instanceof Error && 'exitCode' in failure);
  assert.equal(existsSync(ran), false);
  assert.equal(written.stdout, '');
  return failure;
}

test('without a token the command never runs, at once where waiting is in vain, and each route has its reason', async (t) => {
  const positionals = ['/a=https://a-abc-an.a.run.app', '/b=https://b-abc-an.a.run.app', '/c=emulator:hello'];
  const { message, exitCode } = await execInVain(t, { positionals });
  assert.equal(exitCode, 4);
  assert.match(
    message,
    /^Not ready, so the command was not run:\n {2}\/a: .*none\.json.*\n {2}\/b: .*none\.json.*$/,
  );
});

test('with check-upstreams one that doesn’t answer in time is exit 1, and the command never runs', async (t) => {
  const { message, exitCode } = await execInVain(t, {
    positionals: ['/a=emulator:hello', '/b=emulator:hello'],
    local: ['/b=http://127.0.0.1:1'],
    checkUpstreams: true,
    readyTimeoutMs: 2_000,
  });
  assert.equal(exitCode, 1);
  assert.match(
    message,
    /^Not ready after 2 s, so the command was not run:\n {2}\/b: its upstream answers 502$/,
  );
});

test('names of configured routes exec takes, and those it doesn’t have it names', async (t) => {
  const { message, exitCode } = await execInVain(t, {
    positionals: ['/a=emulator:hello'],
    env: ['A_URL=/b'],
  });
  assert.deepEqual([exitCode, message], [2, '--env A_URL=/b names no route.']);
});
