import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import type { Io } from '../commands/io.ts';
import { isProxyError } from '../errors.ts';
import { redactSecrets } from '../observe/redact.ts';
import { guardProcess } from './guard.ts';
import { runCommandLine } from './run.ts';

/** Reads the command line, runs the command and ends the process with its exit code. The only place that exits. */
export async function main(): Promise<void> {
  guardProcess();
  const code = await runCommandLine(process.argv.slice(2), createIo()).catch((error: unknown) => {
    process.stderr.write(renderFailure(error));
    return isProxyError(error) ? error.exitCode : 1;
  });
  // What is still open now (a keep-alive socket, say) is of no more use; what was written has to be out first.
  process.stdout.write('', () => process.exit(code));
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The process as the commands see it. */
function createIo(): Io {
  const controller = new AbortController();
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(128 + constants.signals[signal]);
    controller.abort(signal);
  };
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    terminal: process.stderr.isTTY === true,
    colour: process.stderr.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
    interactive: process.stdin.isTTY === true,
    hearSignals(listener) {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
    get stop() {
      // Only commands that ask are stopped gently; the others end at the first signal, as programs do.
      if (process.listenerCount('SIGINT') === 0) {
        process.on('SIGINT', onSignal);
        process.on('SIGTERM', onSignal);
      }
      return controller.signal;
    },
    onHangup(run) {
      const hadTerminal = process.stdin.isTTY || process.stderr.isTTY;
      process.on('SIGHUP', () => {
        if (IS_WINDOWS || (hadTerminal && !hasTerminal())) onSignal('SIGHUP');
        else run();
      });
    },
  };
}

/** There SIGHUP says that the console is being closed, and nothing else does. */
const IS_WINDOWS = process.platform === 'win32';

/** Whether the terminal this was started from is still there. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

function renderFailure(error: unknown): string {
  if (!isProxyError(error)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `gcp-bearer-proxy: unexpected error\n${redactSecrets(text)}\n`;
  }
  return `gcp-bearer-proxy: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`;
}
