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
  /** A worker has taken what it was sent. */
  onTaken(worker: Worker): void;
  /** So many of its connections are closed. */
  onClosed(worker: Worker, count: number): void;
  /** Closes what waits. */
  close(): void;
}

interface Connection {
  readonly listener: number;
  readonly socket: Socket;
}

interface Load {
  /** Sent, and not taken yet: one at a time, so that it is known which one is lost if the worker ends. */
  sent: (Connection & { readonly cancel: CancelTimer }) | undefined;
  /** To be sent after it, oldest first: a worker that does something else has more of them than others. */
  readonly queue: Connection[];
  open: number;
}

interface Waiting extends Connection {
  readonly cancel: CancelTimer;
}

/** While all workers are being started again connections wait, for so long. */
const LONGEST_WAIT_MS = 10_000;

/** A worker that is at work takes a connection at once. */
const TAKE_MS = 10_000;

export interface HandOverOptions {
  readonly clock: Clock;
  /** As many connections may be here, not taken by any worker yet; what comes on top is closed. */
  readonly most: () => number;
  /** Told of a worker that doesn't take what it was sent. */
  readonly onStuck: (worker: Worker) => void;
}

export function createHandOver({ clock, most, onStuck }: HandOverOptions): HandOver {
  const loads = new Map<Worker, Load>();
  const waiting = new Set<Waiting>();
  let isClosed = false;

  const wait = (listener: number, socket: Socket): void => {
    if (isClosed) {
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
    load.queue.push({ listener, socket });
    load.open += 1;
    sendNext(worker, load);
  };
  const sendNext = (worker: Worker, load: Load): void => {
    if (load.sent !== undefined) return;
    const next = load.queue.shift();
    if (next === undefined) return;
    load.sent = { ...next, cancel: clock.schedule(TAKE_MS, () => onStuck(worker)) };
    worker.link.tell('connection', next.listener, next.socket);
  };
  const remove = (worker: Worker): void => {
    const load = loads.get(worker);
    loads.delete(worker);
    // What it may have read of this nobody else can know.
    settle(load);
    for (const { listener, socket } of load?.queue ?? []) give(listener, socket);
  };
  return {
    give(listener, socket) {
      socket.on('error', () => {});
      let here = waiting.size;
      for (const { queue } of loads.values()) here += queue.length;
      if (here < most()) give(listener, socket);
      else socket.destroy();
    },
    add(worker) {
      loads.set(worker, { sent: undefined, queue: [], open: 0 });
      for (const one of [...waiting]) {
        waiting.delete(one);
        one.cancel();
        give(one.listener, one.socket);
      }
    },
    remove,
    onTaken(worker) {
      const load = loads.get(worker);
      if (load === undefined) return;
      // There it stays open.
      settle(load);
      sendNext(worker, load);
    },
    onClosed(worker, count) {
      const load = loads.get(worker);
      if (load !== undefined) load.open -= count;
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

/** Closes here what was sent. */
function settle(load: Load | undefined): void {
  if (load?.sent === undefined) return;
  load.sent.cancel();
  load.sent.socket.destroy();
  load.sent = undefined;
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
  const [pending, otherPending] = [countPending(one), countPending(other)];
  return pending === otherPending ? one.open < other.open : pending < otherPending;
}

function countPending({ sent, queue }: Load): number {
  return queue.length + (sent === undefined ? 0 : 1);
}
