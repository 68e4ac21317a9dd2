import { fork, type MessageOptions, type SendHandle, type Serializable } from 'node:child_process';
import { Socket } from 'node:net';
import type { Port } from './link.ts';

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A worker's process, as the primary has it. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  readonly port: Port;
  readonly ended: Promise<ProcessEnd>;
  /** Lets it end by itself: there is nothing more to do. */
  release(): void;
  /** Ends it at once. */
  kill(): void;
}

/**
 * Starts a worker's process. It has no standard input and output, and writes its log where this one does.
 * @param module full name of the program
 */
export function spawnWorker(module: string, env: Readonly<Record<string, string>>): WorkerProcess {
  const child = fork(module, [], {
    env,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // A debugger's port is one process's.
    execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
  });
  const { promise: ended, resolve } = Promise.withResolvers<ProcessEnd>();
  child.once('exit', (code, signal) => resolve({ code, signal }));
  child.once('error', () => resolve({ code: null, signal: null }));
  return {
    pid: child.pid,
    port: toPort(child),
    ended,
    release() {
      if (child.connected) child.disconnect();
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}

/** What the processes at both ends of a channel have in common. */
interface Channel {
  readonly connected: boolean;
  send?:
    | ((
        message: Serializable,
        handle: Socket | undefined,
        options: MessageOptions,
        callback: (error: Error | null) => void,
      ) => boolean)
    | undefined;
  on(event: 'message', listener: (message: unknown, handle: SendHandle | undefined) => void): unknown;
  once(event: 'disconnect' | 'exit', listener: () => void): unknown;
}

/** @param channel a child of this process, or this process as its parent's child */
export function toPort(channel: Channel): Port {
  return {
    post(message, socket, onLost) {
      if (!channel.connected) {
        onLost();
        return;
      }
      // The connection stays open here as well: Node forgets those that were on their way to a process that has ended.
      channel.send?.(message, socket, { keepOpen: true }, () => {});
    },
    listen(onMessage, onEnd) {
      channel.on('message', (message, handle) =>
        onMessage(message, handle instanceof Socket ? handle : undefined),
      );
      // The channel to a child that has ended is not always heard of.
      channel.once('disconnect', onEnd);
      channel.once('exit', onEnd);
    },
  };
}
