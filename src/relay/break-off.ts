import type { Socket } from 'node:net';

/**
 * Resets a connection where that is possible: over TLS the missing `close_notify` says the same. One that is on its way to a clean
 * end is only closed: Node fails to reset it, and keeps its descriptor for good.
 */
export function breakOff(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded && !socket.writableFinished) {
    socket.destroy();
    return;
  }
  try {
    socket.resetAndDestroy();
  } catch {
    // Not a TCP socket.
    socket.destroy();
  }
}
