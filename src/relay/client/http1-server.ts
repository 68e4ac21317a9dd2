import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { ProxyError } from '../../errors.ts';
import { MAX_HEAD_BYTES } from '../admission.ts';
import { toErrorAnswer, toRawResponse } from '../answers.ts';
import { nextRequestId } from '../request-id.ts';
import { sendLastWords } from './last-words.ts';
import { awaitTurn, isPastLast, makeLast, responseOn } from './pipeline.ts';
import type { TlsMaterial } from './tls-material.ts';
import { handleUpgrades, shouldUpgrade, type UpgradeHandler } from './upgrades.ts';

/** Called for each request. `expectsContinue`: the client waits for `100 Continue`. */
export type Http1Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  expectsContinue: boolean,
) => void;

export interface Http1ServerOptions {
  readonly handle: Http1Handler;
  readonly handleUpgrade: UpgradeHandler;
  /** Certificate and key; undefined: clear text. */
  readonly tls: TlsMaterial | undefined;
  /** Longest time for a request's head to arrive, and for a TLS handshake. */
  readonly headTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long what a client sends on a connection that was answered for the last time is read. */
  readonly lingerMs: number;
}

/** How often waiting connections are looked at, at most. */
const CHECK_MS = 2_000;
export const PROBE_DELAY_MS = 60_000;

/** Makes the server for HTTP/1.0 and HTTP/1.1. With TLS, HTTP/2 is offered as well; who takes it isn't served here. */
export function createHttp1Server(options: Http1ServerOptions): Server {
  const { handle, handleUpgrade, tls, headTimeoutMs, keepAliveMs, lingerMs } = options;
  const settings: ServerOptions = {
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: headTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    // Uploads may take as long as they need; the gap between two pieces is what is limited, per route.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(CHECK_MS, headTimeoutMs),
    insecureHTTPParser: false,
    noDelay: true,
    // TCP's own probes find clients that vanished without a word.
    keepAlive: true,
    keepAliveInitialDelay: PROBE_DELAY_MS,
    // The gate asks for it, and says so in an answer of ours.
    requireHostHeader: false,
    // A request without a body is no stream for anybody here; where Node knows the option it then makes none.
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: shouldUpgrade,
  };
  const serve = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    if (!keepsAlive(request)) makeLast(request);
    if (isPastLast(request)) request.resume();
    else handle(request, response, expectsContinue);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
    serve(request, response, false);
  const server =
    tls === undefined
      ? createServer(settings, onRequest)
      : createSecureServer(
          { ...settings, ...tls, ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: headTimeoutMs },
          onRequest,
        );
  // Zero means none are dropped in silence; `decide` counts.
  server.maxHeadersCount = 0;
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
    serve(request, response, true),
  );
  server.on('checkExpectation', onRequest);
  handleUpgrades(server, handleUpgrade);
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    if (isPastLast(request)) return;
    awaitTurn(socket, () =>
      refuseConnection(socket, new ProxyError('method_not_allowed', 'CONNECT is not relayed.'), lingerMs),
    );
  });
  // Node takes these for faults in HTTP, but without TLS there is nobody to tell.
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (_error: Error, socket: Duplex) => socket.destroy());
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    onClientError(error, socket, lingerMs),
  );
  return server;
}

/** Whether HTTP/1.0 may go on after a request (RFC 9112, section 9.3). Node also heeds `Proxy-Connection`, which says nothing (appendix C.2.2). */
function keepsAlive({ httpVersionMinor, headers }: IncomingMessage): boolean {
  return httpVersionMinor > 0 || /(?:^|,)[ \t]*keep-alive[ \t]*(?:,|$)/i.test(headers.connection ?? '');
}

/**
 * Answers on a connection that has no response object, and closes it.
 * @param lingerMs how long what its client still sends is read
 */
export function refuseConnection(socket: Duplex, error: ProxyError, lingerMs: number): void {
  const answer = toErrorAnswer(error, { route: undefined, requestId: nextRequestId() });
  sendLastWords(socket, toRawResponse(answer, STATUS_CODES[answer.status] ?? ''), lingerMs);
}

/** What is said to a client whose request doesn't come. */
export function toHeadTimeout(): ProxyError {
  return new ProxyError('request_timeout', 'The request did not arrive in time.');
}

function onClientError(error: NodeJS.ErrnoException, socket: Duplex, lingerMs: number): void {
  const response = responseOn(socket);
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
  } else if (response?.req.complete === true) {
    // What can't be read came behind a request that is whole: its response comes first, and is not this one.
    if (refusing.has(socket)) return;
    refusing.add(socket);
    response.once('finish', () => {
      refusing.delete(socket);
      // Node has put the next response in its place, if there is one.
      onClientError(error, socket, lingerMs);
    });
  } else if (response?.headersSent === true) {
    // A second response would be taken for the content of the first.
    socket.destroy();
  } else if (response === undefined && isReading(socket)) {
    // It was answered before its end, and one answer is enough.
    sendLastWords(socket, '', lingerMs);
  } else {
    refuseConnection(socket, toParseError(error), lingerMs);
  }
}

/** Whether the head of a request has come, and not yet all of its content. */
function isReading(socket: Duplex): boolean {
  const { parser } = socket as Duplex & { parser?: { incoming?: IncomingMessage | null } | null };
  return parser?.incoming?.complete === false;
}

/** Connections that are refused once the responses before are sent. */
const refusing = new WeakSet<Duplex>();

function toParseError(error: NodeJS.ErrnoException): ProxyError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ProxyError('head_too_large', `The request head is larger than ${MAX_HEAD_BYTES} bytes.`);
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return toHeadTimeout();
    default:
      return new ProxyError(
        'bad_request',
        `The request is not valid HTTP/1.1 (${error.code ?? 'parse error'}).`,
      );
  }
}
