import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connectTo } from '../support/sockets.ts';

/** What stands between a client and a proxy, and can be cut. */
export interface Pipe {
  readonly url: string;
  /** Resets every connection, on both sides. */
  cut(): void;
}

/** @param onBytes sees what goes to the client */
export async function startPipe(
  t: TestContext,
  url: string,
  onBytes: (bytes: Buffer) => void = () => {},
): Promise<Pipe> {
  const sockets: Socket[] = [];
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const server = createServer((near) => {
    const far = connectTo(url);
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => {});
    far.on('data', onBytes);
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut };
}
