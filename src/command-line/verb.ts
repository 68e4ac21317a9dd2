import type { Argv } from 'yargs';
import type { Io } from '../commands/io.ts';

/** One command line, taken apart as far as that goes without knowing the flags. */
export interface CommandLine {
  /** Our own part of it. */
  readonly own: readonly string[];
  /** What follows two dashes: another program's. */
  readonly command: readonly string[];
  readonly io: Io;
  /** Told the exit code. */
  readonly end: (code: number) => void;
}

/** Adds one command to the parser: its name and what `--help` says, its flags, and how `src/commands/` is called with them. */
export type AddVerb = (parser: Argv, line: CommandLine) => Argv;
