import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { responseOn } from './pipeline.ts';

/** Looks after connections whose client may be gone without Node having heard of it. */
export interface UntakenWatch {
  add(socket: Socket): void;
  /** Once it is closed. */
  delete(socket: Socket): void;
  stop(): void;
}

/** What was left to be sent at the last look. */
interface Rest {
  readonly response: ServerResponse | undefined;
  readonly length: number;
}

/**
 * Closes connections of HTTP/1 of whose last response, all said, nothing more was taken between two looks. Over TLS Node may never tell that
 * a client was reset, while it reads nothing because the client is to take what is there first, or once that has ended its side: what is
 * written then stays, and so would the connection.
 */
export function watchForUntaken(everyMs: number): UntakenWatch {
  const rests = new Map<Socket, Rest | undefined>();
  const timer = setInterval(() => {
    for (const [socket, before] of rests) {
      const now = toRest(socket);
      if (now !== undefined && now.response === before?.response && now.length === before?.length) {
        socket.destroy();
      }
      rests.set(socket, now);
    }
  }, everyMs);
  timer.unref();
  return {
    add: (socket) => rests.set(socket, undefined),
    delete: (socket) => rests.delete(socket),
    stop: () => clearInterval(timer),
  };
}

/** Undefined as long as more may come: from us, which may take any time, or on a connection that we alone have ended from the client. */
function toRest(socket: Socket): Rest | undefined {
  const response = responseOn(socket);
  const { writableLength: length } = socket;
  const isOver = socket.writableEnded && (length > 0 || socket.readableEnded);
  return isOver || response?.writableEnded === true ? { response, length } : undefined;
}
