import type { CancelTimer, Clock } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { createLink, type Handlers, type Link } from './link.ts';
import type { ToPrimary, ToWorker } from './protocol.ts';
import { createRestarts, type Restarts } from './restarts.ts';
import type { ProcessEnd, WorkerProcess } from './spawn.ts';

/** A worker that is at work, or about to be. */
export interface Worker {
  /** From 1; the one that is started in its place has the same. */
  readonly number: number;
  readonly pid: number | undefined;
  readonly link: Link<ToWorker>;
  /** Ends it at once, as one that doesn't answer has to be; another takes its place. */
  kill(): void;
}

/** Something that happened to a worker. */
export type WorkerEvent = { readonly worker: number; readonly pid: number | undefined } & (
  | { readonly type: 'up' }
  /** It is there, and can't take requests; it is ended. */
  | { readonly type: 'failed'; readonly error: unknown }
  /** `restartMs`: when another is started. */
  | (ProcessEnd & { readonly type: 'ended'; readonly restartMs: number })
);

export interface CrewOptions {
  readonly count: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly spawn: () => WorkerProcess;
  /** What is done when it asks. */
  readonly handlers: (worker: () => Worker) => Handlers<ToPrimary>;
  /** Gives a worker all it needs; resolves once it takes requests. */
  readonly begin: (worker: Worker) => Promise<void>;
  /** It takes requests from now on. */
  readonly onUp: (worker: Worker) => void;
  /** It is gone. */
  readonly onGone: (worker: Worker) => void;
  readonly onEvent: (event: WorkerEvent) => void;
}

/** Processes that take requests, and that are started again when they end. */
export interface Crew {
  /**
   * Starts all of them.
   * @throws ProxyError when one can't start; then the others are ended
   */
  start(): Promise<void>;
  /** Those that take requests. */
  running(): readonly Worker[];
  /** How often one was started in place of one that had ended. */
  readonly restarts: number;
  /** None is started from now on. */
  retire(): void;
  /** Lets all of them end; after `GRACE_MS` they are ended. */
  close(): Promise<void>;
}

/** A worker has so long to end by itself. */
const GRACE_MS = 1_000;

interface Place {
  readonly number: number;
  readonly restarts: Restarts;
  process: WorkerProcess | undefined;
  /** While it takes requests. */
  worker: Worker | undefined;
  cancelRestart: CancelTimer | undefined;
}

export function createCrew(options: CrewOptions): Crew {
  const { count, clock, random, spawn, handlers, begin, onUp, onGone, onEvent } = options;
  const places = Array.from({ length: count }, (_, index): Place => {
    const number = index + 1;
    const restarts = createRestarts(clock, random);
    return { number, restarts, process: undefined, worker: undefined, cancelRestart: undefined };
  });
  let isStarted = false;
  let isRetired = false;
  let startError: ProxyError | undefined;
  let restartCount = 0;

  const planRestart = (place: Place): number => {
    const restartMs = place.restarts.onEnd();
    place.cancelRestart = clock.schedule(restartMs, () => {
      restartCount += 1;
      // How it ends is told by event, and then it is started once more.
      open(place).catch(() => {});
    });
    return restartMs;
  };
  /** A machine that has no room for a process may have it later. */
  const spawnFor = (place: Place): WorkerProcess => {
    try {
      return spawn();
    } catch (error) {
      if (isStarted) {
        onEvent({ type: 'failed', worker: place.number, pid: undefined, error });
        planRestart(place);
      }
      throw error;
    }
  };
  /** Resolves once it takes requests; rejects when it can't, and then it has been ended. */
  const open = async (place: Place): Promise<void> => {
    const child = spawnFor(place);
    place.process = child;
    const link = createLink<ToPrimary, ToWorker>(
      child.port,
      handlers(() => worker),
      clock,
    );
    const { number } = place;
    const worker: Worker = { number, pid: child.pid, link, kill: () => child.kill() };
    const ended = child.ended.then((end) => onEnd(place, worker, end));
    try {
      const begun = begin(worker);
      await Promise.race([begun, ended.then((end) => Promise.reject(toStartError(number, end)))]);
    } catch (error) {
      if (isStarted && place.process === child)
        onEvent({ type: 'failed', worker: number, pid: child.pid, error });
      child.kill();
      await ended;
      throw error;
    }
    if (place.process !== child) return;
    place.worker = worker;
    place.restarts.onUp();
    onUp(worker);
    onEvent({ type: 'up', worker: number, pid: child.pid });
  };
  const onEnd = (place: Place, worker: Worker, end: ProcessEnd): ProcessEnd => {
    place.process = undefined;
    place.worker = undefined;
    onGone(worker);
    if (!isStarted) startError ??= toStartError(worker.number, end);
    else if (!isRetired) {
      const { number, pid } = worker;
      onEvent({ type: 'ended', worker: number, pid, ...end, restartMs: planRestart(place) });
    }
    return end;
  };
  const killAll = (): void => {
    for (const { process: child } of places) child?.kill();
  };
  // However this process ends, if it still can do something about it; else each hears that it is alone.
  process.on('exit', killAll);
  const retire = (): void => {
    isRetired = true;
    for (const { cancelRestart } of places) cancelRestart?.();
  };
  const close = async (): Promise<void> => {
    retire();
    for (const { process: child } of places) child?.release();
    const cancel = clock.schedule(GRACE_MS, killAll);
    await Promise.all(places.map(({ process: child }) => child?.ended));
    cancel();
    process.off('exit', killAll);
  };
  return {
    async start() {
      try {
        await Promise.all(places.map(open));
        if (startError !== undefined) throw startError;
        isStarted = true;
      } catch (error) {
        killAll();
        await close();
        throw error;
      }
    },
    running: () => places.flatMap(({ worker }) => (worker === undefined ? [] : [worker])),
    get restarts() {
      return restartCount;
    },
    retire,
    close,
  };
}

function toStartError(number: number, { code, signal }: ProcessEnd): ProxyError {
  return new ProxyError(
    'internal',
    `Worker ${number} ended while it was starting (${signal ?? `exit code ${code}`}).`,
    { hint: 'With --workers 1 the proxy does without other processes.' },
  );
}
