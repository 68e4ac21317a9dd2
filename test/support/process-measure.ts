import { createHook } from 'node:async_hooks';
import { readdirSync } from 'node:fs';

/** What a process holds at one moment. */
export interface Measure {
  /** Open file descriptors; undefined where the system doesn't tell. */
  readonly files: number | undefined;
  /** Sockets and servers that libuv knows of. */
  readonly sockets: number;
  /** Timers, also those that don't keep a process alive. */
  readonly timers: number;
  readonly heapBytes: number;
  /** Buffers, and what else is outside the heap but held by it. */
  readonly externalBytes: number;
  readonly residentBytes: number;
}

/**
 * Watches the process it is called in, from the first timer on.
 * @returns what it holds now, after a collection where Node was started with `--expose-gc`
 */
export function watchProcess(): () => Measure {
  // Node makes sockets of these for the first that looks at them: a library does that is loaded with the first handshake.
  void [process.stdout, process.stderr];
  const timers = new Set<number>();
  const callbacks = {
    init(id: number, type: string) {
      if (type === 'Timeout') timers.add(id);
    },
    destroy(id: number) {
      timers.delete(id);
    },
    // What is asynchronous costs eighteen times as much where promises are told of as well. Older Nodes don't know this.
    trackPromises: false,
  };
  createHook(callbacks).enable();
  return () => {
    globalThis.gc?.();
    const { heapUsed, external, rss } = process.memoryUsage();
    return {
      files: countFiles(),
      sockets: process.getActiveResourcesInfo().filter((name) => /^(?:TCP|TLS|Pipe)/.test(name)).length,
      timers: timers.size,
      heapBytes: heapUsed,
      externalBytes: external,
      residentBytes: rss,
    };
  };
}

function countFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}
