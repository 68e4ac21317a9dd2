import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ListenAddress, UnixAddress } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import { Exchange, type ExchangeContext } from '../exchange.ts';
import { createLoad, type Load } from '../load.ts';
import type { Client } from './client.ts';
import { drain } from './drain.ts';
import { Http1Client } from './http1-client.ts';
import { createHttp1Server, refuseConnection, toHeadTimeout } from './http1-server.ts';
import { Http2Client } from './http2-client.ts';
import { createHttp2Endpoint, refuseHttp2 } from './http2-server.ts';
import { readOpening } from './preface.ts';
import type { TlsMaterial } from './tls-material.ts';
import { watchForUntaken } from './untaken.ts';

export interface BoundAddress {
  readonly address: ListenAddress | UnixAddress;
  readonly isTls: boolean;
}

export interface DoorOptions {
  readonly context: ExchangeContext;
  /** Client connections at once, on all addresses together. */
  readonly maxConnections: number;
  /** Milliseconds a client may take to send a complete request head. */
  readonly headTimeoutMs?: number;
  /** Milliseconds an idle client connection is kept. Longer than most clients keep theirs, so that they close first. */
  readonly keepAliveMs?: number;
  /** Milliseconds a client may go on sending after its last answer on a connection. */
  readonly lingerMs?: number;
  /** Takes leave of what speaks another protocol by now; gives how many there were. */
  readonly leaveOpenSockets?: () => number;
}

const HEAD_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 75_000;
const LINGER_MS = 2_000;
/** Connections beyond the limit that are told so at once; any more are closed without a word. */
const SURPLUS = 256;

/** One bound address. */
export interface Door {
  readonly server: Server;
  bound(): BoundAddress;
  /** Serves a connection that was accepted elsewhere. */
  take(socket: Socket): void;
  /** For handshakes to come. Undefined changes nothing. */
  setTls(material: TlsMaterial | undefined): void;
  close(deadlineMs: number): Promise<void>;
}

/** What all doors share. */
export interface Loads {
  /** Connections that are served. */
  readonly connections: Load;
  /** Those, and the ones that are still in their handshake or being refused. */
  readonly accepted: Load;
  setLimit(maxConnections: number): void;
}

export function createLoads(maxConnections: number): Loads {
  const connections = createLoad(maxConnections);
  const accepted = createLoad(maxConnections + SURPLUS);
  return {
    connections,
    accepted,
    setLimit(limit) {
      connections.setLimit(limit);
      accepted.setLimit(limit + SURPLUS);
    },
  };
}

/**
 * Makes one that is bound to nothing yet. Clients of HTTP/1.1 and HTTP/2 come in by it, told apart by their first bytes, or over TLS by ALPN.
 * @param listener which of the configured listeners it belongs to
 */
