import type { TestContext } from 'node:test';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Clock } from '../../src/clock.ts';
import { type Calls, createLink, type Handlers, type Link, type Port } from '../../src/workers/link.ts';

/** One end of a channel between threads: data is copied as between processes. */
export function toPort(port: MessagePort): Port {
  return {
    post: (message) => port.postMessage(message),
    listen(onMessage, onEnd) {
      port.on('message', (message) => onMessage(message, undefined));
      port.once('close', onEnd);
    },
  };
}

/** Two processes that talk, in one. */
export function connectLinks<Primary extends Calls, Worker extends Calls>(
  t: TestContext,
  primary: Handlers<Primary>,
  worker: Handlers<Worker>,
  clock: Clock,
): { readonly toWorker: Link<Worker>; readonly toPrimary: Link<Primary>; end(): void } {
  const { port1, port2 } = new MessageChannel();
  const end = (): void => port1.close();
  t.after(end);
  return {
    toWorker: createLink<Primary, Worker>(toPort(port1), primary, clock),
    toPrimary: createLink<Worker, Primary>(toPort(port2), worker, clock),
    end,
  };
}
