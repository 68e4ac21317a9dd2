import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { ProxyError } from '../errors.ts';
import { findProgram } from './program.ts';

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

export interface Child {
  /** Resolves with its exit code: 128 + n when signal n ended it. Rejects when it can't be started. */
  readonly ended: Promise<number>;
  /** Passes a signal on. */
  signal(signal: NodeJS.Signals): void;
}

/**
 * Starts a command that has our terminal, our files and no shell.
 * @throws ProxyError `usage` as `findProgram`; `ended` rejects with `command_not_found` (127) and `command_not_run` (126)
 */
export function startChild({ command, args, env, cwd }: ChildOptions): Child {
  const program = findProgram({ command, args, env, cwd, platform: process.platform });
  const child = spawn(program.file, program.args, {
    cwd,
    env: { ...env },
    stdio: 'inherit',
    windowsVerbatimArguments: program.verbatim,
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(toStartError(command, error)));
    child.once('exit', (code, signal) => resolve(toExitCode(code, signal)));
  });
  return { ended, signal: (signal) => void child.kill(signal) };
}

/** The shell's number for an end by a signal is 128 + n. */
export function toExitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

function toStartError(command: string, cause: NodeJS.ErrnoException): ProxyError {
  if (cause.code === 'ENOENT') {
    return new ProxyError('command_not_found', `There is no program ${JSON.stringify(command)}.`, {
      cause,
      hint: 'What follows -- is a program and its arguments, without a shell: for more, sh -c "...".',
    });
  }
  return new ProxyError(
    'command_not_run',
    `${JSON.stringify(command)} can't be run (${cause.code ?? 'unknown'}).`,
    {
      cause,
      hint:
        cause.code === 'EACCES' ? 'Is it a program, and may you run it? chmod +x makes it one.' : undefined,
    },
  );
}
