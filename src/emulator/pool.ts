import { PROJECT, type Principal } from './directory.ts';

const POOL = `projects/${PROJECT.number}/locations/global/workloadIdentityPools/ci`;

/** The workload identity pool's providers, one of each sort. Each is the name of a resource of `iam.googleapis.com`. */
export const PROVIDERS = {
  /** OpenID Connect: workflows of the owner `example`, and nobody else's. */
  github: `${POOL}/providers/github`,
  /** Roles of one AWS account. */
  aws: `${POOL}/providers/aws`,
  /** Client certificates. */
  certificate: `${POOL}/providers/certificate`,
} as const;

/** Common name of the client certificate there is. */
export const CERTIFICATE_SUBJECT = 'emulated-workload';

/** Where a company's people sign in with their own identity provider. */
const WORKFORCE_POOL = 'locations/global/workforcePools/staff';
export const WORKFORCE_PROVIDER = `${WORKFORCE_POOL}/providers/sign-in`;

/** A person of the workforce pool. */
export const WORKFORCE_USER: Principal = {
  kind: 'principal',
  id: `principal://iam.googleapis.com/${WORKFORCE_POOL}/subject/dev@example.com`,
  sets: [],
};

/** How a policy names everybody in the pool of whom a provider says the same. */
export function toPrincipalSet(attribute: string, value: string): string {
  return `principalSet://iam.googleapis.com/${POOL}/attribute.${attribute}/${value}`;
}

/** Somebody in the pool, by `google.subject` and the other attributes a provider maps. */
export function toPrincipal(subject: string, attributes: Readonly<Record<string, string>> = {}): Principal {
  return {
    kind: 'principal',
    id: `principal://iam.googleapis.com/${POOL}/subject/${subject}`,
    sets: Object.entries(attributes).map(([name, value]) => toPrincipalSet(name, value)),
  };
}

/** The audience a token for a provider has unless the provider says otherwise. */
export function toDefaultAudience(provider: keyof typeof PROVIDERS): string {
  return `https://iam.googleapis.com/${PROVIDERS[provider]}`;
}
