import type { AddressInfo, Server } from 'node:net';

/** What a rival written in Node is told when it starts. */
export interface Task {
  /** Where requests go. */
  readonly upstream: URL;
  /** The `Authorization` every request leaves with. */
  readonly authorization: string;
}

/** Reads what `runProgram` or `startProgram` gave as the task; the caller knows its shape. */
export function readArgument<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}');
}

/** Prints a program's result. */
export function report(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** Ends a program with the reason. For whatever didn't arrive as it was sent. */
export function fail(reason: string): never {
  console.error(reason);
  process.exit(1);
}

/** Reads the task `contenders.ts` put into the environment. */
export function readTask(): Task {
  const { BENCH_UPSTREAM = '', BENCH_AUTHORIZATION = '' } = process.env;
  return { upstream: new URL(BENCH_UPSTREAM), authorization: BENCH_AUTHORIZATION };
}

/** Listens on a free port and says so with the line the bench waits for. */
export function listen(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
  });
}
