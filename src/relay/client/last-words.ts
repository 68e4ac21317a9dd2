import type { Duplex } from 'node:stream';

/**
 * Sends the last bytes of a connection and closes it. What still comes is read and thrown away for a moment: closed with bytes unread it
 * would be reset, and the other side might never see what it was told (RFC 9112, section 9.6).
 * @param lingerMs how long a moment is
 */
export function sendLastWords(socket: Duplex, bytes: string | Buffer, lingerMs: number): void {
  socket.on('error', () => socket.destroy());
  socket.end(bytes);
  // A parser that gave up would only give up once more.
  socket.removeAllListeners('data');
  socket.on('data', () => {});
  socket.resume();
  const stop = setTimeout(() => socket.destroy(), lingerMs);
  stop.unref();
  socket.once('close', () => clearTimeout(stop));
}
