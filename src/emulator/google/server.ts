import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { Fault, FaultPlan, GoogleEndpoint } from '../faults.ts';
import type { Issuance } from '../issuer.ts';
import { inviteBody, type RequestHandler } from '../listen.ts';
import { type Google, type GoogleAnswer, toErrorPage, toJsonAnswer } from './http.ts';
import { ROUTES } from './routes.ts';

/** No request to these endpoints is anywhere near as long. */
const BODY_LIMIT_BYTES = 65_536;

/** How many requests reached each endpoint, whatever became of them. */
export type RequestCounts = Record<GoogleEndpoint, number>;

/** None yet. */
export function createRequestCounts(): RequestCounts {
  return {
    token: 0,
    sts: 0,
    generateIdToken: 0,
    generateAccessToken: 0,
    signJwt: 0,
    metadata: 0,
    certs: 0,
    userInfo: 0,
    resourceManager: 0,
    run: 0,
    functions: 0,
    awsMetadata: 0,
    githubOidc: 0,
  };
}

export interface GoogleHandlerOptions {
  readonly google: Google;
  readonly faults: FaultPlan;
  readonly requests: RequestCounts;
}

/** Google's hosts on one port, and the metadata servers. */
export function createGoogleHandler({ google, faults, requests }: GoogleHandlerOptions): RequestHandler {
  return async (request, response, origin) => {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://google.invalid');
    const path = decodePath(pathname);
    const route = ROUTES.find((candidate) => candidate.path.test(path));
    if (route === undefined) return send(response, toErrorPage(404, 'Not Found'));
    const { method = '', headers } = request;
    if (!route.methods.includes(method)) return send(response, toErrorPage(405, 'Method Not Allowed'));

    requests[route.endpoint] += 1;
    inviteBody(request, response);
    const body = await readBody(request);
    if (body === undefined) return send(response, toErrorPage(413, 'Request Entity Too Large'));
    const fault = faults.take(route.endpoint);
    if (fault === 'hang') return;
    if (fault === 'reset') return void response.destroy();
    if (fault === 'garbage' || fault === 'empty' || (typeof fault === 'object' && 'status' in fault)) {
      return send(response, toFaultAnswer(fault, route.endpoint));
    }
    if (typeof fault === 'object' && 'delayMs' in fault) await pass(fault.delayMs, google.clock);
    const issuance = toIssuance(fault);
    const clientCertificate = toClientCertificate(request);
    const answer = await route.answer(
      { origin, method, path, query, headers, body, clientCertificate, issuance },
      google,
    );
    if (issuance.clockOffsetMs !== undefined) {
      const wallMs = google.clock.now().wallMs + issuance.clockOffsetMs;
      response.setHeader('Date', new Date(wallMs).toUTCString());
    }
    send(response, answer);
  };
}

/** How a fault has tokens made. */
function toIssuance(fault: Fault | undefined): Issuance {
  if (fault === 'same-token') return { reuse: 'always' };
  if (typeof fault !== 'object') return { reuse: 'never' };
  if ('audience' in fault) return { reuse: 'never', audience: fault.audience };
  if ('lifetimeMs' in fault) return { reuse: 'never', lifetimeMs: fault.lifetimeMs };
  if ('dateOffsetMs' in fault) return { reuse: 'never', clockOffsetMs: fault.dateOffsetMs };
  return { reuse: 'never' };
}

function toClientCertificate({ socket }: IncomingMessage): Buffer | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
}

function pass(delayMs: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}

type AnsweringFault = Extract<Fault, 'garbage' | 'empty' | { status: number }>;

function toFaultAnswer(fault: AnsweringFault, endpoint: GoogleEndpoint): GoogleAnswer {
  const flavor: Record<string, string> = endpoint === 'metadata' ? { 'Metadata-Flavor': 'Google' } : {};
  if (fault === 'garbage') {
    return { status: 200, headers: { ...flavor, 'Content-Type': 'text/html' }, body: '<p>Hello' };
  }
  if (fault === 'empty') return { status: 200, headers: flavor, body: '' };
  const { status, body, headers } = fault;
  if (body !== undefined) return toJsonAnswer(status, body, { ...flavor, ...headers });
  const page = toErrorPage(status, 'Emulated failure');
  return { ...page, headers: { ...page.headers, ...flavor, ...headers } };
}

/** A path without percent-encoding; as it is where that is broken. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The whole body as text; undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size <= BODY_LIMIT_BYTES) chunks.push(chunk);
  }
  if (size > BODY_LIMIT_BYTES) return undefined;
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, { status, headers, body }: GoogleAnswer): void {
  response.writeHead(status, { Server: 'ESF', ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
