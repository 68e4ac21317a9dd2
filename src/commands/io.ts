import type { Writable } from 'node:stream';
import type { Clock } from '../clock.ts';

/** What a command may touch of the world outside; tests give their own. */
export interface Io {
  /** For data only: what a script would read. */
  readonly stdout: Writable;
  /** For everything else. */
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether a person reads stderr: it is a terminal. */
  readonly terminal: boolean;
  /** Whether that terminal takes colours (respects `NO_COLOR`). */
  readonly colour: boolean;
  /** Aborted when the user asks to stop (Ctrl-C, SIGTERM); the reason is the signal's name. */
  readonly stop: AbortSignal;
  /**
   * Hears SIGINT, SIGTERM and SIGHUP as often as they come, in place of `stop`; none of them ends the program then.
   * @returns stops hearing
   */
  hearSignals(listener: (signal: NodeJS.Signals) => void): () => void;
  /**
   * Calls back at each SIGHUP, which ends the process where nobody asked for this. Left out: there is no such thing. When
   * it comes because the terminal is gone, it is a reason to `stop`.
   */
  onHangup?(run: () => void): void;
  /** Whether somebody types: their Ctrl-C reaches every program in the terminal's foreground. */
  readonly interactive: boolean;
  /** The machine's own if left out. */
  readonly clock?: Clock;
}
