import { type CredentialJson, type Place, toImpersonationUrl } from './credentials.ts';
import { ACCOUNTS, PROJECT, type UserSecrets } from './directory.ts';
import type { Github } from './github.ts';
import { PROVIDERS, toDefaultAudience, WORKFORCE_PROVIDER } from './pool.ts';

/** Where a job on GitHub asks for tokens. */
export function toGithubRequestUrl(origin: string): string {
  return `${origin}/github/oidc/token?api-version=2.0`;
}

/** What a job on GitHub Actions writes for Google's libraries. */
export function toGithubFile(github: Github, place: Place): CredentialJson {
  const audience = encodeURIComponent(toDefaultAudience('github'));
  return {
    ...toFederatedFile(PROVIDERS.github, 'urn:ietf:params:oauth:token-type:jwt', place),
    credential_source: {
      url: `${toGithubRequestUrl(place.origin)}&audience=${audience}`,
      headers: { Authorization: `Bearer ${github.requestToken}` },
      format: { type: 'json', subject_token_field_name: 'value' },
    },
  };
}

/** The same, by way of a service account. */
export function toGithubRunnerFile(github: Github, place: Place): CredentialJson {
  return {
    ...toGithubFile(github, place),
    service_account_impersonation_url: toImpersonationUrl(ACCOUNTS.runner, place.origin),
  };
}

/** `gcloud iam workload-identity-pools create-cred-config … --aws --enable-imdsv2` */
export function toAwsFile(place: Place): CredentialJson {
  const metadata = `${place.origin}/latest/meta-data`;
  return {
    ...toFederatedFile(PROVIDERS.aws, 'urn:ietf:params:aws:token-type:aws4_request', place),
    credential_source: {
      environment_id: 'aws1',
      region_url: `${metadata}/placement/availability-zone`,
      url: `${metadata}/iam/security-credentials`,
      regional_cred_verification_url:
        'https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15',
      imdsv2_session_token_url: `${place.origin}/latest/api/token`,
    },
  };
}

/** `gcloud iam workload-identity-pools create-cred-config … --credential-cert-path`, for a place with mutual TLS. */
export function toCertificateFile(configPath: string, place: Place): CredentialJson {
  return {
    ...toFederatedFile(PROVIDERS.certificate, 'urn:ietf:params:oauth:token-type:mtls', place),
    credential_source: { certificate: { certificate_config_location: configPath } },
  };
}

/** `gcloud auth application-default login --login-config=…` */
export function toWorkforceFile(workforce: UserSecrets, { origin, universeDomain }: Place): CredentialJson {
  return {
    type: 'external_account_authorized_user',
    audience: `//iam.googleapis.com/${WORKFORCE_PROVIDER}`,
    client_id: workforce.clientId,
    client_secret: workforce.clientSecret,
    refresh_token: workforce.refreshToken,
    token_url: `${origin}/v1/oauthtoken`,
    quota_project_id: PROJECT.id,
    universe_domain: universeDomain,
  };
}

function toFederatedFile(
  provider: string,
  subjectTokenType: string,
  { origin, universeDomain }: Place,
): CredentialJson {
  return {
    type: 'external_account',
    audience: `//iam.googleapis.com/${provider}`,
    subject_token_type: subjectTokenType,
    token_url: `${origin}/v1/token`,
    cloud_resource_manager_url: `${origin}/v1/projects/`,
    universe_domain: universeDomain,
  };
}
