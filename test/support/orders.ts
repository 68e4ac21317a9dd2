import type { ChildProcess } from 'node:child_process';

/** What a process does when it is told to: each by its name, with one thing it has to know. */
export type Orders = Readonly<Record<string, (argument: never) => unknown>>;

/** Tells another process what to do. */
export interface Commander<O extends Orders> {
  /**
   * Several may be under way at once.
   * @throws what it answered in place of a result; or that it has ended, with what it wrote to its standard error
   */
  ask<Name extends keyof O & string>(
    name: Name,
    ...argument: Parameters<O[Name]>
  ): Promise<Awaited<ReturnType<O[Name]>>>;
}

interface Question {
  readonly number: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly number: number;
  readonly result?: unknown;
  readonly error?: string;
}

/**
 * Takes orders from the process that started this one, and ends with it.
 * @returns takes none from now on: this process has to end by itself
 */
export function takeOrders(orders: Orders): () => void {
  const exit = (): never => process.exit(1);
  process.once('disconnect', exit);
  process.on('message', ({ number, name, argument }: Question) => {
    const obey = async (): Promise<unknown> => (orders[name] as (argument: unknown) => unknown)(argument);
    obey().then(
      (result) => process.send?.({ number, result } satisfies Answer),
      (error: unknown) => process.send?.({ number, error: toText(error) } satisfies Answer),
    );
  });
  return () => {
    process.off('disconnect', exit);
    process.disconnect?.();
  };
}

/** @param said what the child wrote to its standard error so far */
export function giveOrders<O extends Orders>(child: ChildProcess, said: () => string): Commander<O> {
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let last = 0;
  const toEnding = (): Error =>
    new Error(`${child.spawnfile} ended (${child.signalCode ?? child.exitCode}):\n${said()}`);
  child.on('message', ({ number, result, error }: Answer) => {
    const asked = waiting.get(number);
    waiting.delete(number);
    if (error === undefined) asked?.resolve(result);
    else asked?.reject(new Error(error));
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(toEnding());
    waiting.clear();
  });
  return {
    ask(name, ...[argument]) {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.reject(toEnding());
      last += 1;
      const number = last;
      return new Promise((resolve, reject) => {
        waiting.set(number, { resolve: resolve as (result: unknown) => void, reject });
        child.send({ number, name, argument } satisfies Question);
      });
    },
  };
}

function toText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
