import type { HeldToken } from '../auth/token-source.ts';
import { ProxyError } from '../errors.ts';
import type { Caller } from '../gate/caller.ts';
import {
  CORS_OF_NO_ROUTE,
  type Preflight,
  parsePreflight,
  refuseCrossOrigin,
  toPreflightLines,
} from '../gate/cors.ts';
import type { Arrival, Gate } from '../gate/gate.ts';
import type { Authority } from '../gate/host.ts';
import { parseTarget, toUpstreamTarget } from '../routing/target.ts';
import { type Admission, admit } from './admission.ts';
import type { FieldLines } from './field-lines.ts';
import { type ForwardedFacts, toForwardedLines } from './forwarded.ts';
import { isGrpc } from './grpc.ts';
import { type Arriving, meetClient, type OwnPage } from './known-client.ts';
import { toRewrites } from './localization.ts';
import {
  type BodyFraming,
  type CredentialHeader,
  type RequestFacts,
  toTrailingLines,
  toUpstreamLines,
  type UpgradeProtocol,
  upgradeOf,
} from './request-head.ts';
import { findDenial } from './route-rules.ts';
import type { ListenerRules, Route, Site } from './site.ts';

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
  /** Which listener it came through: an index of `Site.listeners`. */
  readonly listener: number;
  /** The shell can hand this request's connection over to another protocol. */
  readonly canUpgrade?: boolean;
}

export interface Http2Facts {
  readonly authority: string | undefined;
  /** Whether content follows the head. */
  readonly hasBody: boolean;
}

export type Decision =
  | {
      readonly kind: 'answer';
      readonly error: ProxyError;
      /** Who is answered; undefined for whom the gate hasn't let in. */
      readonly caller: Caller | undefined;
      /** Name of the route that refused it; undefined where none did. */
      readonly route: string | undefined;
    }
  /** A page that says where the visitor came from and offers to go on to `url`. */
  | {
      readonly kind: 'ask';
      readonly error: ProxyError;
      readonly url: string;
      readonly from: string | undefined;
    }
  /** `OPTIONS *` (RFC 9110, section 9.3.7): about the proxy itself. */
  | { readonly kind: 'server-options' }
  /** A page of the proxy's own; its link for signing in is used up by being answered. */
  | { readonly kind: 'own-page'; readonly page: OwnPage }
  /** Yes to what a browser asks for a page before it sends a request. */
  | { readonly kind: 'preflight'; readonly route: string | undefined; readonly lines: string[] }
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
  readonly caller: Caller;
  readonly placement: Placement;
}

/** Which header takes the token, and what becomes of the client's own `Authorization`. */
export interface Placement {
  readonly header: CredentialHeader | undefined;
  readonly keepAuthorization: boolean;
}

/**
 * Decides what happens to a request: gate, target, client secret, route, token placement, in this order, so that nothing is asked of
 * Google or an upstream for a request that may not come in. Pure; never throws.
 */
export function decide(site: Site, head: RequestHead): Decision {
  try {
    const admission = admit(site, head);
    try {
      return decideAdmitted(site, head, admission);
    } catch (error) {
      return toAnswer(error, admission.caller);
    }
  } catch (error) {
    return toAnswer(error, undefined);
  }
}

function toAnswer(reason: unknown, caller: Caller | undefined): Decision {
  const error =
    reason instanceof ProxyError
      ? reason
      : new ProxyError('internal', 'The request could not be judged.', { cause: reason });
  return { kind: 'answer', error, caller, route: undefined };
}

function decideAdmitted(site: Site, head: RequestHead, admission: Admission): Decision {
  const { facts, host, arrival, verdict } = admission;
  const target = parseTarget(head.target);
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
  const route = site.routes(authority.name, target.path);
  const preflight = parsePreflight(head.method, facts.origin, head.lines);
  const permission = preflight && permit(preflight, admission, route);
  if (permission !== undefined) return permission;
  const arriving = { head, facts, target, authority };
  const { clientSecret } = listenerOf(site, head);
  if (clientSecret === undefined) return decideRoute(site, arriving, admission, route);
  const meeting = meetClient(clientSecret, arriving);
  if (meeting.kind === 'own-page') return meeting;
  return decideRoute(site, { ...meeting, target, authority }, admission, route);
}

/** What is asked of a request's client. Where that isn't known, nobody gets in. */
function listenerOf({ listeners }: Site, { listener }: RequestHead): ListenerRules {
  const rules = listeners[listener];
  if (rules === undefined) throw new Error('a request of no listener');
  return rules;
}

/** What becomes of a request that may come in. */
function decideRoute(
  site: Site,
  { head, facts, target, authority }: Arriving,
  { framing, host, arrival, caller }: Admission,
  route: Route | undefined,
): Decision {
  if (facts.expect !== undefined && facts.expect.toLowerCase() !== '100-continue') {
    throw new ProxyError('expectation_failed', 'The only Expect taken is "100-continue".');
  }
  if (route === undefined) throw noRoute(site, authority.name, target.path);
  refuseCrossOrigin(caller, arrival, route.cors, route.name);
  const asked = upgradeOf(head.method, head.httpMinor, facts);
  const upgrade = head.canUpgrade ? asked : undefined;
  if (route.rules !== undefined) {
    const error = findDenial(route.name, route.rules, {
      method: head.method,
      lines: head.lines,
      // Rules know paths behind the route's own.
      path: route.path === '/' ? target.path : target.path.slice(route.path.length),
      query: target.query,
      isUpgrade: upgrade !== undefined,
      bodyBytes: framing === 'length' ? Number(facts.contentLength) : undefined,
    });
    if (error !== undefined) return { kind: 'answer', error, caller, route: route.name };
  }
  return {
    kind: 'forward',
    route,
    head,
    facts,
    localTarget: target.path + target.query,
    target: toUpstreamTarget(route, target.path, target.query),
    framing,
    isGrpc: isGrpc(facts),
    upgrade,
    forwardedHost: target.authority ?? host ?? '',
    caller,
    placement: placeToken(route, facts),
  };
}

/**
 * Answers a preflight before anybody is asked for a secret or a token: browsers send neither along. Undefined where the upstream has to.
 * @throws ProxyError `origin_not_allowed` for what the route doesn't take from the page
 */
function permit(
  preflight: Preflight,
  { caller, arrival }: Admission,
  route: Route | undefined,
): Decision | undefined {
  const name = route?.name ?? '';
  const cors = route === undefined ? CORS_OF_NO_ROUTE : route.cors;
  if (cors.kind === 'proxy')
    return { kind: 'preflight', route: route?.name, lines: toPreflightLines(preflight, cors, name) };
  refuseCrossOrigin(caller, arrival, cors, name);
  return undefined;
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
    hint: `Routes: ${site.routeList.map(({ name }) => name).join(', ')}`,
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
