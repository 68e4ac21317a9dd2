import { type Account, INVOKERS } from './directory.ts';

/** How a service is set up: what `gcloud run services update` and IAM decide. */
export interface ServicePolicy {
  /** `internal`: nobody on this machine is, as no laptop is inside the VPC. */
  readonly ingress: 'all' | 'internal';
  /**
   * E-mail addresses with `roles/run.invoker`, or with `roles/iap.httpsResourceAccessor` where IAP stands in front;
   * `everybody` is `allUsers` (behind IAP: `allAuthenticatedUsers`).
   */
  readonly invokers: readonly string[] | 'everybody';
  /** Audiences accepted beside its own URLs, as `--add-custom-audiences` sets them. */
  readonly customAudiences: readonly string[];
  /** Set: Identity-Aware Proxy stands in front, with this OAuth client. */
  readonly iap: { readonly clientId: string } | undefined;
  /** `false`: no URL of it leads anywhere, as with its default URL disabled and no other there. */
  readonly enabled: boolean;
  /**
   * Host names it is reached by through TLS, beside its loopback address. Under `*.run.app` each is a URL of its own
   * making, hence an audience; any other is a custom domain.
   */
  readonly hosts: readonly string[];
  /** What a caller has to bring: an ID token, or an access token as Google's own APIs want it. */
  readonly tokens: 'id' | 'access';
}

/** How every service starts. */
export function toDefaultPolicy(name: string): ServicePolicy {
  return {
    ingress: 'all',
    invokers: INVOKERS,
    customAudiences: [`https://${name}.example.com`],
    iap: undefined,
    enabled: true,
    hosts: [],
    tokens: 'id',
  };
}

/** Whether an account is among those a policy lets in. */
export function isMember({ email }: Account, members: ServicePolicy['invokers']): boolean {
  return members === 'everybody' || members.includes(email);
}
