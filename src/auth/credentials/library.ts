import { gaxios } from 'google-auth-library';
import type { KindContext } from './kind.ts';
import { findAnyProxy, watchTraffic } from './traffic.ts';

/** What is used of google-auth-library; nothing else imports it, and nothing before the first mint. */
export {
  type AuthClient,
  AwsClient,
  Compute,
  ExternalAccountAuthorizedUserClient,
  gaxios,
  gcpMetadata,
  IdentityPoolClient,
  Impersonated,
  JWT,
  JWTAccess,
  OAuth2Client,
  UserRefreshClient,
} from 'google-auth-library';

// The library asks the metadata server through this one, whoever it does it for.
watchTraffic(gaxios.instance);

/** Carries the requests of one mint: the traffic at hand decides about each. */
export function createTransporter({ env }: Pick<KindContext, 'env'>): gaxios.Gaxios {
  const proxy = findAnyProxy(env);
  return watchTraffic(new gaxios.Gaxios(proxy === undefined ? {} : { proxy }));
}
