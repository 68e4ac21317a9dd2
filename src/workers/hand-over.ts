import type { Socket } from 'node:net';
import type { CancelTimer, Clock } from '../clock.ts';
import type { Worker } from './crew.ts';

/** Gives connections to workers. */
export interface HandOver {
  /** To the worker that has the fewest; while there is none, it waits for one. */
  give(listener: number, socket: Socket): void;
  /** A worker takes connections from now on. */
  add(worker: Worker): void;
  /** It is gone, and its connections are, too. */
  remove(worker: Worker): void;
  /** What a worker says of its connections. */
  count(worker: Worker, change: { readonly taken: number; readonly closed: number }): void;
  /** Closes what waits. */
  close(): void;
}

interface Load {
  /** Given, and not taken yet: a worker that does something else has more of them than others. */
  pending: number;
  open: number;
}

interface Waiting {
  readonly listener: number;
  readonly socket: Socket;
  readonly cancel: CancelTimer;
}

/** While all workers are being started again, so many connections wait, for so long. */
const MOST_WAITING = 1_024;
const LONGEST_WAIT_MS = 10_000;

export function createHandOver(clock: Clock): HandOver {
  const loads = new Map<Worker, Load>();
  const waiting = new Set<Waiting>();
  let isClosed = false;

  const wait = (listener: number, socket: Socket): void => {
    if (isClosed || waiting.size >= MOST_WAITING) {
      socket.destroy();
      return;
    }
    const cancel = clock.schedule(LONGEST_WAIT_MS, () => {
      waiting.delete(one);
      socket.destroy();
    });
    const one = { listener, socket, cancel };
    waiting.add(one);
  };
  const give = (listener: number, socket: Socket): void => {
    const found = findFreest(loads);
    if (found === undefined) {
      wait(listener, socket);
      return;
    }
    const [worker, load] = found;
    // Of those that have as few, who was given one longest ago is the first.
    loads.delete(worker);
    loads.set(worker, load);
    load.pending += 1;
    load.open += 1;
    worker.link.tell('connection', listener, socket, () => {
      // It has just ended; this can't be the last that is heard of it.
      loads.delete(worker);
      give(listener, socket);
    });
  };
  return {
    give(listener, socket) {
      socket.on('error', () => {});
      give(listener, socket);
    },
    add(worker) {
      loads.set(worker, { pending: 0, open: 0 });
      for (const one of [...waiting]) {
        waiting.delete(one);
        one.cancel();
        give(one.listener, one.socket);
      }
    },
    remove: (worker) => void loads.delete(worker),
    count(worker, { taken, closed }) {
      const load = loads.get(worker);
      if (load === undefined) return;
      load.pending -= taken;
      load.open -= closed;
    },
    close() {
      isClosed = true;
      for (const { socket, cancel } of waiting) {
        cancel();
        socket.destroy();
      }
      waiting.clear();
    },
  };
}

function findFreest(loads: ReadonlyMap<Worker, Load>): readonly [Worker, Load] | undefined {
  let best: readonly [Worker, Load] | undefined;
  for (const one of loads) {
    const [, load] = one;
    if (best === undefined || isFreer(load, best[1])) best = one;
  }
  return best;
}

function isFreer(one: Load, other: Load): boolean {
  return one.pending === other.pending ? one.open < other.open : one.pending < other.pending;
}
