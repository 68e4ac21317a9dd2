import { askUpstream } from './check/http-probe.ts';
import type { Clock } from './clock.ts';
import type { Route } from './relay/site.ts';
import { readVersion } from './version.ts';

/** Whether a route's upstream is there. */
export interface UpstreamAnswer {
  readonly route: string;
  /** Why it counts as not there; undefined when it answered. */
  readonly fault: string | undefined;
}

/** Said by what stands before an application that isn't up, or by Cloud Run of an instance that doesn't start. */
const NOBODY_HOME: readonly number[] = [502, 503, 504];

/**
 * Asks each upstream for its base path, as `check` does with the token: whatever it answers, it is there, but for 502, 503
 * and 504. Never rejects.
 */
export function askUpstreams(
  routes: readonly Route[],
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<readonly UpstreamAnswer[]> {
  const probe = { clock, timeoutMs, userAgent: `gcp-bearer-proxy/${readVersion()}` };
  return Promise.all(
    routes.map(async (route) => {
      const token = route.tokens?.current();
      // Nothing goes upstream without its token.
      if (route.tokens !== undefined && token === undefined)
        return { route: route.name, fault: 'its token is not there yet' };
      const facts = await askUpstream(route, token, probe);
      if (facts.kind === 'failed') return { route: route.name, fault: facts.error.message };
      const isThere = !NOBODY_HOME.includes(facts.status);
      return { route: route.name, fault: isThere ? undefined : `its upstream answers ${facts.status}` };
    }),
  );
}
