import { stat } from 'node:fs/promises';
import { type CancelTimer, type Clock, elapsedMs, type Instant } from '../clock.ts';

/** The files are looked at this often whatever happens. */
const LOOK_EVERY_MS = 3_000;
/** Least time between two looks, however many requests ask for one. */
const LOOK_GAP_MS = 250;
/** Longest wait for a look: a network drive that is away must not hold up requests. */
const LOOK_TIMEOUT_MS = 500;
/** File times are this coarse in the worst case (FAT), so a file may change once more and look the same. */
const SETTLING_MS = 2_000;
/** More changes than these are told later: a program that rewrites a file all the time must not have us mint all the time. */
const CHANGES_PER_MINUTE = 6;
const MINUTE_MS = 60_000;

const NO_FILES = '[]';

/** What a file looks like from outside: another text when it was written, replaced, removed, made readable. Never rejects. */
export type Fingerprint = (path: string) => Promise<string>;

/** The fingerprint of a real file. One that isn't there, or can't be looked at, has the reason as its fingerprint. */
export const readFingerprint: Fingerprint = async (path) => {
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(path, { bigint: true });
    return [mtimeNs, ctimeNs, size, ino].join(' ');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
  }
};

export interface FileWatchOptions {
  /** Full names of the files; asked before each look, as they may become others. */
  readonly files: () => readonly string[];
  readonly fingerprint: Fingerprint;
  readonly clock: Clock;
  /** A file changed, came into being or vanished since the look before. */
  readonly onChange: () => void;
  /** Nothing changed any more since the last `onChange`: whoever wrote the files is through. */
  readonly onSettled: () => void;
}

/**
 * Looks at the files of a credential now and then, and when somebody needs to know. It compares fingerprints, since the
 * file systems' own notifications differ by platform and don't exist for network drives and files yet to come.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  /** Names and fingerprints at the last look. */
  #seen: string | undefined;
  #lookedAt: Instant | undefined;
  /** When the latest changes were seen. */
  #changes: readonly Instant[] = [];
  #isSettled = true;
  #starting: Promise<void> | undefined;
  /** A look that hasn't begun. */
  #next: Promise<void> | undefined;
  #reading: Promise<void> | undefined;
  #cancelTimer: CancelTimer | undefined;
  #closed = false;

  constructor(options: FileWatchOptions) {
    this.#options = options;
  }

  /**
   * Begins to watch, unless it has begun: what changes from then on is noticed.
   * @returns what to wait for before the files are read; undefined once there is nothing
   */
  start(): Promise<void> | undefined {
    if (this.#cancelTimer === undefined && !this.#closed) {
      this.#scheduleLook();
      if (this.#listFiles()?.length === 0) this.#seen = NO_FILES;
      else
        this.#starting = this.#look().finally(() => {
          this.#starting = undefined;
        });
    }
    return this.#starting;
  }

  /** Resolves after a look that begins after this call, when its changes have been told. Waits a moment at most. */
  look(): Promise<void> {
    const hasNone = this.#seen === NO_FILES && this.#isSettled && this.#listFiles()?.length === 0;
    if (this.#closed || hasNone) return Promise.resolve();
    this.#next ??= this.#lookNext();
    return this.#next;
  }

  /** No look from now on. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  #scheduleLook(): void {
    if (this.#closed) return;
    this.#cancelTimer = this.#options.clock.schedule(LOOK_EVERY_MS, () => {
      this.look();
      this.#scheduleLook();
    });
  }

  async #lookNext(): Promise<void> {
    const { clock } = this.#options;
    const agoMs = this.#lookedAt === undefined ? LOOK_GAP_MS : elapsedMs(this.#lookedAt, clock.now());
    // All who ask in the same turn share a look, also where there is nothing to wait for.
    await (agoMs < LOOK_GAP_MS ? clock.wait(LOOK_GAP_MS - agoMs) : undefined);
    this.#next = undefined;
    // It may have passed a file that changed since.
    if (this.#reading !== undefined) await this.#bound(this.#reading);
    await this.#look();
  }

  #look(): Promise<void> {
    this.#lookedAt = this.#options.clock.now();
    // Never a second one while the first hangs: each holds one of the few threads there are for files.
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#bound(this.#reading);
  }

  #bound(reading: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(LOOK_TIMEOUT_MS, resolve);
      reading.then(resolve).finally(cancel);
    });
  }

  async #read(): Promise<void> {
    const files = this.#listFiles();
    if (files === undefined) return;
    const { fingerprint } = this.#options;
    const seen = JSON.stringify(
      await Promise.all(files.map(async (path) => [path, await fingerprint(path)])),
    );
    if (!this.#closed) this.#compare(seen);
  }

  #compare(seen: string): void {
    const { clock, onChange, onSettled } = this.#options;
    const before = this.#seen;
    const now = clock.now();
    const [earliest] = this.#changes;
    const latest = this.#changes.at(-1);
    if (before === undefined) {
      this.#seen = seen;
    } else if (seen !== before) {
      const tooMany = this.#changes.length >= CHANGES_PER_MINUTE;
      if (tooMany && earliest !== undefined && elapsedMs(earliest, now) < MINUTE_MS) return;
      this.#seen = seen;
      this.#changes = [...this.#changes, now].slice(-CHANGES_PER_MINUTE);
      this.#isSettled = false;
      onChange();
    } else if (!this.#isSettled && latest !== undefined && elapsedMs(latest, now) >= SETTLING_MS) {
      this.#isSettled = true;
      onSettled();
    }
  }

  /** Undefined when the credential doesn't know at the moment. */
  #listFiles(): readonly string[] | undefined {
    try {
      return this.#options.files();
    } catch {
      return undefined;
    }
  }
}
