import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import type { KeyedCertificate } from './certificates.ts';

/** An HTTP upstream on a loopback port, a free one if none is named; closed after the test. */
export async function startUpstream(
  t: TestContext,
  handler: RequestListener,
  port = 0,
): Promise<{ origin: string; server: Server }> {
  const server = createHttpServer(handler);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  // The server itself forgets those that were upgraded.
  const disconnect = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  await listenOnLoopback(t, server, disconnect, port);
  return { origin: originOf(server), server };
}

/** An HTTPS upstream on a free loopback port; closed after the test. */
export async function startTlsUpstream(
  t: TestContext,
  certificate: KeyedCertificate,
  handler: RequestListener,
): Promise<{ port: number; server: HttpsServer }> {
  const server = createHttpsServer({ ...certificate }, handler);
  await listenOnLoopback(t, server, () => server.closeAllConnections());
  return { port: (server.address() as AddressInfo).port, server };
}

/** A TCP upstream. */
export interface RawUpstream {
  readonly origin: string;
  /** Every connection so far. */
  readonly sockets: Socket[];
  /** Tells of each connection. */
  readonly accepted: EventEmitter<{ socket: [Socket] }>;
}

/** A TCP upstream that does just what it is told; closed after the test. */
export async function startRawUpstream(
  t: TestContext,
  onConnection: (socket: Socket) => void,
  allowHalfOpen = false,
): Promise<RawUpstream> {
  const sockets: Socket[] = [];
  const accepted = new EventEmitter<{ socket: [Socket] }>();
  const server = createServer({ allowHalfOpen }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onConnection(socket);
    accepted.emit('socket', socket);
  });
  await listenOnLoopback(t, server, () => {
    for (const socket of sockets) socket.destroy();
  });
  return { origin: originOf(server), sockets, accepted };
}

async function listenOnLoopback(
  t: TestContext,
  server: NetServer,
  disconnect: () => void,
  port = 0,
): Promise<void> {
  // Room for all that a test opens at once.
  server.listen({ port, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  t.after(async () => {
    const closed = once(server, 'close');
    server.close();
    disconnect();
    await closed;
  });
}

function originOf(server: NetServer): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port nobody listens on: taken, then given back. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Sends bytes and gives back everything that arrives until the other side closes. */
export async function exchangeBytes(origin: string, bytes: string): Promise<string> {
  const socket = connectTo(origin);
  socket.write(bytes, 'latin1');
  return readToEnd(socket);
}

export function connectTo(origin: string): Socket {
  const { hostname, port } = new URL(origin);
  return connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
}

/** Everything a socket receives until it is closed; a reset counts as closed. */
export async function readToEnd(socket: Socket): Promise<string> {
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.on('close', resolve));
  return received;
}

/** Resolves with what a socket has received from now on once that contains `text`. */
export function readUntil(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const stop = (): void => {
      socket.off('data', onData).off('close', onClose);
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1');
      if (!received.includes(text)) return;
      stop();
      resolve(received);
    };
    const onClose = (): void => {
      stop();
      reject(new Error(`closed before ${JSON.stringify(text)} arrived: ${JSON.stringify(received)}`));
    };
    socket.on('data', onData).on('close', onClose);
  });
}

/** The body of a request or response, whole. */
export async function readBody(message: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
