import type { HeldToken } from '../auth/token-source.ts';
import { ProxyError } from '../errors.ts';
import type { Arrival, Gate } from '../gate/gate.ts';
import type { Authority } from '../gate/host.ts';
import { parseTarget, toUpstreamTarget } from '../routing/target.ts';
import type { FieldLines } from './field-lines.ts';
import { type ForwardedFacts, toForwardedLines } from './forwarded.ts';
import { isGrpc } from './grpc.ts';
import { toRewrites } from './localization.ts';
import {
  type BodyFraming,
  type CredentialHeader,
  framingOf,
  framingOfStream,
  type RequestFacts,
  readRequestFacts,
  toTrailingLines,
  toUpstreamLines,
  type UpgradeProtocol,
  upgradeOf,
} from './request-head.ts';
import type { Route, Site } from './site.ts';

/** A request's head as it arrived: all that a decision may rest on. */
export interface RequestHead {
  readonly method: string;
  /** The request target as sent. */
  readonly target: string;
  readonly httpMajor: number;
  readonly httpMinor: number;
  readonly lines: FieldLines;
  /** What HTTP/2 says outside of field lines (RFC 9113, section 8.3); undefined for a request in HTTP/1. */
  readonly http2: Http2Facts | undefined;
  /** The client's address, for `X-Forwarded-For`. */
  readonly peer: string;
  readonly scheme: 'http' | 'https';
  /** The shell can hand this request's connection over to another protocol. */
  readonly canUpgrade?: boolean;
}

export interface Http2Facts {
  readonly authority: string | undefined;
  /** Whether content follows the head. */
  readonly hasBody: boolean;
}

export type Decision =
  | { readonly kind: 'answer'; readonly error: ProxyError }
  /** A page that says where the visitor came from and offers to go on to `url`. */
  | {
      readonly kind: 'ask';
      readonly error: ProxyError;
      readonly url: string;
      readonly from: string | undefined;
    }
  /** `OPTIONS *` (RFC 9110, section 9.3.7): about the proxy itself. */
  | { readonly kind: 'server-options' }
  | Forward;

/** Go to the route's upstream; the token is added by `composeHead` once it is at hand. */
export interface Forward {
  readonly kind: 'forward';
  readonly route: Route;
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  /** The client's request target, in origin-form. */
  readonly localTarget: string;
  /** The upstream's request target. */
  readonly target: string;
  readonly framing: BodyFraming;
  /** gRPC, which is HTTP/2 by definition. */
  readonly isGrpc: boolean;
  /** A handshake: the connection is to be switched to this protocol. */
  readonly upgrade: UpgradeProtocol | undefined;
  /** The authority that the client asked for: its `Host`, or that of an absolute-form target (RFC 9112, section 3.2.2). */
  readonly forwardedHost: string;
  readonly placement: Placement;
}

/** Which header takes the token, and what becomes of the client's own `Authorization`. */
export interface Placement {
  readonly header: CredentialHeader | undefined;
  readonly keepAuthorization: boolean;
}

/** Largest request head taken, in bytes. */
export const MAX_HEAD_BYTES = 32_768;
/** Most field lines taken; Node itself would silently drop those past its limit. */
export const MAX_FIELD_LINES = 256;

/**
 * Decides what happens to a request: gate, target, route, token placement, in this order, so that nothing is asked of
 * Google or an upstream for a request that may not come in. Pure; never throws.
 */
export function decide(site: Site, head: RequestHead): Decision {
  try {
    return decideOrThrow(site, head);
  } catch (error) {
    if (error instanceof ProxyError) return { kind: 'answer', error };
    return {
      kind: 'answer',
      error: new ProxyError('internal', 'The request could not be judged.', { cause: error }),
    };
  }
}

function decideOrThrow(site: Site, head: RequestHead): Decision {
  if (head.http2 === undefined && (head.httpMajor !== 1 || head.httpMinor > 1)) {
    throw new ProxyError('http_version_not_supported', 'This listener speaks HTTP/1.0, HTTP/1.1 and HTTP/2.');
  }
  if (head.lines.length > MAX_FIELD_LINES * 2) {
    throw new ProxyError('head_too_large', `The request has more than ${MAX_FIELD_LINES} header lines.`);
  }
  // In HTTP/1 its parser counts, line ends and all.
  if (head.http2 !== undefined && isTooLarge(head)) {
    throw new ProxyError('head_too_large', `The request head is larger than ${MAX_HEAD_BYTES} bytes.`);
  }
  const facts = readRequestFacts(head.lines);
  // Whoever it is from: where it ends has to be beyond doubt, or what follows it is no request.
  const framing =
    head.http2 === undefined ? framingOf(facts, head.httpMinor) : framingOfStream(head.http2, facts);
  const host = settleHost(head, facts);
  const target = parseTarget(head.target);
  const arrival: Arrival = {
    method: head.method,
    scheme: head.scheme,
    host,
    origin: facts.origin,
    fetchSite: facts.fetchSite,
    fetchMode: facts.fetchMode,
    fetchDest: facts.fetchDest,
    referer: facts.referer,
  };
  const verdict = site.gate(arrival);
  if (verdict.kind === 'refuse') throw verdict.error;
  const authority =
    target.authority === undefined
      ? verdict.authority
      : admitTargetAuthority(site.gate, arrival, target.authority);
  if (head.method === 'CONNECT' || head.method === 'TRACE') {
    throw new ProxyError('method_not_allowed', `${head.method} is not relayed.`);
  }
  if (target.path === '*') {
    if (head.method === 'OPTIONS') return { kind: 'server-options' };
    throw new ProxyError('bad_request', 'Only OPTIONS may have the target "*".');
  }
  if (verdict.kind === 'ask') {
    const url = `${head.scheme}://${target.authority ?? host}${target.path}${target.query}`;
    return { kind: 'ask', error: verdict.error, url, from: facts.referer };
  }
  if (facts.expect !== undefined && facts.expect.toLowerCase() !== '100-continue') {
    throw new ProxyError('expectation_failed', 'The only Expect taken is "100-continue".');
  }
  const route = site.routes(authority.name, target.path);
  if (route === undefined) throw noRoute(site, authority.name, target.path);
  const upgrade = upgradeOf(head.method, head.httpMinor, facts);
  return {
    kind: 'forward',
    route,
    head,
    facts,
    localTarget: target.path + target.query,
    target: toUpstreamTarget(route, target.path, target.query),
    framing,
    isGrpc: isGrpc(facts),
    upgrade: head.canUpgrade ? upgrade : undefined,
    forwardedHost: target.authority ?? host ?? '',
    placement: placeToken(route, facts),
  };
}

