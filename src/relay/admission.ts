import { ProxyError } from '../errors.ts';
import { type Caller, identifyCaller } from '../gate/caller.ts';
import type { Arrival, Verdict } from '../gate/gate.ts';
import type { RequestHead } from './decide.ts';
import {
  type BodyFraming,
  framingOf,
  framingOfStream,
  type RequestFacts,
  readRequestFacts,
} from './request-head.ts';
import type { Site } from './site.ts';

/** Largest request head taken, in bytes. */
export const MAX_HEAD_BYTES = 32_768;
/** Most field lines taken; Node itself would silently drop those past its limit. */
export const MAX_FIELD_LINES = 256;

/** A request that the gate has let in, or asks about. */
export interface Admission {
  readonly facts: RequestFacts;
  readonly framing: BodyFraming;
  readonly host: string | undefined;
  readonly arrival: Arrival;
  readonly verdict: Exclude<Verdict, { readonly kind: 'refuse' }>;
  /** Who asks. */
  readonly caller: Caller;
}

/**
 * Lets a request in, or not: its size, where it ends, and then the gate.
 * @throws ProxyError for whatever may not come in
 */
export function admit(site: Pick<Site, 'gate'>, head: RequestHead): Admission {
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
  return {
    facts,
    framing,
    host,
    arrival,
    verdict,
    caller: identifyCaller(facts, head.scheme, verdict.authority),
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
