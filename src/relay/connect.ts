import type { Socket } from 'node:net';
import { ConnectionError } from './connection-error.ts';
import { dial, type SessionSlot, toReadyEvent } from './dial.ts';
import { openTunnel } from './tunnel.ts';

export interface ConnectOptions {
  readonly origin: URL;
  /** Between us and the origin, if there is one. */
  readonly forwardProxy: URL | undefined;
  /** Until bytes can be sent: through the forward proxy and TLS, too. Zero is no limit. */
  readonly connectTimeoutMs: number;
  readonly session: SessionSlot;
}

/** Called back once, by one of the two, and by neither after an abort. */
export interface ConnectListener {
  /** Bytes can be sent: the certificate was found good. The socket has no listeners. */
  onReady(socket: Socket): void;
  onFailed(cause: unknown): void;
}

/** A connection that is being opened. */
export interface Connecting {
  /** Gives up. Harmless when all is over. */
  abort(): void;
}

/** Opens a connection of its own to an origin, through the forward proxy where there is one. */
export function connect(options: ConnectOptions, listener: ConnectListener): Connecting {
  const { origin, forwardProxy, connectTimeoutMs, session } = options;
  let socket: Socket;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const fail = (cause: unknown): void => {
    if (isOver) return;
    stop();
    socket.destroy();
    listener.onFailed(cause);
  };
  const stop = (): void => {
    isOver = true;
    clearTimeout(timer);
  };
  const onClose = (): void => fail(new ConnectionError('CONNECTION_CLOSED', 'closed'));
  const watch = (dialled: Socket): Socket => {
    dialled.on('error', fail).on('close', onClose);
    dialled.once(toReadyEvent(origin), () => {
      if (isOver) return;
      stop();
      dialled.off('error', fail).off('close', onClose);
      listener.onReady(dialled);
    });
    return dialled;
  };
  if (connectTimeoutMs > 0) {
    timer = setTimeout(() => {
      fail(new ConnectionError('CONNECT_TIMEOUT', `no connection within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
  }
  socket =
    forwardProxy === undefined
      ? watch(dial(origin, { session }))
      : openTunnel(forwardProxy, origin, {
          onOpen(tunnel) {
            socket = watch(dial(origin, { session, tunnel }));
          },
          onFailed: fail,
        });
  return {
    abort() {
      if (isOver) return;
      stop();
      socket.destroy();
    },
  };
}
