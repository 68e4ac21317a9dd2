import { ProxyError } from '../errors.ts';
import { type FieldLines, joinValues, namesInConnection, rememberByName, trim } from './field-lines.ts';
import { toTrailerNames } from './trailers.ts';

/** What a request's field lines say, read in one pass. Repeated values are joined by `, ` (RFC 9110, section 5.3). */
export interface RequestFacts {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly fetchMode: string | undefined;
  readonly fetchDest: string | undefined;
  readonly referer: string | undefined;
  readonly authorization: string | undefined;
  readonly authorizationCount: number;
  readonly contentLength: string | undefined;
  readonly transferEncoding: string | undefined;
  readonly expect: string | undefined;
  readonly upgrade: string | undefined;
  readonly contentType: string | undefined;
  readonly hasCookie: boolean;
  readonly te: string | undefined;
  readonly trailer: string | undefined;
  readonly traceparent: string | undefined;
  readonly connection: string | undefined;
  /** Lower-case names the client's `Connection` lists beyond the usual ones; undefined when there are none. */
  readonly connectionNames: ReadonlySet<string> | undefined;
}

/** What a request header's name means to us. Numbers, because each header of each request is looked up. */
const Role = {
  /** Goes on as it is. */
  pass: 0,
  /** Never goes on: hop-by-hop, or ours to set. */
  drop: 1,
  host: 2,
  // From `origin` to `authorization`: looked at, and goes on.
  origin: 3,
  fetchSite: 4,
  fetchMode: 5,
  fetchDest: 6,
  referer: 7,
  contentType: 8,
  cookie: 9,
  traceparent: 10,
  authorization: 11,
  // From here on: looked at, and never goes on. The body is framed anew.
  contentLength: 12,
  transferEncoding: 13,
  connection: 14,
  expect: 15,
  upgrade: 16,
  te: 17,
  trailer: 18,
} as const;
type Role = (typeof Role)[keyof typeof Role];

const REQUEST_ROLES: Readonly<Record<string, Role>> = {
  host: Role.host,
  origin: Role.origin,
  'sec-fetch-site': Role.fetchSite,
  'sec-fetch-mode': Role.fetchMode,
  'sec-fetch-dest': Role.fetchDest,
  referer: Role.referer,
  'content-type': Role.contentType,
  cookie: Role.cookie,
  traceparent: Role.traceparent,
  authorization: Role.authorization,
  'content-length': Role.contentLength,
  'transfer-encoding': Role.transferEncoding,
  connection: Role.connection,
  expect: Role.expect,
  upgrade: Role.upgrade,
  te: Role.te,
  trailer: Role.trailer,
  'keep-alive': Role.drop,
  'http2-settings': Role.drop,
  'x-serverless-authorization': Role.drop,
  // Whom the client pretends to be forwarding for is not believed: a loopback client is no trusted proxy.
  forwarded: Role.drop,
};

const RESERVED_PREFIXES = ['proxy-', 'x-forwarded-'];

function roleOf(lowerName: string): Role {
  const role = Object.hasOwn(REQUEST_ROLES, lowerName) ? REQUEST_ROLES[lowerName] : undefined;
  if (role !== undefined) return role;
  if (RESERVED_PREFIXES.some((prefix) => lowerName.startsWith(prefix))) return Role.drop;
  if (!lowerName.includes('_')) return Role.pass;
  // CGI-style servers read `_` and `-` as one, so such a name could stand for one of those above.
  const dashed = lowerName.replaceAll('_', '-');
  return roleOf(dashed) === Role.pass ? Role.pass : Role.drop;
}

const requestRole = rememberByName(roleOf);

