import type { Socket } from 'node:net';
import type { CancelTimer, Clock } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { type Fault, toError, toFault } from './fault.ts';

/** A way to another process of the proxy. What is sent arrives in order, and whole. */
export interface Port {
  /**
   * Sends plain data, and a connection with it, which stays open here, too.
   * @param onLost called at once when nothing can be sent any more
   */
  post(message: object, socket: Socket | undefined, onLost: () => void): void;
  /** Called once. `onEnd`: nothing comes any more. */
  listen(onMessage: (message: unknown, socket: Socket | undefined) => void, onEnd: () => void): void;
}

/** What can be asked of a process, by name. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>;

type Argument<C extends Calls, N extends keyof C> = Parameters<C[N]>[0];
type Answer<C extends Calls, N extends keyof C> = Awaited<ReturnType<C[N]>>;

/** What a process does when it is asked. */
export type Handlers<C extends Calls> = {
  readonly [N in keyof C]: (
    argument: Argument<C, N>,
    socket: Socket | undefined,
  ) => Answer<C, N> | Promise<Answer<C, N>>;
};

/** Talks to another process. */
export interface Link<Theirs extends Calls> {
  /** Says something without waiting for what becomes of it, if the other process is there still. */
  tell<N extends keyof Theirs & string>(name: N, argument: Argument<Theirs, N>, socket?: Socket): void;
  /**
   * Asks, and waits for the answer.
   * @param timeoutMs the longest wait; undefined: until the other process ends
   * @throws ProxyError what the other process threw; `shutting_down` when it is gone; `internal` when it takes too long
   */
  ask<N extends keyof Theirs & string>(
    name: N,
    argument: Argument<Theirs, N>,
    timeoutMs?: number,
  ): Promise<Answer<Theirs, N>>;
}

interface Call {
  readonly call: string;
  /** Undefined: no answer is wanted. */
  readonly id: number | undefined;
  readonly argument: unknown;
}

interface Reply {
  readonly reply: number;
  readonly value: unknown;
  readonly fault: Fault | undefined;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: ProxyError): void;
}

/** @param handlers what is done when the other process asks */
export function createLink<Ours extends Calls, Theirs extends Calls>(
  port: Port,
  handlers: Handlers<Ours>,
  clock: Clock,
): Link<Theirs> {
  const waiting = new Map<number, Waiting>();
  let isEnded = false;
  let count = 0;
  const settle = ({ reply, value, fault }: Reply): void => {
    const one = waiting.get(reply);
    waiting.delete(reply);
    if (fault === undefined) one?.resolve(value);
    else one?.reject(toError(fault));
  };
  const serve = async ({ call, id, argument }: Call, socket: Socket | undefined): Promise<void> => {
    let [value, fault]: [unknown, Fault | undefined] = [undefined, undefined];
    try {
      value = await handlers[call]?.(argument as never, socket);
    } catch (error) {
      fault = toFault(error);
    }
    if (id !== undefined) port.post({ reply: id, value, fault }, undefined, () => {});
  };
  port.listen(
    (message, socket) => {
      if (isReply(message)) settle(message);
      else if (isCall(message)) void serve(message, socket);
    },
    () => {
      isEnded = true;
      for (const [reply] of waiting) settle({ reply, value: undefined, fault: GONE });
    },
  );
  return {
    tell(name, argument, socket) {
      port.post({ call: name, id: undefined, argument } satisfies Call, socket, () => {});
    },
    ask(name, argument, timeoutMs) {
      if (isEnded) return Promise.reject(toError(GONE));
      count += 1;
      const id = count;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const cancel: CancelTimer =
        timeoutMs === undefined
          ? () => {}
          : clock.schedule(timeoutMs, () => {
              waiting.delete(id);
              reject(new ProxyError('internal', `A process of the proxy did not answer (${name}).`));
            });
      waiting.set(id, {
        resolve(value) {
          cancel();
          resolve(value);
        },
        reject(error) {
          cancel();
          reject(error);
        },
      });
      port.post({ call: name, id, argument } satisfies Call, undefined, () =>
        settle({ reply: id, value: undefined, fault: GONE }),
      );
      return promise as Promise<never>;
    },
  };
}

const GONE: Fault = {
  code: 'shutting_down',
  message: 'Another process of the proxy has ended.',
  hint: undefined,
  retryAfterMs: undefined,
};

function isCall(message: unknown): message is Call {
  return typeof message === 'object' && message !== null && 'call' in message;
}

function isReply(message: unknown): message is Reply {
  return typeof message === 'object' && message !== null && 'reply' in message;
}
