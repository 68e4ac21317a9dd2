import { ProxyError } from '../errors.ts';
import { isVisit } from './caller.ts';
import { type Authority, createHostCheck, type HostRules, parseAuthority } from './host.ts';
import { createOriginCheck, defaultPort, type Origin, parseOrigin } from './origin.ts';
import { printable } from './printable.ts';

export interface GateRules extends HostRules {
  /** Origins allowed besides loopback ones. */
  readonly origins: readonly string[];
}

/** What the gate looks at. Repeated headers arrive joined by `, `, as a list that is never acceptable. */
export interface Arrival {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** `Host`, or the authority of an absolute-form target; undefined when there is none. */
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly fetchMode: string | undefined;
  readonly fetchDest: string | undefined;
  readonly referer: string | undefined;
}

export type Verdict =
  | { readonly kind: 'admit'; readonly authority: Authority }
  | { readonly kind: 'refuse'; readonly error: ProxyError }
  /** A person followed a link from another site: show where it came from and let them decide. */
  | { readonly kind: 'ask'; readonly error: ProxyError; readonly authority: Authority };

/** Decides who may come in, before a token is looked at. Never throws, whatever the arrival holds. */
export type Gate = (arrival: Arrival) => Verdict;

/** How many accepted `Host` values are remembered: clients of one proxy use a handful of spellings. */
const REMEMBERED_HOSTS = 64;

/** Compiles the rules. The gate is a pure function of the arrival. */
export function createGate(rules: GateRules): Gate {
  const isHostAllowed = createHostCheck(rules);
  const isOriginAllowed = createOriginCheck(rules.origins);
  const remembered = new Map<string, { kind: 'admit'; authority: Authority }>();

  /**
   * To a browser `shop.localhost` and `accounts.localhost` are different sites. A page of one of the proxy's own hosts may lead to another
   * all the same, by a link or a redirect: `Referer` says whose page it was, and no script can put another's there.
   */
  const isWithin = (arrival: Arrival, own: Origin): boolean => {
    if (!isVisit(arrival)) return false;
    const from = parseOrigin(originOf(arrival.referer) ?? '');
    if (from === undefined || !isHostAllowed(from.name)) return false;
    return from.scheme === own.scheme && from.port === (own.port || defaultPort(own.scheme));
  };

  return (arrival) => {
    const { host, origin, fetchSite } = arrival;
    if (host === undefined) return refuse('bad_host', 'The request has no Host header.');
    let admitted = remembered.get(host);
    if (admitted === undefined) {
      const authority = parseAuthority(host);
      if (authority === undefined) {
        return refuse('bad_host', 'The Host header is not one host name with an optional port.');
      }
      if (!isHostAllowed(authority.name)) return refuse('host_not_allowed', ...hostRefusal(authority.name));
      admitted = { kind: 'admit', authority };
      if (remembered.size < REMEMBERED_HOSTS) remembered.set(host, admitted);
    }
    const { authority } = admitted;
    const own = { scheme: arrival.scheme, name: authority.name, port: authority.port };
    if (origin !== undefined) {
      if (!isOriginAllowed(origin, own)) return refuse('origin_not_allowed', ...originRefusal(origin));
    } else if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'same-site') {
      // `none` is the user's own doing: an address typed, a bookmark. Unknown values are treated as cross-site.
      if (fetchSite === 'none') return admitted;
      if (!isWithin(arrival, own)) return crossSite(arrival, authority, (from) => isOriginAllowed(from, own));
    }
    return admitted;
  };
}

/** The origin of a `Referer` that is a page with an address of its own (a `blob:` has that of whoever made it); undefined for any other. */
function originOf(referer: string | undefined): string | undefined {
  const url = referer === undefined ? null : URL.parse(referer);
  return url === null || url.origin === 'null' || url.protocol === 'blob:' ? undefined : url.origin;
}

function crossSite(
  arrival: Arrival,
  authority: Authority,
  isOriginAllowed: (origin: string) => boolean,
): Verdict {
  if (isVisit(arrival)) {
    const message = 'Another site sent you to this proxy, which would act with your Google identity.';
    return { kind: 'ask', error: new ProxyError('cross_site_request', message), authority };
  }
  return refuse(
    'cross_site_request',
    'A page of another site made this request, which would be sent with your Google identity.',
    adviseCrossSite(arrival, isOriginAllowed),
  );
}

/** What to do about a request of a page that doesn't say which: with an origin, it may be one of those that may call. */
function adviseCrossSite(
  { referer, fetchMode }: Arrival,
  isOriginAllowed: (origin: string) => boolean,
): string {
  if (fetchMode === 'navigate') return 'Pages of other sites may link here, but not show this in a frame.';
  const ways = '<img crossorigin>, <script crossorigin>, fetch without mode "no-cors"';
  const from = originOf(referer);
  if (from !== undefined && isOriginAllowed(from))
    return `Let the page ask with CORS, so that it sends an Origin header:  ${ways}.`;
  const shown = from === undefined ? 'https://app.example.com' : printable(from);
  return `If the page is yours, add its origin to the configuration:  gate: { origins: ["${shown}"] }  and let it ask with CORS, so that it sends an Origin header:  ${ways}.`;
}

function refuse(
  code: 'bad_host' | 'host_not_allowed' | 'origin_not_allowed' | 'cross_site_request',
  message: string,
  hint?: string,
): Verdict {
  return { kind: 'refuse', error: new ProxyError(code, message, { hint }) };
}

function hostRefusal(name: string): [string, string] {
  return [
    `The host "${name}" is not one this proxy answers to.`,
    `If it is yours, add it to the configuration:  gate: { hosts: ["${name}"] }`,
  ];
}

function originRefusal(value: string): [string, string] {
  const shown = printable(value);
  if (value === 'null') {
    return [
      'Pages without an origin of their own ("null": a file, a sandboxed frame) may not call this proxy.',
      'Serve the page from http://localhost on any port.',
    ];
  }
  return [
    `The page at origin "${shown}" may not call this proxy.`,
    `If it is yours, add it to the configuration:  gate: { origins: ["${shown}"] }`,
  ];
}