export function createDoor(
  {
    context,
    headTimeoutMs = HEAD_TIMEOUT_MS,
    keepAliveMs = KEEP_ALIVE_MS,
    lingerMs = LINGER_MS,
    leaveOpenSockets = () => 0,
  }: DoorOptions,
  { connections, accepted }: Omit<Loads, 'setLimit'>,
  { listener, tls }: { readonly listener: number; readonly tls: TlsMaterial | undefined },
): Door {
  const scheme = tls === undefined ? 'http' : 'https';
  const way = { scheme, listener } as const;
  const sockets = new Set<Socket>();
  const unopened = new Set<Socket>();
  /** Those that speak HTTP/1.1, with the requests that have come on them and are not over. */
  const conversations = new Map<Socket, number>();
  /** Those whose TLS handshake isn't over, by their client's address. */
  const handshakes = new Map<string, Socket>();
  const untaken = tls && watchForUntaken(keepAliveMs);
  let isClosing = false;

  const { isDraining } = context;
  const serve = (client: Client): void => new Exchange(context, client).start();
  const track = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    const count = (step: number): void => {
      const before = conversations.get(socket);
      if (before !== undefined) conversations.set(socket, before + step);
    };
    count(1);
    response.once('close', () => count(-1));
  };
  const server = createHttp1Server({
    handle: (request, response, expectsContinue) => {
      track(request, response);
      serve(new Http1Client(request, response, { ...way, expectsContinue, isDraining, lingerMs }));
    },
    handleUpgrade: (request, response, connection, release) => {
      conversations.delete(connection);
      const options = { ...way, expectsContinue: false, isDraining, lingerMs, connection, release } as const;
      serve(new Http1Client(request, response, options));
    },
    tls,
    headTimeoutMs,
    keepAliveMs,
    lingerMs,
  });
  const http2 = createHttp2Endpoint({
    handle: (stream, headers, rawHeaders) => serve(new Http2Client(stream, headers, rawHeaders, way)),
    headTimeoutMs,
    keepAliveMs,
  });

  /** Whether there is a place for it; every connection, whatever becomes of it, holds one of `accepted`. */
  const admit = (socket: Socket): boolean => {
    if (!connections.enter()) return false;
    socket.once('close', () => connections.leave());
    return true;
  };
  const accept = (socket: Socket): boolean => {
    if (isClosing || !accepted.enter()) {
      socket.destroy();
      return false;
    }
    sockets.add(socket);
    socket.once('close', () => {
      accepted.leave();
      sockets.delete(socket);
    });
    return true;
  };
  const serveTls = (socket: TLSSocket, serveHttp1: Serve): void => {
    handshakes.delete(toPeer(socket));
    // Node has refused those already; of all there is to get wrong, this is what lets strangers in.
    if (tls?.requestCert && !socket.authorized) {
      socket.destroy();
      return;
    }
    const isHttp2 = socket.alpnProtocol === 'h2';
    if (!admit(socket)) {
      if (isHttp2) refuseHttp2(socket, lingerMs);
      else refuseConnection(socket, toSurplus(connections), lingerMs);
    } else if (isHttp2) http2.serve(socket);
    else serveByOpening(socket, serveHttp1);
  };
  const serveClear = (socket: Socket, serveHttp1: Serve): void => {
    if (admit(socket)) serveByOpening(socket, serveHttp1);
    else refuseConnection(socket, toSurplus(connections), lingerMs);
  };
  /** Also where TLS has agreed on HTTP/1.1: Node doesn't close what has sent nothing yet (22), and would wait for it while draining. */
  const serveByOpening = (socket: Socket, serveHttp1: Serve): void => {
    unopened.add(socket);
    untaken?.add(socket);
    socket.once('close', () => {
      unopened.delete(socket);
      conversations.delete(socket);
      untaken?.delete(socket);
    });
    readOpening(socket, headTimeoutMs, {
      onOpening(opening) {
        unopened.delete(socket);
        if (opening === 'http2') {
          http2.serve(socket);
          return;
        }
        conversations.set(socket, 0);
        serveHttp1(socket);
      },
      onTimeout: () => refuseConnection(socket, toHeadTimeout(), lingerMs),
    });
  };
  takeOver(server, 'connection', (socket, serve) => {
    if (!accept(socket)) return;
    if (tls === undefined) {
      serveClear(socket, serve);
      return;
    }
    const peer = toPeer(socket);
    handshakes.set(peer, socket);
    socket.once('close', () => handshakes.delete(peer));
    serve(socket);
  });
  if (tls !== undefined)
    takeOver(server, 'secureConnection', (socket, serve) => serveTls(socket as TLSSocket, serve));

  return {
    server,
    bound: () => ({ address: toBound(server.address()), isTls: tls !== undefined }),
    take(socket) {
      // As Node's own servers have it: a client of HTTP may have sent its last, and TLS has its own way to say so.
      socket.allowHalfOpen = tls === undefined;
      server.emit('connection', socket);
    },
    setTls(material) {
      if (material !== undefined) (server as SecureServer).setSecureContext(material);
    },
    async close(deadlineMs) {
      isClosing = true;
      await drain(server, http2, {
        sockets,
        unopened,
        conversations,
        handshakes,
        leaveOpenSockets,
        deadlineMs,
      });
      untaken?.stop();
    },
  };
}

type Serve = (socket: Socket) => void;

/** Puts a look at each connection before the server's own way with it. */
function takeOver(
  server: Server,
  event: 'connection' | 'secureConnection',
  accept: (socket: Socket, serve: Serve) => void,
): void {
  const own = server.listeners(event) as Serve[];
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) =>
    accept(socket, (accepted) => {
      for (const serve of own) serve.call(server, accepted);
    }),
  );
}

/** Node's TLS sockets don't say which socket is under them. */
function toPeer({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function toSurplus({ limit }: Load): ProxyError {
  return new ProxyError('overloaded', `There are ${limit} client connections, which is as many as may be.`, {
    hint: 'Raise limits.connections in the configuration if this machine can take more.',
    retryAfterMs: 1_000,
  });
}

export function toBound(address: AddressInfo | string | null): ListenAddress | UnixAddress {
  if (typeof address === 'string') return { path: address };
  return { host: address?.address ?? '', port: address?.port ?? 0 };
}
