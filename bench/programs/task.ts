import type { AddressInfo, Server } from 'node:net';

/** What a rival written in Node is told when it starts. */
export interface Task {
  /** Where requests go. */
  readonly upstream: URL;
  /** The `Authorization` every request leaves with. */
  readonly authorization: string;
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
