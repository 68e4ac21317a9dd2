import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import type { Clock } from '../clock.ts';
import { ProxyError } from '../errors.ts';

/** Every server of the emulator, and only there. */
const LOOPBACK = '127.0.0.1';
/** Connections that may wait to be accepted: a proxy under test opens a thousand at once. */
const BACKLOG = 4_096;

/** Answers one request that reached `origin`, the server's own. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  origin: string,
) => Promise<void>;

/** Takes over the connection of a request for another protocol (RFC 9110, section 7.8). */
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  origin: string,
) => Promise<void>;

export interface ListenOptions {
  /** 0 for any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly handle: RequestHandler;
  /** Without it such requests are served as if they asked for nothing. */
  readonly upgrade?: UpgradeHandler | undefined;
  /** Over TLS, if given. */
  readonly tls?: TlsOptions;
}

/** A listening HTTP/1.1 server. */
export interface LoopbackServer {
  /** `http://127.0.0.1:port`, or `https:` */
  readonly origin: string;
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Stops listening and cuts every connection, whatever is on it. */
  close(): Promise<void>;
  /** Stops listening and closes idle connections; those in use may end by themselves. Resolves when none is left. */
  retire(): Promise<void>;
}

/**
 * Listens on loopback. Answers carry the injected clock's `Date`. A request that expects `100 Continue` is left to
 * its handler, which may refuse it before the body comes.
 * @throws ProxyError `address_in_use` or `address_unavailable`
 */
export async function listenOnLoopback({
  port,
  clock,
  handle,
  upgrade,
  tls,
}: ListenOptions): Promise<LoopbackServer> {
  let origin = '';
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader('Date', new Date(clock.now().wallMs).toUTCString());
    handle(request, response, origin).catch(() => response.destroy());
  };
  // As Google's front end: an idle connection lives ten minutes, a request may take an hour.
  const timeouts = { keepAliveTimeout: 600_000, requestTimeout: 3_600_000 };
  const server =
    tls === undefined ? createServer(timeouts, answer) : createTlsServer({ ...timeouts, ...tls }, answer);
  server.on('checkContinue', answer);
  // The server forgets connections that were taken over.
  const takenOver = new Set<Duplex>();
  if (upgrade !== undefined) {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      takenOver.add(socket);
      socket.once('close', () => takenOver.delete(socket)).on('error', () => socket.destroy());
      upgrade(request, socket, head, origin).catch(() => socket.destroy());
    });
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(toListenError(error, port)));
    server.listen({ port, host: LOOPBACK, backlog: BACKLOG }, resolve);
  });

  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const host = `${LOOPBACK}:${address.port}`;
  origin = `${tls === undefined ? 'http' : 'https'}://${host}`;
  return {
    origin,
    host,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of takenOver) socket.destroy();
      }),
    retire: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Sends `100 Continue` to a client that waits for it (RFC 9110, section 10.1.1). */
export function inviteBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
}

function toListenError(cause: NodeJS.ErrnoException, port: number): ProxyError {
  if (cause.code === 'EADDRINUSE') {
    return new ProxyError(
      'address_in_use',
      `Cannot start the emulator: port ${port} on ${LOOPBACK} is taken.`,
      {
        hint: 'Stop what listens there, or take any free port with --port 0.',
        cause,
      },
    );
  }
  const why = cause.code ?? cause.message;
  return new ProxyError(
    'address_unavailable',
    `Cannot start the emulator on ${LOOPBACK} port ${port}: ${why}.`,
    {
      hint: 'Take any free port with --port 0.',
      cause,
    },
  );
}
