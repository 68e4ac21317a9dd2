import type { Socket } from 'node:net';

/** What a connection opens with. */
export type Opening = 'http1' | 'http2';

/** The first bytes of every HTTP/2 connection (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface OpeningListener {
  /** Nothing is lost: what was looked at is still to be read from the socket. */
  onOpening(opening: Opening): void;
  /** Nothing to decide by came in time. */
  onTimeout(): void;
}

/**
 * Looks at the first bytes of a connection in clear text, where HTTP/1.1 and HTTP/2 with prior knowledge share a port. They differ
 * within three bytes, so hardly anything is waited for. A socket that ends or breaks before that is destroyed.
 * @param timeoutMs for all of it, however its bytes trickle
 */
export function readOpening(socket: Socket, timeoutMs: number, listener: OpeningListener): void {
  let seen: Buffer = Buffer.alloc(0);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('readable', onReadable).off('end', onEnd).off('close', stop);
  };
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, PREFACE.length);
    const isAlike = seen.subarray(0, compared).equals(PREFACE.subarray(0, compared));
    if (isAlike && compared < PREFACE.length) return;
    stop();
    socket.unshift(seen);
    listener.onOpening(isAlike ? 'http2' : 'http1');
  };
  const onEnd = (): void => {
    stop();
    socket.destroy();
  };
  const onTimeout = (): void => {
    stop();
    listener.onTimeout();
  };
  const timer = setTimeout(onTimeout, timeoutMs);
  timer.unref();
  socket.on('readable', onReadable).on('end', onEnd).on('close', stop);
  socket.on('error', () => socket.destroy());
}
