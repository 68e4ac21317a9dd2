import { Writable } from 'node:stream';
import type { Io } from '../../src/commands/io.ts';

/** An `Io` that keeps what was written. */
export function createIo(
  cwd: string,
  env: Io['env'] = {},
): {
  readonly io: Io;
  readonly written: { stdout: string; stderr: string };
} {
  const written = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const stop = new AbortController().signal;
  return {
    io: {
      stdout: into('stdout'),
      stderr: into('stderr'),
      env,
      cwd,
      terminal: false,
      colour: false,
      stop,
      hearSignals: () => () => {},
      interactive: false,
    },
    written,
  };
}
