import { localizeSetCookie, toUpstreamCookie } from '../routing/cookies.ts';
import type { Homeward } from '../routing/homeward.ts';
import { localizeField } from '../routing/localize.ts';
import { presentOrigin, presentReferer } from '../routing/origin-presentation.ts';
import type { Visit } from '../routing/visit.ts';
import type { Forward } from './decide.ts';
import type { RequestRewrites } from './request-head.ts';
import type { Localize } from './response-head.ts';

/** What of a request reads otherwise upstream; undefined where nothing does. */
export function toRewrites(forward: Forward): RequestRewrites | undefined {
  const { route, facts } = forward;
  const isOriginShown = route.presentOrigin && (facts.origin !== undefined || facts.referer !== undefined);
  const areCookiesGivenBack = route.localize.cookies && facts.hasCookie;
  if (!isOriginShown && !areCookiesGivenBack) return undefined;
  const { fetchSite } = facts;
  const visit = toVisit(forward);
  return {
    origin: isOriginShown ? (value) => presentOrigin(value, visit, fetchSite) : undefined,
    referer: isOriginShown ? (value) => presentReferer(value, visit, fetchSite) : undefined,
    cookie: areCookiesGivenBack ? toUpstreamCookie : undefined,
  };
}

/** How fields of the response to a request read on this side. */
export function toLocalize(forward: Forward, homeward: Homeward): Localize {
  const { route } = forward;
  const { redirects, cookies } = route.localize;
  return (name, value) => {
    const visit = toVisit(forward);
    if (name === 'set-cookie') return cookies ? localizeSetCookie(value, visit) : value;
    if (!redirects) return value;
    // It speaks for the upstream's host; here it would bind every program on this machine's `localhost` to TLS (RFC 6797).
    if (name === 'strict-transport-security') return visit.scheme === 'https' ? undefined : value;
    return localizeField(homeward, name, value, visit);
  };
}

function toVisit({ route, head, forwardedHost, target, localTarget }: Forward): Visit {
  return { route, scheme: head.scheme, host: forwardedHost, upstreamTarget: target, localTarget };
}
