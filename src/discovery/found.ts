/** Something that may be called, as Google lists it. */
export interface Found {
  readonly kind: 'service' | 'function';
  /** 1 or 2 for functions. */
  readonly generation: 1 | 2 | undefined;
  readonly name: string;
  readonly region: string;
  /** Where it is called, as Google says; its origin is the audience, or for a function of generation 1 its whole URL. */
  readonly url: string | undefined;
  /** From where it is reached. */
  readonly ingress: Ingress;
  /** What decides who may call. */
  readonly guard: Guard;
  /** What starts it in place of requests: `google.cloud.pubsub.topic.v1.messagePublished`. */
  readonly eventType: string | undefined;
  /** `FAILED` and so on, where it isn't up as it should be. */
  readonly trouble: string | undefined;
  /** The day it was changed last: `2026-01-31`. */
  readonly updatedOn: string | undefined;
}

/** `load-balancer`: the VPC network and load balancers, but not its own URL from elsewhere; `unknown`: Google said something new. */
export type Ingress = 'all' | 'internal' | 'load-balancer' | 'none' | 'unknown';

export type Guard =
  /** IAM, asked by `testIamPermissions`. */
  | { readonly kind: 'iam'; readonly question: PermissionQuestion }
  /** Nobody: the check is turned off. */
  | { readonly kind: 'nobody' }
  /** Identity-Aware Proxy, of which nothing can be asked. */
  | { readonly kind: 'iap' };

/** Whether the caller may do something with a resource. */
export interface PermissionQuestion {
  readonly api: 'run' | 'cloudfunctions';
  /** `/v2/projects/P/locations/R/services/S` */
  readonly path: string;
  readonly permission: string;
}

/** Something found, and whether it may be called; undefined where that couldn't be told. */
export interface Judged extends Found {
  readonly invokable: boolean | undefined;
}

/** Everything found in one API. */
export interface Finds<Item> {
  readonly items: readonly Item[];
  /** Regions that didn't answer. */
  readonly unreachable: readonly string[];
  /** Regions asked for by name that aren't there. */
  readonly absent: readonly string[];
}