function isTooLarge({ target, lines }: RequestHead): boolean {
  let size = target.length;
  for (const text of lines) size += text.length;
  return size > MAX_HEAD_BYTES;
}

/** HTTP/2 has the authority in a field of its own; a `Host` beside it has to say the same (RFC 9113, section 8.3.1). */
function settleHost({ http2 }: RequestHead, { host }: RequestFacts): string | undefined {
  if (http2?.authority === undefined) return host;
  if (host === undefined || host === http2.authority) return http2.authority;
  throw new ProxyError('bad_host', 'The request has a Host header other than its :authority.');
}

/** RFC 9112, section 3.2.2: the authority of an absolute-form target counts, so it has to pass the gate as well. */
function admitTargetAuthority(gate: Gate, arrival: Arrival, host: string): Authority {
  const verdict = gate({ ...arrival, host, fetchSite: undefined });
  if (verdict.kind !== 'admit') throw verdict.error;
  return verdict.authority;
}

function noRoute(site: Site, hostName: string, path: string): ProxyError {
  const where = path.length > LONGEST_SHOWN_PATH ? `${path.slice(0, LONGEST_SHOWN_PATH)}…` : path;
  return new ProxyError('no_route', `No route takes ${where} on host ${hostName}.`, {
    hint: `Routes: ${site.routeNames.join(', ')}`,
  });
}

const LONGEST_SHOWN_PATH = 200;

/** Which header takes the token (see `header` in the README), by what the route says and the client sent. */
export function placeToken(
  route: Pick<Route, 'name' | 'tokens' | 'header' | 'spareHeader'>,
  facts: Pick<RequestFacts, 'authorizationCount'>,
): Placement {
  const placement = choosePlacement(route, facts.authorizationCount);
  if (placement.keepAuthorization && facts.authorizationCount > 1) {
    throw new ProxyError(
      'bad_request',
      `A request for route ${route.name} may have one Authorization header.`,
    );
  }
  return placement;
}

function choosePlacement(
  route: Pick<Route, 'tokens' | 'header' | 'spareHeader'>,
  authorizationCount: number,
): Placement {
  if (route.tokens === undefined) return { header: undefined, keepAuthorization: true };
  switch (route.header) {
    case 'authorization':
      return { header: 'Authorization', keepAuthorization: false };
    case 'x-serverless-authorization':
      return { header: 'X-Serverless-Authorization', keepAuthorization: true };
    case 'proxy-authorization':
      return { header: 'Proxy-Authorization', keepAuthorization: true };
    case 'auto':
      return authorizationCount > 0 && route.spareHeader !== undefined
        ? { header: route.spareHeader, keepAuthorization: true }
        : { header: 'Authorization', keepAuthorization: false };
  }
}

/**
 * The field lines to send upstream.
 * @param token the route's token; undefined only for routes that send none
 * @throws ProxyError `token_unavailable` when the route wants a token and none is given: no token, no request
 */
export function composeHead(forward: Forward, token: HeldToken | undefined): string[] {
  const { route, facts, head, placement } = forward;
  if ((placement.header === undefined) !== (token === undefined)) {
    throw new ProxyError('token_unavailable', `There is no token for route ${route.name}.`);
  }
  return toUpstreamLines(head.lines, facts, {
    host: route.upstreamHost,
    keepAuthorization: placement.keepAuthorization,
    credential:
      placement.header === undefined || token === undefined
        ? undefined
        : { header: placement.header, bearer: token.bearer },
    quotaProject: route.quotaProject ?? token?.quotaProject,
    forwarded: toForwardedLines(route.forwarded, toForwardedFacts(forward)),
    trailing: forward.upgrade === undefined ? toTrailingLines(facts, forward.framing) : [],
    rewrites: toRewrites(forward),
    upgrade: forward.upgrade,
    remove: route.removeHeaders,
    set: route.setHeaders,
  });
}

/** An application that is shown its own origin is shown its own address as well: it would compare the two. */
function toForwardedFacts({ route, head, forwardedHost }: Forward): ForwardedFacts {
  const { peer, scheme } = head;
  if (!route.presentOrigin)
    return { peer, host: forwardedHost, scheme, prefix: route.stripPath ? route.path : '' };
  const isSecure = route.upstreamOrigin.startsWith('https:');
  return { peer, host: route.upstreamHost, scheme: isSecure ? 'https' : 'http', prefix: '' };
}
