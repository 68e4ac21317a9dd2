import { setsClientCookie, withoutClientCookies } from '../gate/client-cookie.ts';
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
  if (!isOriginShown && !facts.hasCookie) return undefined;
  const { fetchSite } = facts;
  const visit = toVisit(forward);
  return {
    origin: isOriginShown ? (value) => presentOrigin(value, visit, fetchSite) : undefined,
    referer: isOriginShown ? (value) => presentReferer(value, visit, fetchSite) : undefined,
    cookie: !facts.hasCookie ? undefined : route.localize.cookies ? giveCookiesBack : withoutClientCookies,
  };
}

/** The proxy's own cookies are for nobody else, whatever the route says of cookies. */
function giveCookiesBack(value: string): string | undefined {
  const others = withoutClientCookies(value);
  return others === undefined ? undefined : toUpstreamCookie(others);
}

/** How fields of the response to a request read on this side. */
export function toLocalize(forward: Forward, homeward: Homeward): Localize {
  const { route } = forward;
  const { redirects, cookies } = route.localize;
  return (name, value) => {
    const visit = toVisit(forward);
    if (name === 'set-cookie') {
      if (setsClientCookie(value)) return undefined;
      return cookies ? localizeSetCookie(value, visit) : value;
    }
    if (!redirects) return value;
    // It speaks for the upstream's host; here it would bind every program on this machine's `localhost` to TLS (RFC 6797).
    if (name === 'strict-transport-security') return visit.scheme === 'https' ? undefined : value;
    return localizeField(homeward, name, value, visit);
  };
}

function toVisit({ route, head, forwardedHost, target, localTarget }: Forward): Visit {
  return { route, scheme: head.scheme, host: forwardedHost, upstreamTarget: target, localTarget };
}
