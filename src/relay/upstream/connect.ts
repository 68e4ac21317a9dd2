import type { Socket } from 'node:net';
import { type Clock, systemClock } from '../../clock.ts';
import { ConnectionError } from './connection-error.ts';
import { dial, type SessionSlot, toReadyEvent } from './dial.ts';
import { openTunnel } from './tunnel.ts';

export interface ConnectOptions {
  readonly origin: URL;
  /** Between us and the origin, if there is one. */
  readonly forwardProxy: URL | undefined;
  /** Until something can be sent: through the forward proxy and TLS, too. 0 for no limit. */
  readonly connectTimeoutMs: number;
  readonly session: SessionSlot;
  /** As in `DialOptions`. */
  readonly alpn?: readonly string[];
  readonly clock?: Clock;
}

/** Called back once, by one of the two. */
export interface ConnectListener {
  /** Nothing was written or read yet; from here on the socket is the listener's, with all its events. */
  onReady(socket: Socket): void;
  onFailed(cause: unknown): void;
}

/** A connection being made, or made. */
export interface Connecting {
  /** Where there is a forward proxy, first the one to it, then the one inside its tunnel. */
  readonly socket: Socket;
  /** Gives up, with the reason for `onFailed`. Harmless when it is over. */
  abort(cause: unknown): void;
}

/** TCP's own probes find peers that vanished without a word. */
const PROBE_DELAY_MS = 60_000;

/** Makes a connection to an origin, through a forward proxy if there is one. Calls nothing back before it returns. */
export function connect(options: ConnectOptions, listener: ConnectListener): Connecting {
  const { origin, forwardProxy, connectTimeoutMs, session, clock = systemClock } = options;
  const alpn = options.alpn && { alpn: options.alpn };
  let isOver = false;
  let reason: unknown;
  let cancelTimer = (): void => {};

  const fail = (cause: unknown): void => {
    if (isOver) return;
    isOver = true;
    cancelTimer();
    listener.onFailed(reason ?? cause ?? new ConnectionError('CONNECTION_CLOSED', 'closed'));
  };
  /** The last leg, inside the tunnel if there is one. */
  const carryOver = (next: Socket): Socket => {
    let fault: unknown;
    const onError = (cause: unknown): void => {
      fault ??= cause;
    };
    const onClose = (): void => {
      // Perhaps it was the resumption that failed: the next handshake is a whole one.
      session.current = undefined;
      fail(fault);
    };
    next.setNoDelay(true);
    next.setKeepAlive(true, PROBE_DELAY_MS);
    next.on('error', onError).on('close', onClose);
    next.once(toReadyEvent(origin), () => {
      if (isOver) return;
      isOver = true;
      cancelTimer();
      next.off('error', onError).off('close', onClose);
      listener.onReady(next);
    });
    return next;
  };

  let socket =
    forwardProxy === undefined
      ? carryOver(dial(origin, { session, ...alpn }))
      : openTunnel(forwardProxy, origin, {
          onOpen: (tunnel) => {
            socket = carryOver(dial(origin, { session, tunnel, ...alpn }));
          },
          onFailed: fail,
        });
  const abort = (cause: unknown): void => {
    if (isOver) return;
    reason ??= cause;
    socket.destroy();
  };
  if (connectTimeoutMs > 0) {
    cancelTimer = clock.schedule(connectTimeoutMs, () => {
      abort(new ConnectionError('CONNECT_TIMEOUT', `no connection within ${connectTimeoutMs} ms`));
    });
  }
  return {
    get socket() {
      return socket;
    },
    abort,
  };
}
