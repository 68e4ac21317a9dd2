import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pin } from './cores.ts';

const READY_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

/** A child process held to one core for as long as the bench needs it. */
export interface PinnedProcess {
  readonly pid: number;
  /** The first line on its stdout; our programs print it once they are ready. Throws when they end before that. */
  firstLine(): Promise<string>;
  stop(): Promise<void>;
}

export interface PinnedProcessOptions {
  /** Left out: any core. */
  readonly core?: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** An open file for what it says on stderr; left out: kept, and shown if it fails to start. */
  readonly stderrFd?: number | undefined;
}

const running = new Set<PinnedProcess>();

/** Starts `command`; the process is stopped by its `stop()` or by `stopAll()`, whichever comes first. */
export function startPinned(command: readonly string[], options: PinnedProcessOptions = {}): PinnedProcess {
  const [file = '', ...args] = pin(options.core, command);
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', options.stderrFd ?? 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-4_000);
  });
  const firstLine = new Promise<string>((resolve, reject) => {
    if (child.stdout !== null) createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    exited.then(() => reject(new Error('it ended')));
    setTimeout(reject, READY_TIMEOUT_MS, new Error('no answer')).unref();
  });
  firstLine.catch(() => {}); // not everyone asks for it

  const self: PinnedProcess = {
    pid: child.pid ?? -1,
    firstLine: () =>
      firstLine.catch((cause) => {
        throw new Error(`${command.join(' ')} did not start: ${cause.message}\n${complaint}`, { cause });
      }),
    async stop() {
      running.delete(self);
      if (child.pid === undefined) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
  running.add(self);
  return self;
}

/** Stops whatever is still running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}
