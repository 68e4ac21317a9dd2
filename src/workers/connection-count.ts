import type { Socket } from 'node:net';

/** Counts the connections that a worker was given, for the primary to give the next one to whom has the fewest. */
export interface ConnectionCount {
  /** One has come; undefined: it closed on the way. */
  count(socket: Socket | undefined): void;
}

/** @param tell once for all that happens in one turn of the event loop */
export function createConnectionCount(
  tell: (change: { readonly taken: number; readonly closed: number }) => void,
): ConnectionCount {
  let [taken, closed] = [0, 0];
  let isPlanned = false;
  const plan = (): void => {
    if (isPlanned) return;
    isPlanned = true;
    setImmediate(() => {
      const change = { taken, closed };
      [taken, closed] = [0, 0];
      isPlanned = false;
      tell(change);
    });
  };
  const close = (): void => {
    closed += 1;
    plan();
  };
  return {
    count(socket) {
      taken += 1;
      plan();
      if (socket === undefined) close();
      else socket.once('close', close);
    },
  };
}
