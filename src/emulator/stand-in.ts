import { APPS } from './apps.ts';
import { INVOKERS } from './directory.ts';
import { toLocalApp, toLocalUpgrade } from './local-app.ts';
import { type RunningService, type ServiceContext, startGuarded } from './service.ts';
import { type ServicePolicy, toDefaultPolicy } from './service-policy.ts';

/** A service that isn't called: a private one of ours answers in its place, and asks for the same token. */
export interface StandIn {
  /** Any text, unique. */
  readonly name: string;
  /** The origin of the real service: `https://orders-abc-an.a.run.app`. */
  readonly url: string;
  readonly guard: StandInGuard;
  /** Origin of the user's own server, which is the application then; left out: what `echo` answers. */
  readonly local?: string | undefined;
}

/** What stands before the application. */
export type StandInGuard =
  /** Cloud Run's front end: an ID token for the service's own URL, or for this audience. */
  | { readonly kind: 'id'; readonly audience: string }
  /** Identity-Aware Proxy with this OAuth client; it takes self-signed JWTs for the service's URL, too. */
  | { readonly kind: 'iap'; readonly clientId: string }
  /** A Google API: an access token. */
  | { readonly kind: 'access' }
  /** Nobody is asked. */
  | { readonly kind: 'open' };

/** Starts one, on a port of its own. */
export function startStandIn(
  { name, url, guard, local }: StandIn,
  context: ServiceContext,
): Promise<RunningService> {
  return startGuarded({
    name,
    app: local === undefined ? APPS.echo : toLocalApp(local),
    upgrade: local === undefined ? undefined : toLocalUpgrade(local),
    policy: toPolicy(guard),
    url,
    ...context,
  });
}

function toPolicy(guard: StandInGuard): ServicePolicy {
  const policy = { ...toDefaultPolicy(''), customAudiences: [] };
  switch (guard.kind) {
    case 'id':
      return { ...policy, customAudiences: [guard.audience] };
    case 'iap':
      return { ...policy, iap: { clientId: guard.clientId } };
    case 'access':
      return { ...policy, invokers: INVOKERS, tokens: 'access' };
    case 'open':
      return { ...policy, invokers: 'everybody' };
  }
}
