import type { Socket } from 'node:net';

/** Resets a connection where that is possible: over TLS the missing `close_notify` says the same. */
export function breakOff(socket: Socket): void {
  if (socket.destroyed) return;
  // While its end is on the way libuv refuses to reset a connection (EINVAL), and Node then leaves it open for ever.
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
