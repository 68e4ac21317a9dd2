import type { Clock } from '../../clock.ts';
import type { Credential, GoogleEndpoints } from '../token-source.ts';

/** What every kind of credential is made with. */
export interface KindContext {
  readonly endpoints: GoogleEndpoints;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Names of the variables in there that hold secrets of ours: programs we start don't get them. */
  readonly secretVariables?: readonly string[];
  readonly clock: Clock;
  /** Bound for one request to Google. */
  readonly timeoutMs: number;
  /** `googleapis.com` unless configured otherwise. */
  readonly universeDomain: string;
  /** Another credential, by its name in the configuration. */
  find(name: string): Credential;
}

/** Opens Google's APIs, the one that makes tokens for other accounts among them. */
export const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

/** The project a user set for the whole shell. */
export function readProjectFromEnv(env: KindContext['env']): string | undefined {
  return env.GOOGLE_CLOUD_PROJECT || env.GCLOUD_PROJECT || undefined;
}

/** The command that lets one identity have tokens made for a service account. */
export function toGrantCommand(
  account: string,
  member: string,
  role = 'roles/iam.serviceAccountTokenCreator',
): string {
  const binding = `--member=${member} --role=${role}`;
  return `gcloud iam service-accounts add-iam-policy-binding ${account} ${binding}`;
}

/** An identity as IAM policies name it. */
export function toMember(identity: string | undefined): string {
  if (identity === undefined) return 'user:YOU@example.com';
  return `${identity.endsWith('gserviceaccount.com') ? 'serviceAccount' : 'user'}:${identity}`;
}

/** Whether Google is emulated. The emulator brings credentials of its own, and knows no others. */
export function isEmulated({ endpoints }: KindContext): boolean {
  return endpoints.applicationDefault !== undefined;
}
