import { type Authority, isLoopbackName } from './host.ts';
import { isOwnOrigin, parseOrigin } from './origin.ts';

/** Who asks, as far as browsers sharing a response between pages goes. Says nothing of whether it may come in. */
export type Caller =
  /** A page, or what passes a page's requests on. `origin` is as sent. */
  | {
      readonly kind: 'page';
      readonly origin: string;
      /** Its origin is not the proxy's own: to its browser this is a request to somebody else. */
      readonly isForeign: boolean;
    }
  /** Maybe a browser, which may keep the response and use it for a page's request later on. */
  | { readonly kind: 'browser' }
  | { readonly kind: 'program' };

/** What tells who asks. */
export interface CallerMarks {
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly fetchMode: string | undefined;
  readonly fetchDest: string | undefined;
}

const BROWSER: Caller = { kind: 'browser' };
const PROGRAM: Caller = { kind: 'program' };

/**
 * Tells who asks. Browsers say that they are browsers (Fetch Metadata) to trustworthy URLs alone: https, and http to this machine
 * (https://w3c.github.io/webappsec-fetch-metadata/). Elsewhere any client may be one.
 * @param authority what the client calls the proxy
 */
export function identifyCaller(
  { origin, fetchSite, fetchMode, fetchDest }: CallerMarks,
  scheme: 'http' | 'https',
  authority: Authority,
): Caller {
  if (origin !== undefined) {
    // What a development server passes on is a request to that server, its browser says, which no page can make it say.
    return {
      kind: 'page',
      origin,
      isForeign: fetchSite !== 'same-origin' && !isOwn(origin, scheme, authority),
    };
  }
  if (fetchSite !== undefined || fetchMode !== undefined || fetchDest !== undefined) return BROWSER;
  return scheme === 'https' || isLoopbackName(authority.name) ? PROGRAM : BROWSER;
}

function isOwn(value: string, scheme: 'http' | 'https', { name, port }: Authority): boolean {
  const origin = parseOrigin(value);
  return origin !== undefined && isOwnOrigin(origin, { scheme, name, port });
}

/** What tells a visit. */
export interface VisitMarks {
  readonly method: string;
  readonly fetchMode: string | undefined;
  readonly fetchDest: string | undefined;
}

/** Whether a person goes to a page, rather than a page fetching something. */
export function isVisit({ method, fetchMode, fetchDest }: VisitMarks): boolean {
  return (method === 'GET' || method === 'HEAD') && fetchMode === 'navigate' && fetchDest === 'document';
}
