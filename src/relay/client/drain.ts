import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Http2Endpoint } from './http2-server.ts';

/** How often connections that have become idle are closed while draining. */
const DRAIN_STEP_MS = 50;
/** The head of a request may be on its way for so many of them. */
const HEAD_STEPS = 3;
/** How long a WebSocket's ends have to answer a goodbye. */
const FAREWELL_MS = 500;

/** What a server is drained of: its connections, by how far each has come. */
export interface Drain {
  /** All of them. */
  readonly sockets: ReadonlySet<Socket>;
  /** Those that have sent nothing yet. */
  readonly unopened: ReadonlySet<Socket>;
  /** Those that speak HTTP/1.1, with the requests that have come on them and are not over. */
  readonly conversations: ReadonlyMap<Socket, number>;
  /** Those whose TLS handshake isn't over. */
  readonly handshakes: ReadonlyMap<string, Socket>;
  /** Takes leave of what speaks another protocol by now; gives how many there were. */
  readonly leaveOpenSockets: () => number;
  /** How long requests under way may take. */
  readonly deadlineMs: number;
}

/** Takes no more connections, lets the requests under way finish until the deadline, and closes what is left. */
export async function drain(server: Server, http2: Http2Endpoint, drained: Drain): Promise<void> {
  const { sockets, unopened, leaveOpenSockets, deadlineMs } = drained;
  const closed = Promise.all([
    new Promise<void>((resolve) => server.close(() => resolve())),
    // A server that was given its connections by another process doesn't wait for them.
    ...[...sockets].map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))),
  ]);
  http2.drain();
  for (const socket of unopened) socket.destroy();
  // Nothing came, so nothing is under way: among others, TLS handshakes that were never begun.
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  let steps = 0;
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    steps += 1;
    if (steps >= HEAD_STEPS) destroyWithoutRequest(drained);
  }, DRAIN_STEP_MS);
  const breakOff = (): void => {
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  };
  let farewell: NodeJS.Timeout | undefined;
  const deadline = setTimeout(() => {
    if (leaveOpenSockets() === 0) {
      breakOff();
      return;
    }
    // Requests are Node's to break off; of WebSockets it knows nothing.
    server.closeAllConnections();
    http2.close();
    farewell = setTimeout(breakOff, FAREWELL_MS);
  }, deadlineMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
  clearTimeout(farewell);
  http2.close();
}

/** Half a head or half a handshake would hold up the end until the deadline; what is being refused has its own time. */
function destroyWithoutRequest({ conversations, handshakes }: Drain): void {
  for (const [socket, requests] of conversations) {
    if (requests === 0 && !socket.writableEnded) socket.destroy();
  }
  for (const socket of handshakes.values()) socket.destroy();
}