/** Reads a request's field lines. Pure; never throws. */
export function readRequestFacts(lines: FieldLines): RequestFacts {
  let host: string | undefined;
  let origin: string | undefined;
  let fetchSite: string | undefined;
  let fetchMode: string | undefined;
  let fetchDest: string | undefined;
  let referer: string | undefined;
  let authorization: string | undefined;
  let authorizationCount = 0;
  let contentLength: string | undefined;
  let transferEncoding: string | undefined;
  let connection: string | undefined;
  let expect: string | undefined;
  let upgrade: string | undefined;
  let contentType: string | undefined;
  let hasCookie = false;
  let te: string | undefined;
  let trailer: string | undefined;
  let traceparent: string | undefined;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    const value = lines[i + 1] as string;
    const role = requestRole(name);
    if (role <= Role.drop) continue;
    if (role === Role.host) host = joinValues(host, value);
    else if (role === Role.connection) connection = joinValues(connection, value);
    else if (role === Role.origin) origin = joinValues(origin, value);
    else if (role === Role.fetchSite) fetchSite = joinValues(fetchSite, value);
    else if (role === Role.fetchMode) fetchMode = joinValues(fetchMode, value);
    else if (role === Role.fetchDest) fetchDest = joinValues(fetchDest, value);
    else if (role === Role.referer) referer = joinValues(referer, value);
    else if (role === Role.contentLength) contentLength = joinValues(contentLength, value);
    else if (role === Role.transferEncoding) transferEncoding = joinValues(transferEncoding, value);
    else if (role === Role.expect) expect = joinValues(expect, value);
    else if (role === Role.contentType) contentType = joinValues(contentType, value);
    else if (role === Role.upgrade) upgrade = joinValues(upgrade, value);
    else if (role === Role.te) te = joinValues(te, value);
    else if (role === Role.trailer) trailer = joinValues(trailer, value);
    else if (role === Role.cookie) hasCookie = true;
    else if (role === Role.traceparent) traceparent = joinValues(traceparent, value);
    else {
      authorization = value;
      authorizationCount += 1;
    }
  }
  return {
    host,
    origin,
    fetchSite,
    fetchMode,
    fetchDest,
    referer,
    authorization,
    authorizationCount,
    contentLength,
    transferEncoding,
    expect,
    upgrade,
    contentType,
    hasCookie,
    te,
    trailer,
    traceparent,
    connection,
    connectionNames: connection === undefined ? undefined : namesInConnection(connection),
  };
}

/** Names the project to bill; there may be one of it. https://cloud.google.com/docs/quotas/set-quota-project */
const QUOTA_PROJECT = 'x-goog-user-project';

/** Headers a token can travel in. */
export type CredentialHeader = 'Authorization' | 'X-Serverless-Authorization' | 'Proxy-Authorization';

/** Each undefined: the value goes on as it is. */
export interface RequestRewrites {
  readonly origin: ((value: string) => string) | undefined;
  readonly referer: ((value: string) => string) | undefined;
  /** Gives undefined for a line that doesn't go on. */
  readonly cookie: ((value: string) => string | undefined) | undefined;
}

/** Everything that is put on a request besides what the client sent. */
export interface RequestAdditions {
  /** The upstream's own authority, for `Host`. */
  readonly host: string;
  /** Whether the client's `Authorization` goes on. */
  readonly keepAuthorization: boolean;
  /** The token and its header; undefined for routes without one. */
  readonly credential: { readonly header: CredentialHeader; readonly bearer: string } | undefined;
  readonly quotaProject: string | undefined;
  /** What is said of the client, in place of what it said itself. */
  readonly forwarded: FieldLines;
  /** `TE: trailers` and `Trailer`, where they hold for this hop, too. */
  readonly trailing: FieldLines;
  /** How values read upstream that are the proxy's own on this side; undefined leaves all as they are. */
  readonly rewrites: RequestRewrites | undefined;
  /** The protocol to switch to, for a handshake. */
  readonly upgrade?: UpgradeProtocol | undefined;
  /** Names (lower case) dropped by configuration. */
  readonly remove: ReadonlySet<string> | undefined;
  /** Field lines set by configuration, in place of the client's. */
  readonly set: FieldLines;
}

/**
 * The field lines for the upstream. What the client's `Connection` names goes first, ours comes last: nothing a client
 * sends can take the token off again (RFC 9110, section 7.6.1; CVE-2021-33197).
 */
export function toUpstreamLines(lines: FieldLines, facts: RequestFacts, add: RequestAdditions): string[] {
  const { connectionNames } = facts;
  const { remove } = add;
  const out: string[] = ['Host', add.host];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    const role = requestRole(name);
    if (role !== Role.pass) {
      if (role === Role.authorization) {
        if (!add.keepAuthorization) continue;
      } else if (role < Role.origin || role > Role.authorization) continue;
    }
    if (connectionNames?.has(name.toLowerCase())) continue;
    if (remove?.has(name.toLowerCase())) continue;
    if (add.quotaProject !== undefined && name.toLowerCase() === QUOTA_PROJECT) continue;
    const value = lines[i + 1] as string;
    const rewritten = add.rewrites === undefined ? value : rewrite(role, value, add.rewrites);
    if (rewritten !== undefined) out.push(name, rewritten);
  }
  for (const text of add.trailing) out.push(text);
  for (const text of add.forwarded) out.push(text);
  for (const text of add.set) out.push(text);
  if (add.quotaProject !== undefined) out.push('X-Goog-User-Project', add.quotaProject);
  if (add.upgrade !== undefined) out.push('Connection', 'Upgrade', 'Upgrade', add.upgrade);
  if (add.credential !== undefined) out.push(add.credential.header, add.credential.bearer);
  return out;
}

