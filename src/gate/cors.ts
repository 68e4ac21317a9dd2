/*
 * CORS (https://fetch.spec.whatwg.org/#http-cors-protocol) for pages that the gate has let in: what their browsers ask before they
 * send a request, and which requests a route takes from them. What is put on responses is in `cors-response.ts`.
 */
import type { CorsConfig } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import { type Caller, isVisit, type VisitMarks } from './caller.ts';
import { printable } from './printable.ts';

/** CORS as the proxy does it, with a route's limits. */
export type ProxyCors = Extract<CorsConfig, { readonly kind: 'proxy' }>;

/** A CORS-preflight request: a browser asks on behalf of a page whether it may send a request. */
export interface Preflight {
  /** As sent. */
  readonly origin: string;
  /** Of the request the page wants to make. */
  readonly method: string;
  /** Its headers that need leave, as sent. */
  readonly headers: readonly string[];
  /** The page came from a network from which this one can't be reached (https://wicg.github.io/private-network-access/). */
  readonly asksPrivateNetwork: boolean;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;

/**
 * Reads a preflight; undefined for any other request, a plain OPTIONS among them.
 * @param lines the request's field lines
 * @throws ProxyError `bad_request` where the method asked for is none
 */
export function parsePreflight(
  method: string,
  origin: string | undefined,
  lines: readonly string[],
): Preflight | undefined {
  if (method !== 'OPTIONS' || origin === undefined) return undefined;
  const asked = valuesOf(lines, 'access-control-request-method');
  if (asked.length === 0) return undefined;
  const [wanted = ''] = asked;
  if (asked.length > 1 || !TOKEN.test(wanted))
    throw new ProxyError('bad_request', 'Access-Control-Request-Method has to be one method.');
  const headers = valuesOf(lines, 'access-control-request-headers').join(',').split(',');
  return {
    origin,
    method: wanted,
    headers: headers.map((name) => name.trim()).filter((name) => TOKEN.test(name)),
    asksPrivateNetwork: valuesOf(lines, 'access-control-request-private-network').includes('true'),
  };
}

function valuesOf(lines: readonly string[], lowerName: string): string[] {
  return lines.filter((_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === lowerName);
}

/** What the answer depends on. The last is asked for by few browsers, and forgotten by none that keeps the answer. */
const PREFLIGHT_VARY =
  'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network';

/**
 * The field lines that say yes to a preflight.
 * @param route the name of the route it is for
 * @throws ProxyError `origin_not_allowed` for what the route's limits leave out
 */
export function toPreflightLines(preflight: Preflight, cors: ProxyCors, route: string): string[] {
  const { origin, method, headers, asksPrivateNetwork } = preflight;
  refuseMethod(method, cors, route);
  refuseHeaders(headers, cors, route);
  const lines = ['Access-Control-Allow-Origin', origin];
  if (cors.credentials) lines.push('Access-Control-Allow-Credentials', 'true');
  lines.push('Access-Control-Allow-Methods', method);
  if (headers.length > 0) lines.push('Access-Control-Allow-Headers', headers.join(', '));
  if (asksPrivateNetwork) lines.push('Access-Control-Allow-Private-Network', 'true');
  lines.push('Access-Control-Max-Age', String(Math.floor(cors.maxAgeMs / 1_000)), 'Vary', PREFLIGHT_VARY);
  return lines;
}

/** What is asked before a request that no route takes: it may be sent, so that its page can read the answer, which is a 404. */
export const CORS_OF_NO_ROUTE: ProxyCors = {
  kind: 'proxy',
  methods: undefined,
  headers: undefined,
  exposeHeaders: undefined,
  credentials: true,
  maxAgeMs: 0,
};

/** A request as far as a route's CORS settings go. */
export interface CrossOriginRequest extends VisitMarks {
  readonly fetchSite: string | undefined;
}

/**
 * Refuses a page's request to a route that is closed to it, or is not for that method: browsers send many without asking before.
 * @throws ProxyError `origin_not_allowed`
 */
export function refuseCrossOrigin(
  caller: Caller,
  request: CrossOriginRequest,
  cors: CorsConfig,
  route: string,
): void {
  if (cors.kind === 'upstream' || caller.kind === 'program') return;
  if (!isFromAnotherPage(caller, request)) return;
  if (cors.kind === 'closed') throw refuseClosed(caller, route);
  refuseMethod(request.method, cors, route);
}

/** What has no `Origin` says by `Sec-Fetch-Site` that a page of another origin made it: an image, a script. A link is no call. */
function isFromAnotherPage(caller: Caller, request: CrossOriginRequest): boolean {
  if (caller.kind === 'page') return caller.isForeign;
  const { fetchSite } = request;
  if (fetchSite === undefined || fetchSite === 'same-origin' || fetchSite === 'none') return false;
  return !isVisit(request);
}

function refuseClosed(caller: Caller, route: string): ProxyError {
  const who =
    caller.kind === 'page' ? `The page at origin "${printable(caller.origin)}"` : 'A page of another origin';
  return new ProxyError('origin_not_allowed', `${who} may not call the route ${printable(route)}.`, {
    hint: `Take the line  cors: false  from the route ${printable(route)} in the configuration if pages of other origins may call it.`,
  });
}

function refuseMethod(method: string, { methods }: ProxyCors, route: string): void {
  if (methods === undefined || methods.includes(method)) return;
  if (method === 'HEAD' && methods.includes('GET')) return;
  throw new ProxyError(
    'origin_not_allowed',
    `Pages of other origins may not use the method ${printable(method)} at the route ${printable(route)}.`,
    {
      hint: `If they may, write at that route:  cors: { methods: [${[...methods, printable(method)].join(', ')}] }`,
    },
  );
}

function refuseHeaders(asked: readonly string[], { headers }: ProxyCors, route: string): void {
  if (headers === undefined) return;
  const more = asked.filter((name) => !headers.includes(name.toLowerCase()));
  if (more.length === 0) return;
  const names = more.map(printable).join(', ');
  throw new ProxyError(
    'origin_not_allowed',
    `Pages of other origins may not send ${names} to the route ${printable(route)}.`,
    { hint: `If they may, write at that route:  cors: { headers: [${[...headers, names].join(', ')}] }` },
  );
}
