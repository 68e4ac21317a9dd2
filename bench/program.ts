import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pin } from './cores.ts';
import { type PinnedProcess, startPinned } from './pinned-process.ts';

const run = promisify(execFile);

/** Whatever a program measures ends by itself long before; one that hangs must not hang the bench. */
const GIVE_UP_MS = 120_000;

export interface ProgramOptions {
  /** Left out: any core. */
  readonly core?: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

/** A program of `programs/` that serves. */
export interface Serving {
  readonly url: string;
  readonly process: PinnedProcess;
}

/**
 * Runs a program of `programs/` to its end.
 *
 * @param task its only argument, as JSON
 * @returns what it printed, which is JSON
 * @throws when it fails, with what it said on stderr
 */
export async function runProgram<T>(
  file: string,
  task: object,
  { core, env = {} }: ProgramOptions,
): Promise<T> {
  const [command = '', ...args] = pin(core, toCommand(file, task));
  const options = { timeout: GIVE_UP_MS, env: { ...process.env, ...env } };
  return JSON.parse((await run(command, args, options)).stdout);
}

/** Starts a program of `programs/` that serves until it is stopped, and waits until it does. */
export async function startProgram(file: string, task: object, options: ProgramOptions): Promise<Serving> {
  const server = startPinned(toCommand(file, task), options);
  const { url } = JSON.parse(await server.firstLine());
  return { url, process: server };
}

function toCommand(file: string, task: object): string[] {
  return [process.execPath, join(import.meta.dirname, 'programs', file), JSON.stringify(task)];
}
