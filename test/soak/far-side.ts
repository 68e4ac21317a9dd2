/** Google and the upstreams, in a process of their own. Each request is judged here: its token, and its content. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { WebSocketServer } from 'ws';
import { createEmulator } from '../../src/emulator/emulator.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { takeOrders } from '../support/orders.ts';
import {
  ContentCheck,
  type ExchangePlan,
  FAULT_FIELD,
  NUMBER_FIELD,
  readTarget,
  toContent,
} from './exchange-plan.ts';
import { createFastClock, TOKEN_LIFETIME_MS } from './fast-clock.ts';
import { GUEST_ROUTE, STAGE_ROUTES } from './stage-routes.ts';
import { createTokenJudge } from './token-judge.ts';

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** Faults that are remembered: those of requests whose client had gone, which nobody else tells of. */
const MOST_FAULTS = 20;

const clock = createFastClock();
const emulator = await createEmulator({ clock, services: [], tokenLifetimeMs: TOKEN_LIFETIME_MS });
const authority = createTestAuthority();
const audiences = new Map([...STAGE_ROUTES, GUEST_ROUTE].map(({ name, audience }) => [name, audience]));
const judge = createTokenJudge(emulator.mints, clock);
const faults: string[] = [];

function findTokenFault(target: string, authorization: string | undefined): string | undefined {
  const route = target.split('/', 2)[1] ?? '';
  if (!audiences.has(route)) return `the route /${route} is none`;
  const fault = judge(authorization, audiences.get(route));
  if (fault !== undefined && faults.length < MOST_FAULTS) faults.push(`${target}: ${fault}`);
  return fault;
}

function answer(request: Request, response: Response): void {
  request.on('error', () => {});
  response.on('error', () => {});
  const target = request.url ?? '';
  const plan = readTarget(target);
  if (plan === undefined) {
    refuse(response, `no such target: ${target}`);
    return;
  }
  const tokenFault = findTokenFault(target, request.headers.authorization);
  const check = plan.sentAt === -1 ? new ContentCheck(0, 0) : new ContentCheck(plan.sentAt, plan.sentBytes);
  request.on('data', (chunk: Buffer) => check.add(chunk));
  request.on('end', () => {
    const fault = tokenFault ?? check.end();
    if (fault !== undefined) refuse(response, fault);
    else if (plan.waitMs === 0) respond(plan, request, response);
    else setTimeout(() => respond(plan, request, response), plan.waitMs);
  });
}

function refuse(response: Response, fault: string): void {
  (response as ServerResponse).writeHead(500, { [FAULT_FIELD]: fault, 'content-length': 0 }).end();
}

function respond(plan: ExchangePlan, request: Request, response: Response): void {
  const { number, status, at, bytes, pieces } = plan;
  const fields: Record<string, string | number> = { [NUMBER_FIELD]: number };
  if (plan.isLast && request.httpVersionMajor === 1) fields.connection = 'close';
  const hasNone = status === 204;
  if (pieces === 1 && !hasNone) fields['content-length'] = bytes;
  if (pieces > 1) fields['content-type'] = 'text/event-stream';
  (response as ServerResponse).writeHead(status, fields);
  if (hasNone || request.method === 'HEAD') response.end();
  else if (pieces === 1) response.end(toContent(at, bytes));
  else writePieces(plan, response);
}

function writePieces({ at, bytes, pieces, gapMs }: ExchangePlan, response: Response): void {
  const content = toContent(at, bytes);
  const size = Math.ceil(bytes / pieces);
  let sent = 0;
  const goOn = (): void => {
    if (response.destroyed || response.writableEnded) return;
    (response as ServerResponse).write(content.subarray(sent, sent + size));
    sent += size;
    if (sent < bytes) setTimeout(goOn, gapMs);
    else response.end();
  };
  goOn();
}

/** Says back what is said. */
const webSockets = new WebSocketServer({ noServer: true, maxPayload: 1_048_576 });
webSockets.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
});

const plain = createServer(answer);
plain.on('upgrade', (request: IncomingMessage, socket, head) => {
  socket.on('error', () => {});
  const fault = findTokenFault(request.url ?? '', request.headers.authorization);
  if (fault === undefined)
    webSockets.handleUpgrade(request, socket, head, (one) => webSockets.emit('connection', one));
  else
    socket.end(`HTTP/1.1 500 Internal Server Error\r\n${FAULT_FIELD}: ${fault}\r\nContent-Length: 0\r\n\r\n`);
});
const secure = createTlsServer(authority.issue(['localhost']), answer);
// Who closes an idle connection is the proxy: else a request may meet a connection that ends.
for (const server of [plain, secure]) server.keepAliveTimeout = 0;
const http2 = createHttp2Server(answer);
http2.on('sessionError', () => {});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const origins = {
  plain: `http://127.0.0.1:${await listen(plain)}`,
  tls: `https://localhost:${await listen(secure)}`,
  http2: `http://127.0.0.1:${await listen(http2)}`,
} satisfies Record<(typeof STAGE_ROUTES)[number]['upstream'], string>;

function countConnections(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

const orders = {
  /** Where all is. The certificates are the upstream's authority, and the proxy's own for its listener. */
  open: () => ({
    origins,
    metadataHost: emulator.google.metadataHost,
    credentials: emulator.credentials,
    authority: authority.cert,
    listener: authority.issue(['localhost', '127.0.0.1']),
  }),
  /** `connections`: to upstreams, and to Google. */
  count: () => ({ connections: countConnections(), mints: judge.mints(), faults }),
};
takeOrders(orders);

export type FarSideOrders = typeof orders;
