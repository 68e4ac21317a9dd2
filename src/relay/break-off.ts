import type { Socket } from 'node:net';

/** Resets a connection where that is possible: over TLS the missing `close_notify` says the same. */
export function breakOff(socket: Socket): void {
  if (socket.destroyed) return;
  try {
    socket.resetAndDestroy();
  } catch {
    // Not a TCP socket.
    socket.destroy();
  }
}
