import type { Socket } from 'node:net';

/**
 * Counts connections that close.
 * @param tell once for all that happens in one turn of the event loop
 * @returns to be called with each that was taken; undefined for one that was closed on the way
 */
export function countClosed(tell: (count: number) => void): (socket: Socket | undefined) => void {
  let closed = 0;
  const onClose = (): void => {
    closed += 1;
    if (closed > 1) return;
    setImmediate(() => {
      const count = closed;
      closed = 0;
      tell(count);
    });
  };
  return (socket) => {
    if (socket === undefined) onClose();
    else socket.once('close', onClose);
  };
}
