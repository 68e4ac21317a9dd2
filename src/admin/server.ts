import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { TokenStatus } from '../auth/token-source.ts';
import type { AdminAddress } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import type { Gate } from '../gate/gate.ts';
import { toErrorAnswer } from '../relay/answers.ts';
import { toBindError } from '../relay/client/bind.ts';
import { nextRequestId } from '../relay/exchange.ts';
import { readRequestFacts } from '../relay/request-head.ts';

/** The second port: what the proxy says of itself. A port of its own, so that no route can hide it or be hidden. */
export interface AdminServer {
  /** `http://127.0.0.1:9901`. */
  readonly url: string;
  close(): Promise<void>;
}

/** What the admin port tells of a route. */
export interface AdminRoute {
  readonly name: string;
  readonly upstream: string;
  status(): TokenStatus | undefined;
}

export interface AdminOptions {
  readonly address: AdminAddress;
  /** The same rules as for clients of the proxy: a web page may not read this port either. */
  readonly gate: Gate;
  readonly routes: readonly AdminRoute[];
  isDraining(): boolean;
}

/**
 * Starts the admin port. `GET /livez` answers 200 while the process runs; `GET /readyz` answers 200 when every route
 * has a token, else 503, and lists each route's state. A default port that is taken gives way to any free one.
 * @throws ProxyError `address_in_use` when the taken address was asked for by name, `address_unavailable`
 */
export async function createAdminServer(options: AdminOptions): Promise<AdminServer> {
  const { address } = options;
  const server = createServer(
    { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 10_000 },
    (request, response) => answer(options, request, response),
  );
  const port = await bind(server, address.host, address.port).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE' && !address.explicit) return bind(server, address.host, 0);
    throw toBindError(error, address);
  });
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

function answer(options: AdminOptions, request: IncomingMessage, response: ServerResponse): void {
  const error = judge(options.gate, request);
  if (error !== undefined) {
    const { status, lines, body } = toErrorAnswer(error, { route: undefined, requestId: nextRequestId() });
    response.writeHead(status, lines).end(body);
    return;
  }
  const path = (request.url ?? '').split('?', 1)[0];
  if (path === '/livez') sendJson(response, 200, { status: 'alive' });
  else if (path === '/readyz') {
    const readiness = describeReadiness(options);
    sendJson(response, readiness.ready ? 200 : 503, readiness);
  } else
    sendJson(response, 404, { error: { code: 'not_found', message: 'There is /livez and /readyz here.' } });
}

function judge(gate: Gate, request: IncomingMessage): ProxyError | undefined {
  const facts = readRequestFacts(request.rawHeaders);
  const method = request.method ?? '';
  const verdict = gate({ ...facts, method, scheme: 'http' });
  if (verdict.kind !== 'admit') return verdict.error;
  if (method === 'GET' || method === 'HEAD') return undefined;
  return new ProxyError('method_not_allowed', `${method} is not taken here.`);
}

interface Readiness {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly routes: readonly {
    readonly name: string;
    readonly upstream: string;
    readonly ready: boolean;
    readonly reason?: string;
  }[];
}

function describeReadiness(options: AdminOptions): Readiness {
  const draining = options.isDraining();
  const routes = options.routes.map((route) => {
    const status = route.status();
    const ready = status === undefined || status.remainingMs !== undefined;
    const reason = ready ? undefined : (status?.error?.message ?? 'its token is not there yet');
    return { name: route.name, upstream: route.upstream, ready, ...(reason !== undefined && { reason }) };
  });
  return { ready: !draining && routes.every(({ ready }) => ready), draining, routes };
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  const body = `${JSON.stringify(value, null, 2)}\n`;
  response
    .writeHead(status, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    .end(body);
}
