import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const CLI = join(ROOT, 'src', 'cli.ts');

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly output: { stdout: string; stderr: string };
  /** The first line of stdout, parsed: `--json-ready`. Rejects with all output if the process ends before. */
  ready<T>(): Promise<T>;
  /** Resolves once stderr holds the text. */
  seen(text: string): Promise<void>;
  /** Asks it to stop as Ctrl-C does, and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<CliResult>;
  /** Its end, however it comes. */
  readonly ended: Promise<CliResult>;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For Node itself. */
  readonly nodeArgs?: readonly string[];
  /** With a channel for messages. */
  readonly ipc?: boolean;
}

/** Starts the program from its sources with a bare environment; ended with the test if it hasn't ended itself. */
export function startCli(
  t: Pick<TestContext, 'after'>,
  args: readonly string[],
  options: CliOptions = {},
): RunningCli {
  const { nodeArgs = [], ipc = false } = options;
  const { PATH, HOME, USERPROFILE, SystemRoot, TEMP, TMPDIR } = process.env;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', ...nodeArgs, CLI, ...args],
    {
      cwd: options.cwd ?? ROOT,
      env: {
        PATH,
        HOME,
        USERPROFILE,
        SystemRoot,
        TEMP,
        TMPDIR,
        NO_COLOR: '1',
        GBP_ADMIN: '127.0.0.1:0',
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    },
  ) as ChildProcessByStdio<null, Readable, Readable>;
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const until = async (stream: 'stdout' | 'stderr', isThere: () => boolean): Promise<void> => {
    while (!isThere()) {
      const end = await Promise.race([once(child[stream], 'data').then(() => undefined), ended]);
      if (end !== undefined && !isThere())
        throw new Error(`ended with ${end.code} before that\n${end.stdout}${end.stderr}`);
    }
  };
  return {
    child,
    output,
    ended,
    async ready<T>() {
      await until('stdout', () => output.stdout.includes('\n'));
      return JSON.parse(output.stdout.split('\n', 1)[0] ?? '') as T;
    },
    seen: (text) => until('stderr', () => output.stderr.includes(text)),
    async stop(signal = 'SIGINT') {
      child.kill(signal);
      return ended;
    },
  };
}

/** Runs the program to its end. */
export function runCli(
  t: TestContext,
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  return startCli(t, args, options).ended;
}