function rewrite(
  role: Role,
  value: string,
  { origin, referer, cookie }: RequestRewrites,
): string | undefined {
  if (role === Role.origin) return origin?.(value) ?? value;
  if (role === Role.referer) return referer?.(value) ?? value;
  return role === Role.cookie && cookie !== undefined ? cookie(value) : value;
}

const ACCEPTS_TRAILERS = /(?:^|,)[ \t]*trailers[ \t]*(?:;[^,]*)?(?:,|$)/i;

/**
 * What is said upstream of trailers: whether they are wanted back (RFC 9110, section 10.1.4), and which may come behind the
 * request's own content.
 */
export function toTrailingLines({ te, trailer }: RequestFacts, framing: BodyFraming): FieldLines {
  const lines: string[] = [];
  if (te !== undefined && ACCEPTS_TRAILERS.test(te)) lines.push('Connection', 'TE', 'TE', 'trailers');
  const names = trailer === undefined || framing !== 'chunked' ? undefined : toTrailerNames(trailer);
  if (names !== undefined) lines.push('Trailer', names);
  return lines;
}

/** What a connection can be switched to. */
export type UpgradeProtocol = 'websocket';

/**
 * What a request's connection is to be switched to (RFC 9110, section 7.8; RFC 6455, section 4.1). Only a GET of HTTP/1.1 that
 * names WebSocket, and nothing else, is a handshake; what else has an `Upgrade` goes on as if it had none.
 * @throws ProxyError `bad_request` for a handshake with a body: where it ends, another protocol begins
 */
export function upgradeOf(
  method: string,
  httpMinor: number,
  facts: RequestFacts,
): UpgradeProtocol | undefined {
  if (trim(facts.upgrade ?? '').toLowerCase() !== 'websocket') return undefined;
  if (method !== 'GET' || httpMinor !== 1 || !namesUpgrade(facts.connection)) return undefined;
  if (framingOf(facts, httpMinor) !== 'none') {
    throw new ProxyError('bad_request', 'A WebSocket handshake may not have a body.', {
      hint: 'Leave out Content-Length and Transfer-Encoding, or Upgrade.',
    });
  }
  return 'websocket';
}

/** Whether a `Connection` value names `Upgrade`; without it an `Upgrade` field says nothing (RFC 9110, section 7.8). */
export function namesUpgrade(connection: string | undefined): boolean {
  return connection?.split(',').some((name) => trim(name).toLowerCase() === 'upgrade') ?? false;
}

/** A length that is a number here, too: beyond 2^53 it would be sent upstream as another one. */
const LENGTH = /^[0-9]{1,15}$/;

/** How a request's body is framed (RFC 9112, section 6). */
export type BodyFraming = 'none' | 'length' | 'chunked';

/**
 * How the body of a request that the parser let through is framed.
 * @throws ProxyError `bad_request`, `transfer_coding_not_supported`
 */
export function framingOf(facts: RequestFacts, httpMinor: number): BodyFraming {
  if (facts.transferEncoding !== undefined) {
    if (httpMinor === 0) {
      throw new ProxyError('bad_request', 'An HTTP/1.0 request may not have a Transfer-Encoding.');
    }
    if (facts.contentLength !== undefined) {
      throw new ProxyError('bad_request', 'The request has both a Content-Length and a Transfer-Encoding.');
    }
    if (facts.transferEncoding.toLowerCase() !== 'chunked') {
      throw new ProxyError('transfer_coding_not_supported', 'The only Transfer-Encoding taken is "chunked".');
    }
    return 'chunked';
  }
  if (facts.contentLength === undefined || facts.contentLength === '0') return 'none';
  if (!LENGTH.test(facts.contentLength)) {
    throw new ProxyError('bad_request', 'The Content-Length is not a number this proxy can count to.');
  }
  return 'length';
}

/** How a body goes on that came on an HTTP/2 stream, where its end needs no framing. */
export function framingOfStream(stream: { readonly hasBody: boolean }, facts: RequestFacts): BodyFraming {
  if (!stream.hasBody) return 'none';
  const { contentLength } = facts;
  // With nothing announced the head alone would be the whole request upstream, before it is known whether nothing comes.
  return contentLength !== undefined && LENGTH.test(contentLength) && Number(contentLength) > 0
    ? 'length'
    : 'chunked';
}
