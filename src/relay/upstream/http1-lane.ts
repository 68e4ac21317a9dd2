import { ProxyError } from '../../errors.ts';
import { ConnectionError } from './connection-error.ts';
import type { SessionSlot } from './dial.ts';
import { Http1Connection } from './http1-connection.ts';
import type { Attempt, Carrier, Lane, LaneOptions } from './lane.ts';
import { createTicker } from './ticker.ts';

/** Connections to one upstream at most; a request that would need one more is answered 503. */
const MAX_CONNECTIONS = 1_024;
/** Google's front end keeps idle connections for minutes; a server that wants less says so in `Keep-Alive`. */
const KEEP_ALIVE_MS = 60_000;
/** As long as curl waits. */
const CONTINUE_MS = 1_000;
/** An attempt that found no connection has nothing to stop. */
const NOWHERE: Carrier = { abort() {}, pause() {}, resume() {} };

/**
 * A lane over HTTP/1.1. Free connections wait on a stack, so that the warmest is used first and the others may close. No
 * pipelining, no redirects, no decoding.
 *
 * Nothing of TLS has to be compared before a connection is used again (R57): all of a lane's were checked against the one
 * host of its origin, and against the authorities that the whole process trusts; there are no certificates of clients.
 */
export function createHttp1Lane(options: LaneOptions): Lane {
  const { clock, onConnected } = options;
  const session: SessionSlot = { current: undefined };
  const free: Http1Connection[] = [];
  const all = new Set<Http1Connection>();
  let isRetired = false;
  const ticker = createTicker(clock, (passedMs) => {
    for (const connection of all) connection.tick(passedMs);
  });

  const open = (): Http1Connection => {
    const connection = new Http1Connection({
      ...options,
      keepAliveMs: KEEP_ALIVE_MS,
      continueMs: CONTINUE_MS,
      session,
      onConnected,
      onFree: (freed) => {
        if (isRetired) freed.close(toRetired());
        else free.push(freed);
      },
      onClosed: (closed) => {
        all.delete(closed);
        const index = free.indexOf(closed);
        if (index !== -1) free.splice(index, 1);
        if (all.size === 0) ticker.stop();
      },
    });
    all.add(connection);
    return connection;
  };
  /** The warmest free connection that still stands. */
  const takeFree = (): Http1Connection | undefined => {
    let connection = free.pop();
    while (connection !== undefined && !connection.isOpen) connection = free.pop();
    return connection;
  };
  const refuse = (attempt: Attempt): Carrier => {
    const cause = new ConnectionError('ALL_BUSY', `all ${MAX_CONNECTIONS} connections are busy`);
    process.nextTick(() => attempt.onFailed({ cause, reach: 'unsent' }));
    return NOWHERE;
  };

  return {
    carry(attempt) {
      const reused = attempt.wantsNewConnection ? undefined : takeFree();
      if (reused === undefined && all.size >= MAX_CONNECTIONS) return refuse(attempt);
      const connection = reused ?? open();
      const { headersMs, idleMs } = attempt.request.timeout;
      ticker.keep(headersMs);
      ticker.keep(idleMs);
      connection.send(attempt);
      return connection;
    },
    state: () => ({ protocol: 'http1', open: all.size, idle: free.length }),
    retire() {
      isRetired = true;
      for (const connection of [...free]) connection.close(toRetired());
    },
    destroy() {
      ticker.stop();
      for (const connection of all) connection.close(new ProxyError('shutting_down', 'The proxy stops.'));
    },
  };
}

/** Nobody is told: whoever closes for this carries nothing. */
function toRetired(): Error {
  return new Error('no longer in use');
}
