import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import type { ListenAddress, ListenerConfig, ListenerTls, UnixAddress } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import { bindTcp, bindUnix } from './bind.ts';
import type { Client } from './client.ts';
import { Exchange, type ExchangeContext } from './exchange.ts';
import { Http1Client } from './http1-client.ts';
import { createHttp1Server, refuseConnection, toHeadTimeout } from './http1-server.ts';
import { Http2Client } from './http2-client.ts';
import { createHttp2Endpoint, type Http2Endpoint } from './http2-server.ts';
import { createLoad, type Load } from './load.ts';
import { readOpening } from './preface.ts';

/** What listens for clients, on one or more addresses. */
export interface Listener {
  /** Where it listens. `localhost` is two, where the machine has both families. */
  readonly addresses: readonly (BoundAddress & { readonly configured: ListenerConfig })[];
  /** Stops accepting, lets what is in flight finish, and breaks off what is left after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

export interface BoundAddress {
  readonly address: ListenAddress | UnixAddress;
  readonly isTls: boolean;
}

export interface ListenOptions {
  readonly context: ExchangeContext;
  /** Client connections at once, on all addresses together. */
  readonly maxConnections: number;
  /** Milliseconds a client may take to send a complete request head. */
  readonly headTimeoutMs?: number;
  /** Milliseconds an idle client connection is kept. Longer than most clients keep theirs, so that they close first. */
  readonly keepAliveMs?: number;
}

const HEAD_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 75_000;

/**
 * Binds the addresses and starts answering: HTTP/1.1 and HTTP/2 on each, told apart by the first bytes, or over TLS by ALPN.
 * `localhost` stands for both loopback families (R70): 127.0.0.1, and ::1 on the same port where the machine has it.
 * @throws ProxyError `address_in_use`, `address_unavailable`, `config_invalid` for certificates that can't be used
 */
export async function listen(
  listeners: readonly ListenerConfig[],
  options: ListenOptions,
): Promise<Listener> {
  const doors: (Door & { readonly configured: ListenerConfig })[] = [];
  const connections = createLoad(options.maxConnections);
  try {
    for (const configured of listeners) {
      const { address, tls } = configured;
      const material = tls && (await readTls(tls));
      const opened = await open(address, () => createDoor(options, connections, material));
      doors.push(...opened.map((door) => ({ ...door, configured })));
    }
  } catch (error) {
    await Promise.all(doors.map((door) => door.close(0)));
    throw error;
  }
  return {
    addresses: doors.map((door) => ({ ...door.bound(), configured: door.configured })),
    async close(deadlineMs) {
      await Promise.all(doors.map((door) => door.close(deadlineMs)));
    },
  };
}

async function open(address: ListenAddress | UnixAddress, create: () => Door): Promise<readonly Door[]> {
  const door = create();
  if ('path' in address) await bindUnix(door.server, address);
  else if (address.host === 'localhost') return openLoopback(address.port, create);
  else await bindTcp(door.server, address);
  return [door];
}

/** How often a free port that only one family has free is given back and another one asked for. */
const PORT_TRIES = 10;

