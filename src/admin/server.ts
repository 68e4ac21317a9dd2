import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AdminConfig } from '../config/config.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import type { Gate } from '../gate/gate.ts';
import { toErrorAnswer, toRawResponse } from '../relay/answers.ts';
import { bindTcp } from '../relay/client/bind.ts';
import { nextRequestId } from '../relay/request-id.ts';
import type { AdminAnswer, Endpoint } from './endpoint.ts';
import { type AdminRules, judge } from './judge.ts';
import { type AdminToken, writeAdminToken } from './token-file.ts';

/** The second port: what the proxy says of itself. A port of its own, so that no route can hide it or be hidden. */
export interface AdminServer {
  /** `http://127.0.0.1:9901`. */
  readonly url: string;
  readonly port: number;
  /** Breaks off what is open, and removes the token's file. */
  close(): Promise<void>;
}

export interface AdminOptions {
  readonly config: AdminConfig;
  /** The same rules as for clients of the proxy: a web page may not read this port either. */
  readonly gate: Gate;
  readonly endpoints: readonly Endpoint[];
}

/** Who asks here asks little; more than this would eat up what the proxy's own clients need. */
const MOST_CONNECTIONS = 256;

/**
 * Starts the admin port; then, if there is to be a token file, makes this launch's token. A default port that is taken
 * gives way to any free one.
 * @throws ProxyError `address_in_use` when the taken address was asked for by name, `address_unavailable`,
 *   `token_file_unusable`
 */
export async function createAdminServer({ config, gate, endpoints }: AdminOptions): Promise<AdminServer> {
  // Nobody gets in before there is a token, if there is to be one.
  let rules: AdminRules = { gate, endpoints, isToken: undefined };
  const server = createServer(
    {
      maxHeaderSize: 16_384,
      headersTimeout: 10_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 2_000,
      requireHostHeader: false, // the gate says so better
    },
    (request, response) => void respond(rules, request, response),
  );
  server.maxConnections = MOST_CONNECTIONS;
  // Zero means none are dropped in silence: the second of two credentials, say.
  server.maxHeadersCount = 0;
  server.on('checkExpectation', (request, response) => void respond(rules, request, response));
  server.on('clientError', refuseBytes);
  const port = await bind(server, config);
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };

  let token: AdminToken | undefined;
  if (config.tokenFile !== undefined) {
    // Not before the port is there: else a second launch would take the first one's token away.
    token = await writeAdminToken(config.tokenFile).catch(async (error: unknown) => {
      await close();
      throw error;
    });
    rules = { ...rules, isToken: token.isToken };
  }
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${port}`,
    port,
    async close() {
      await token?.remove();
      await close();
    },
  };
}

async function bind(server: Server, { host, port, explicit }: AdminConfig): Promise<number> {
  await bindTcp(server, { host, port }).catch((error: unknown) => {
    if (explicit || !isProxyError(error) || error.code !== 'address_in_use') throw error;
    return bindTcp(server, { host, port: 0 });
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}

async function respond(rules: AdminRules, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '', rawHeaders } = request;
  const verdict = judge(rules, { method, target: url, lines: rawHeaders });
  if (verdict.kind === 'refuse') return sendError(response, verdict.error);
  let answer: AdminAnswer;
  try {
    answer = await verdict.endpoint.answer();
  } catch (error) {
    return sendError(response, isProxyError(error) ? error : toInternal(error));
  }
  const { status, contentType, body, afterwards } = answer;
  if (afterwards !== undefined) response.once('close', afterwards);
  response
    .writeHead(status, {
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    .end(body);
}

function toInternal(cause: unknown): ProxyError {
  return new ProxyError('internal', 'The admin port failed to answer.', { cause });
}

/** After a refusal nothing more of the request is read: its body may be of any length. */
function sendError(response: ServerResponse, error: ProxyError): void {
  const { status, lines, body } = toErrorAnswer(error, {
    route: undefined,
    requestId: nextRequestId(),
  });
  response.writeHead(status, [...lines, 'Connection', 'close']).end(body);
}

/** What isn't HTTP/1.1 gets an answer as well, as far as one can be given. */
function refuseBytes(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const code =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'head_too_large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request_timeout'
        : 'bad_request';
  const refusal = new ProxyError(code, 'This is not a request that the admin port understands.');
  const answer = toErrorAnswer(refusal, { route: undefined, requestId: nextRequestId() });
  socket.end(toRawResponse(answer, 'Refused'), 'latin1');
}
