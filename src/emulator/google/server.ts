import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { Fault, FaultPlan, GoogleEndpoint } from '../faults.ts';
import { inviteBody, type RequestHandler } from '../listen.ts';
import { answerCertificates, answerDiscovery, answerJwks } from './certs.ts';
import { type Google, type GoogleAnswer, type GoogleHandler, toErrorPage, toJsonAnswer } from './http.ts';
import { answerGenerateAccessToken, answerGenerateIdToken } from './iam-credentials.ts';
import { answerMetadata } from './metadata.ts';
import { answerTokenRequest } from './token.ts';
import { answerTokenInfo } from './token-info.ts';

/** No request to these endpoints is anywhere near as long. */
const BODY_LIMIT_BYTES = 65_536;

/** How many requests reached each endpoint, whatever became of them. */
export type RequestCounts = Record<GoogleEndpoint, number>;

interface GoogleRoute {
  readonly methods: readonly string[];
  readonly path: RegExp;
  readonly endpoint: GoogleEndpoint;
  readonly answer: GoogleHandler;
}

const ROUTES: readonly GoogleRoute[] = [
  { methods: ['POST'], path: /^\/token$/, endpoint: 'token', answer: answerTokenRequest },
  {
    methods: ['POST'],
    path: /^\/v1\/projects\/[^/]+\/serviceAccounts\/[^/]+:generateIdToken$/,
    endpoint: 'generateIdToken',
    answer: answerGenerateIdToken,
  },
  {
    methods: ['POST'],
    path: /^\/v1\/projects\/[^/]+\/serviceAccounts\/[^/]+:generateAccessToken$/,
    endpoint: 'generateAccessToken',
    answer: answerGenerateAccessToken,
  },
  { methods: ['GET'], path: /^\/oauth2\/v3\/certs$/, endpoint: 'certs', answer: answerJwks },
  { methods: ['GET'], path: /^\/oauth2\/v1\/certs$/, endpoint: 'certs', answer: answerCertificates },
  {
    methods: ['GET'],
    path: /^\/\.well-known\/openid-configuration$/,
    endpoint: 'certs',
    answer: answerDiscovery,
  },
  {
    methods: ['GET', 'POST'],
    path: /^\/(?:oauth2\/v[123]\/)?tokeninfo$/,
    endpoint: 'certs',
    answer: answerTokenInfo,
  },
  {
    methods: ['GET'],
    path: /^\/(?:computeMetadata(?:\/.*)?)?$/,
    endpoint: 'metadata',
    answer: answerMetadata,
  },
];

export interface GoogleHandlerOptions {
  readonly google: Google;
  readonly faults: FaultPlan;
  readonly requests: RequestCounts;
}

/** Google's hosts on one port: oauth2, www and iamcredentials.googleapis.com, and the metadata server. */
export function createGoogleHandler({ google, faults, requests }: GoogleHandlerOptions): RequestHandler {
  return async (request, response, origin) => {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://google.invalid');
    const path = decodePath(pathname);
    const route = ROUTES.find((candidate) => candidate.path.test(path));
    if (route === undefined) return send(response, toErrorPage(404, 'Not Found'));
    if (!route.methods.includes(request.method ?? '')) {
      return send(response, toErrorPage(405, 'Method Not Allowed'));
    }

    requests[route.endpoint] += 1;
    inviteBody(request, response);
    const body = await readBody(request);
    if (body === undefined) return send(response, toErrorPage(413, 'Request Entity Too Large'));
    const { headers } = request;
    const fault = faults.take(route.endpoint);
    if (fault === 'hang') return;
    if (fault === 'reset') return void response.destroy();
    if (fault === 'garbage' || fault === 'empty' || (typeof fault === 'object' && 'status' in fault)) {
      return send(response, toFaultAnswer(fault, route.endpoint));
    }
    if (fault !== undefined && fault !== 'same-token') await pass(fault.delayMs, google.clock);
    const reuse = fault === 'same-token' ? 'always' : 'never';
    send(response, await route.answer({ origin, path, query, headers, body, reuse }, google));
  };
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
