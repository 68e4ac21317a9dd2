import { isLoopbackHost } from '../loopback.ts';
import { isBelow } from './table.ts';
import { toUpstreamTarget } from './target.ts';
import { parseFieldUrl, parseLocalOrigin, type Visit } from './visit.ts';

/*
 * Applications that guard against forged requests (Django, Angular's and Vite's servers) compare `Origin`, or without it
 * `Referer`, with the host they know themselves by. A page that came through the proxy has the proxy's origin, and so
 * has a page of the application's own in every sense that matters: that one is presented as the upstream's.
 *
 * Nothing else is, with one exception. The page of a development server on this machine that passes requests on to us
 * shows in `Sec-Fetch-Site: same-origin`, which its browser says of the request to that server. A page that calls the proxy
 * directly from another origin has `same-site` or `cross-site` there: the application sees who asks, and its rules for
 * CORS and forgery decide. The gate has judged all of them before.
 */

const ORIGIN = /^https?:\/\/[^/?#\\@\s]+$/i;

/**
 * An `Origin` value (RFC 6454) as the upstream should see it. `null`, foreign and malformed ones come back unchanged.
 * Never throws.
 * @param fetchSite the request's `Sec-Fetch-Site`
 */
export function presentOrigin(value: string, visit: Visit, fetchSite?: string): string {
  const url = ORIGIN.test(value) ? URL.parse(value) : null;
  return url !== null && isPresentable(url, visit, fetchSite) ? visit.route.upstreamOrigin : value;
}

/**
 * A `Referer` value (RFC 9110, section 10.1.3) as the upstream should see it: the upstream's URL of a page below the visited
 * route, `/` of the upstream for other pages that count as its own. Foreign and malformed ones come back unchanged.
 * Never throws.
 * @param fetchSite the request's `Sec-Fetch-Site`
 */
export function presentReferer(value: string, visit: Visit, fetchSite?: string): string {
  const url = parseFieldUrl(value);
  if (url === null || !isPresentable(url, visit, fetchSite)) return value;
  const { route } = visit;
  if (!isOwn(url, visit) || !isBelow(route.path, url.pathname)) return `${route.upstreamOrigin}/`;
  return route.upstreamOrigin + toUpstreamTarget(route, url.pathname, url.search);
}

function isPresentable(url: URL, visit: Visit, fetchSite: string | undefined): boolean {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return false;
  if (isOwn(url, visit)) return true;
  if (fetchSite !== 'same-origin') return false;
  return isLoopbackHost(url.hostname) || url.hostname.endsWith('.localhost');
}

function isOwn(url: URL, visit: Visit): boolean {
  return url.origin === parseLocalOrigin(visit)?.origin;
}
