import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { COMMANDS, FLAGS } from '../../src/command-line/mistakes.ts';
import { runCommandLine } from '../../src/command-line/run.ts';
import { createIo } from './config-io.ts';

async function helpOf(...args: string[]): Promise<string> {
  const { io, written } = createIo(tmpdir());
  assert.equal(await runCommandLine([...args, '--help'], io), 0);
  return written.stdout;
}

test('help is a screen: 80 columns and at most 40 lines, with every command in the overview', async () => {
  const overview = await helpOf();
  for (const command of COMMANDS)
    assert.match(overview, new RegExp(`^  gcp-bearer-proxy ${command}\\b`, 'm'));
  for (const args of [[], ...COMMANDS.map((command) => [command])]) {
    const lines = (await helpOf(...args)).trimEnd().split('\n');
    assert.ok(lines.length <= 40, `${args.join()}: ${lines.length} lines`);
    const widest = Math.max(...lines.map((line) => line.length));
    assert.ok(widest <= 80, `${args.join()}: ${widest} columns`);
  }
});

test('every command and flag that help shows is among those a mistyped one is compared with', async () => {
  const shown = [...(await helpOf()).matchAll(/^ {2}gcp-bearer-proxy (\w+)/gm)].map((match) => match[1]);
  assert.deepEqual([...new Set(shown)], [...COMMANDS]);
  const known = new Set<string>([...FLAGS, 'help', 'version']);
  for (const command of COMMANDS) {
    for (const [, flag = ''] of (await helpOf(command)).matchAll(/^ +(?:-\w, )?--([\w-]+)/gm))
      assert.ok(known.has(flag) || known.has(`no-${flag}`), `${command}: --${flag}`);
  }
});

test('help has examples, but for the command that needs none', async () => {
  for (const command of COMMANDS) {
    if (command === 'schema') continue;
    assert.match(await helpOf(command), /^Examples:\n {2}\S/m, command);
  }
});

test('what follows two dashes is for exec alone, and another flag for .env files is explained', async () => {
  const { io } = createIo(tmpdir());
  await assert.rejects(runCommandLine(['/a=emulator:hello', '--', 'npm', 'test'], io), {
    code: 'usage',
    hint: 'gcp-bearer-proxy exec -- npm ...',
  });
  await assert.rejects(runCommandLine(['exec', '/a=emulator:hello'], io), {
    code: 'usage',
    message: /no command to run/,
  });
  await assert.rejects(runCommandLine(['start', '--env-file', '.env'], io), {
    code: 'usage',
    hint: 'Write --dotenv FILE.',
  });
  for (const wrong of ['0', 'soon', '5'])
    await assert.rejects(runCommandLine(['wait', '--timeout', wrong], io), {
      code: 'usage',
      message: /--timeout/,
    });
});
