import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ListenAddress } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import { toErrorAnswer, toRawResponse } from './answers.ts';
import { type ClientUpgrades, createClientUpgrades, shouldUpgrade } from './client-upgrades.ts';
import { Exchange, type ExchangeContext, nextRequestId } from './exchange.ts';

/** What listens for clients, on one or more addresses. */
export interface Listener {
  /** Where it listens, one per bound address. */
  readonly addresses: readonly AddressInfo[];
  /** Stops accepting, lets what is in flight finish, and breaks off what is left after `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

/** Milliseconds a client may take to send a complete request head. */
const HEAD_TIMEOUT_MS = 10_000;
/** Milliseconds an idle client connection is kept. Longer than most clients keep theirs, so that they close first. */
const KEEP_ALIVE_MS = 75_000;
const MAX_HEAD_BYTES = 32_768;

/**
 * Binds the addresses and starts answering. `localhost` stands for both loopback families: 127.0.0.1, and ::1 on the
 * same port where the machine has it.
 * @throws ProxyError `address_in_use`, `address_unavailable`
 */
export async function listen(
  addresses: readonly ListenAddress[],
  context: ExchangeContext,
): Promise<Listener> {
  const servers: Server[] = [];
  const upgrades = createClientUpgrades(context);
  const create = (): Server => createHttpServer(context, upgrades);
  try {
    for (const address of addresses) {
      if (address.host === 'localhost') servers.push(...(await bindLoopback(address.port, create)));
      else servers.push(await bind(create(), address));
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    addresses: servers.map((server) => server.address()).filter((address) => isAddressInfo(address)),
    async close(deadlineMs) {
      const deadline = setTimeout(() => upgrades.closeAll(), deadlineMs);
      await Promise.all(servers.map((server) => drain(server, deadlineMs)));
      clearTimeout(deadline);
    },
  };
}

/** How often a free port that only one family has free is given back and another one asked for. */
const PORT_TRIES = 10;

async function bindLoopback(port: number, create: () => Server): Promise<Server[]> {
  for (let tries = 1; ; tries += 1) {
    const v4 = await bind(create(), { host: '127.0.0.1', port });
    const address = v4.address();
    const bound = isAddressInfo(address) ? address.port : port;
    try {
      return [v4, await bind(create(), { host: '::1', port: bound })];
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      if (error.code === 'address_unavailable') return [v4];
      v4.close();
      if (port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

function createHttpServer(context: ExchangeContext, upgrades: ClientUpgrades): Server {
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    new Exchange(context, request, response, false).start();
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Uploads may take as long as they need; the gap between two pieces is what is limited, per route.
      requestTimeout: 0,
      connectionsCheckingInterval: 2_000,
      insecureHTTPParser: false,
      noDelay: true,
      requireHostHeader: true,
      // A request without a body is no stream for anybody here; where Node knows the option it then makes none.
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: shouldUpgrade,
    },
    handle,
  );
  // Zero means none are dropped in silence; `decide` counts.
  server.maxHeadersCount = 0;
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    new Exchange(context, request, response, true).start();
  });
  upgrades.attach(server);
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuseConnection(socket, new ProxyError('method_not_allowed', 'CONNECT is not relayed.'));
  });
  server.on('clientError', onClientError);
  return server;
}

function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  refuseConnection(socket, toParseError(error));
}

function refuseConnection(socket: Duplex, error: ProxyError): void {
  const answer = toErrorAnswer(error, { route: undefined, requestId: nextRequestId() });
  socket.on('error', () => socket.destroy());
  socket.end(toRawResponse(answer, STATUS_CODES[answer.status] ?? ''));
}

/** Whether a response has begun on this connection: a second one would be taken for its body. */
function isAnswering(socket: Duplex): boolean {
  const { _httpMessage: message } = socket as Duplex & { _httpMessage?: ServerResponse };
  return message?.headersSent === true;
}

function toParseError(error: NodeJS.ErrnoException): ProxyError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ProxyError('head_too_large', `The request head is larger than ${MAX_HEAD_BYTES} bytes.`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ProxyError('request_timeout', 'The request did not arrive in time.');
    default:
      return new ProxyError(
        'bad_request',
        `The request is not valid HTTP/1.1 (${error.code ?? 'parse error'}).`,
      );
  }
}

function bind(server: Server, address: ListenAddress): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(toBindError(error, address)));
    server.listen({ host: address.host, port: address.port }, () => {
      server.removeAllListeners('error');
      // A full table of file descriptors is felt by the one connection that did not fit, not by the process.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

/** Names a failure to bind, the same for every listener of this program. */
export function toBindError(error: NodeJS.ErrnoException, address: ListenAddress): ProxyError {
  const where = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  if (error.code === 'EADDRINUSE') {
    return new ProxyError('address_in_use', `Something else is listening on ${where}.`, {
      hint: `${findListenerCommand(address.port)}  shows which process it is; --port 0 takes any free port.`,
      cause: error,
    });
  }
  return new ProxyError('address_unavailable', `Can't listen on ${where} (${error.code ?? error.message}).`, {
    hint: error.code === 'EACCES' ? 'Ports below 1024 need more rights; use a higher one.' : undefined,
    cause: error,
  });
}

function findListenerCommand(port: number): string {
  if (process.platform === 'win32') return `netstat -ano | findstr :${port}`;
  return process.platform === 'darwin'
    ? `lsof -nP -iTCP:${port} -sTCP:LISTEN`
    : `ss -ltnp 'sport = :${port}'`;
}

/** How often connections that have become idle are closed while draining. */
const DRAIN_STEP_MS = 50;

async function drain(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const sweep = setInterval(() => server.closeIdleConnections(), DRAIN_STEP_MS);
  const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
