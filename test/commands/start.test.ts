import assert from 'node:assert/strict';
import { rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Io } from '../../src/commands/io.ts';
import { runStart, type StartOptions } from '../../src/commands/start.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { createFolder } from '../support/stack.ts';
import { createIo } from './config-io.ts';

const toYaml = (path: string): string =>
  `credentials: { default: { kind: none } }\nroutes: [{ path: ${path}, upstream: "https://a.run.app" }]\n`;

interface Running {
  readonly clock: FakeClock;
  readonly folder: string;
  readonly file: string;
  readonly written: { readonly stderr: string };
  readonly exit: Promise<number>;
  stop(): Promise<number>;
  hangUp(): void;
  /** Lets time pass until stderr holds a text as often as that. */
  seen(text: string, times?: number): Promise<void>;
  /** Lets a minute pass, in which the files are looked at again and again. */
  wait(): Promise<void>;
}

/** The command in this process, with a file and a clock of the test's. */
async function start(t: TestContext, options: Partial<StartOptions> = {}): Promise<Running> {
  const folder = await createFolder(t);
  const file = join(folder, 'proxy.yaml');
  await writeFile(file, toYaml('/one'));
  const clock = new FakeClock();
  const stopping = new AbortController();
  let hangUp = (): void => {};
  const { io, written } = createIo(folder);
  const all: Io = {
    ...io,
    clock,
    stop: stopping.signal,
    onHangup(run) {
      hangUp = run;
    },
  };
  const exit = runStart(
    {
      flags: { port: 0, admin: 'off' },
      routes: [],
      jsonReady: true,
      portFile: undefined,
      quiet: false,
      emulate: false,
      local: [],
      ...options,
    },
    all,
  );
  const stop = async (): Promise<number> => {
    stopping.abort('SIGTERM');
    return exit;
  };
  t.after(stop);
  const seen = async (text: string, times = 1): Promise<void> => {
    while (written.stderr.split(text).length <= times) await clock.advance(250);
  };
  while (written.stdout === '') await setImmediate();
  // The first look is over, so that a change is one.
  await clock.advance(4_000);
  return {
    clock,
    folder,
    file,
    written,
    exit,
    stop,
    hangUp: () => hangUp(),
    seen,
    async wait() {
      for (let i = 0; i < 240; i += 1) await clock.advance(250);
    },
  };
}

test('R66: a file that is written, replaced, or led to elsewhere is read again', async (t) => {
  const { file, folder, seen, written } = await start(t);
  await writeFile(file, toYaml('/two'));
  await seen('Reloaded (a file has changed): route /one removed; route /two added.');
  // As editors do.
  await writeFile(join(folder, 'draft'), toYaml('/three'));
  await rename(join(folder, 'draft'), file);
  await seen('route /three added.');
  // As a volume of Kubernetes does.
  await writeFile(join(folder, 'first'), toYaml('/four'));
  await writeFile(join(folder, 'second'), toYaml('/five'));
  await symlink('first', join(folder, 'link'));
  await rename(join(folder, 'link'), file);
  await seen('route /four added.');
  await symlink('second', join(folder, 'link'));
  await rename(join(folder, 'link'), file);
  await seen('route /five added.');
  assert.equal(written.stderr.split('Reloaded').length, 5);
});

test('R66: a file that is half written, or away for a moment, costs no route', async (t) => {
  const { clock, file, seen, written } = await start(t);
  // Less than half a second in all: whenever in it somebody looks, what is seen is not read yet.
  await writeFile(file, toYaml('/two'));
  await clock.advance(200);
  await unlink(file);
  await clock.advance(200);
  await writeFile(file, toYaml('/three'));
  await seen('route /three added.');
  assert.doesNotMatch(written.stderr, /\/two|Not reloaded/);
});

test('R66: a mistake is said once, with its place, and mended by the next change', async (t) => {
  const { file, seen, wait, written } = await start(t);
  await writeFile(file, 'routes: [{ path: /, upstrm: x }]');
  await seen('Not reloaded (a file has changed)');
  await wait();
  assert.equal(written.stderr.split('Not reloaded').length, 2);
  assert.match(written.stderr, /proxy\.yaml:1:21: /);
  await writeFile(file, toYaml('/two'));
  await seen('route /two added.');
});

test('R66: what doesn’t change anything is not worth a line, unless somebody asked', async (t) => {
  const { file, hangUp, seen, wait, written } = await start(t);
  await writeFile(file, `# a comment\n${toYaml('/one')}`);
  await wait();
  assert.doesNotMatch(written.stderr, /eloaded/);
  hangUp();
  await seen('Reloaded (SIGHUP): nothing has changed.');
});

test('R66: with --no-watch only who asks has the file read', async (t) => {
  const { file, hangUp, seen, wait, written } = await start(t, { watch: false });
  await writeFile(file, toYaml('/two'));
  await wait();
  assert.doesNotMatch(written.stderr, /eloaded/);
  hangUp();
  await seen('route /two added.');
});

test('R65: --max-lifetime ends it by itself, with 0', async (t) => {
  const { clock, exit, written } = await start(t, { lifetime: { maxLifetime: '55m' } });
  await clock.advance(55 * 60_000 - 4_001);
  assert.doesNotMatch(written.stderr, /Stopping/);
  await clock.advance(1);
  assert.equal(await exit, 0);
  assert.match(written.stderr, /Stopping \(--max-lifetime\)/);
});

test('R65: SIGTERM is 143, and nothing of the clock is left', async (t) => {
  const { clock, stop } = await start(t, { lifetime: { maxLifetime: '55m' } });
  assert.equal(await stop(), 143);
  assert.equal(clock.pending, 0);
});
