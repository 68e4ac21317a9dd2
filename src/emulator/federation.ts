import { AWS_MACHINE, type AwsCredentials } from './aws.ts';
import { toGithubRequestUrl } from './federated-credentials.ts';
import type { Github } from './github.ts';
import type { MutualTls } from './mutual-tls.ts';
import { PROVIDERS, toDefaultAudience } from './pool.ts';

/** Workload identity federation: a pool with a provider of each sort. */
export interface EmulatedFederation {
  /** `projects/123456789012/locations/global/workloadIdentityPools/ci/providers/github` and so on. */
  readonly providers: { readonly github: string; readonly aws: string; readonly certificate: string };
  /** What a GitHub Actions job has in its environment: ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN. */
  readonly githubEnv: Readonly<Record<string, string>>;
  /** What a process on AWS may have: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION. */
  readonly awsEnv: Readonly<Record<string, string>>;
  /** In place of `http://169.254.169.254` on AWS: IMDSv2. */
  readonly awsMetadataUrl: string;
  /** A token as GitHub's OIDC provider makes it, for the provider `github` unless told otherwise; for a token file. */
  issueOidcToken(change?: OidcTokenChange): Promise<string>;
  /** Starts Google for clients with a certificate, on a port of its own; the same one however often called. */
  startMutualTls(): Promise<MutualTls>;
}

export interface OidcTokenChange {
  readonly audience?: string;
  /** `example/app` unless told otherwise. */
  readonly repository?: string;
  readonly lifetimeMs?: number;
}

export interface FederationParts {
  readonly origin: string;
  readonly github: Github;
  readonly aws: AwsCredentials;
  readonly startMutualTls: () => Promise<MutualTls>;
}

export function toFederation({ origin, github, aws, startMutualTls }: FederationParts): EmulatedFederation {
  return {
    providers: PROVIDERS,
    githubEnv: {
      ACTIONS_ID_TOKEN_REQUEST_URL: toGithubRequestUrl(origin),
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: github.requestToken,
    },
    awsEnv: {
      AWS_ACCESS_KEY_ID: aws.accessKeyId,
      AWS_SECRET_ACCESS_KEY: aws.secretAccessKey,
      AWS_SESSION_TOKEN: aws.sessionToken,
      AWS_REGION: AWS_MACHINE.region,
    },
    awsMetadataUrl: origin,
    issueOidcToken: (change = {}) =>
      github.issueToken({ ...change, audience: change.audience ?? toDefaultAudience('github') }),
    startMutualTls,
  };
}