async function openLoopback(port: number, create: () => Door): Promise<readonly Door[]> {
  for (let tries = 1; ; tries += 1) {
    const [v4, v6] = [create(), create()];
    await bindTcp(v4.server, { host: '127.0.0.1', port });
    const { address } = v4.bound();
    const bound = 'port' in address ? address.port : port;
    try {
      await bindTcp(v6.server, { host: '::1', port: bound });
      return [v4, v6];
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      if (error.code === 'address_unavailable') return [v4];
      await v4.close(0);
      if (port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

/** One bound address. */
interface Door {
  readonly server: Server;
  bound(): BoundAddress;
  close(deadlineMs: number): Promise<void>;
}

/** How often connections that have become idle are closed while draining. */
const DRAIN_STEP_MS = 50;

function createDoor(
  { context, headTimeoutMs = HEAD_TIMEOUT_MS, keepAliveMs = KEEP_ALIVE_MS }: ListenOptions,
  connections: Load,
  tls: SecureContextOptions | undefined,
): Door {
  const scheme = tls === undefined ? 'http' : 'https';
  const sockets = new Set<Socket>();
  const unopened = new Set<Socket>();
  let isClosing = false;

  const { isDraining } = context;
  const serve = (client: Client): void => new Exchange(context, client).start();
  const server = createHttp1Server({
    handle: (request, response, expectsContinue) =>
      serve(new Http1Client(request, response, { scheme, expectsContinue, isDraining })),
    handleUpgrade: (request, response, connection) =>
      serve(new Http1Client(request, response, { scheme, expectsContinue: false, isDraining, connection })),
    tls,
    headTimeoutMs,
    keepAliveMs,
  });
  const http2 = createHttp2Endpoint({
    handle: (stream, headers, rawHeaders) => serve(new Http2Client(stream, headers, rawHeaders, scheme)),
    headTimeoutMs,
    keepAliveMs,
  });

  const admit = (socket: Socket): boolean => {
    if (!connections.enter()) {
      refuseConnection(socket, toSurplus(connections));
      return false;
    }
    socket.once('close', () => connections.leave());
    return true;
  };
  takeOver(server, tls === undefined ? 'connection' : 'secureConnection', (socket, serveHttp1) => {
    if (!admit(socket)) return;
    if ('alpnProtocol' in socket) {
      if ((socket as TLSSocket).alpnProtocol === 'h2') http2.serve(socket);
      else serveHttp1(socket);
      return;
    }
    unopened.add(socket);
    socket.once('close', () => unopened.delete(socket));
    readOpening(socket, headTimeoutMs, {
      onOpening(opening) {
        unopened.delete(socket);
        if (opening === 'http2') http2.serve(socket);
        else serveHttp1(socket);
      },
      onTimeout: () => refuseConnection(socket, toHeadTimeout()),
    });
    if (isClosing) socket.destroy();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  return {
    server,
    bound: () => ({ address: toBound(server.address()), isTls: tls !== undefined }),
    async close(deadlineMs) {
      isClosing = true;
      await drain(server, http2, { sockets, unopened, deadlineMs });
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

async function drain(
  server: Server,
  http2: Http2Endpoint,
  {
    sockets,
    unopened,
    deadlineMs,
  }: { sockets: ReadonlySet<Socket>; unopened: ReadonlySet<Socket>; deadlineMs: number },
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  http2.drain();
  for (const socket of unopened) socket.destroy();
  const sweep = setInterval(() => server.closeIdleConnections(), DRAIN_STEP_MS);
  const deadline = setTimeout(() => {
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  }, deadlineMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
  http2.close();
}

function toSurplus({ limit }: Load): ProxyError {
  return new ProxyError('overloaded', `There are ${limit} client connections, which is as many as may be.`, {
    hint: 'Raise limits.connections in the configuration if this machine can take more.',
    retryAfterMs: 1_000,
  });
}

function toBound(address: AddressInfo | string | null): ListenAddress | UnixAddress {
  if (typeof address === 'string') return { path: address };
  return { host: address?.address ?? '', port: address?.port ?? 0 };
}

async function readTls({ certFile, keyFile }: ListenerTls): Promise<SecureContextOptions> {
  const material = {
    cert: await readPem(certFile),
    key: await readPem(keyFile),
    minVersion: 'TLSv1.2' as const,
  };
  try {
    createSecureContext(material);
  } catch (cause) {
    throw new ProxyError(
      'config_invalid',
      `${certFile} and ${keyFile} are not a certificate and its private key (PEM).`,
      {
        hint: 'listen.tls.cert is the certificate with what it was signed by, listen.tls.key the key it was made for.',
        cause,
      },
    );
  }
  return material;
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unreadable';
    throw new ProxyError('config_invalid', `${file}, which listen.tls names, can't be read (${code}).`, {
      cause,
    });
  }
}
