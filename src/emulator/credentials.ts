import { ACCOUNTS, type Account, PROJECT, type UserSecrets } from './directory.ts';
import type { SigningKey } from './keys.ts';

/** What stands in a credential file, parsed. */
export type CredentialJson = Readonly<Record<string, unknown>>;

/** Where a credential file says Google is. */
export interface Place {
  /** Of the emulator. */
  readonly origin: string;
  readonly universeDomain: string;
}

/** A service account's key file, as the Cloud console hands it out; its `token_uri` is the emulator. */
export function toServiceAccountFile(
  account: Account,
  key: SigningKey,
  { origin, universeDomain }: Place,
): CredentialJson {
  return {
    type: 'service_account',
    project_id: PROJECT.id,
    private_key_id: key.id,
    private_key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: account.email,
    client_id: account.id,
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: `${origin}/token`,
    auth_provider_x509_cert_url: `${origin}/oauth2/v1/certs`,
    client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(account.email)}`,
    universe_domain: universeDomain,
  };
}

/** What `gcloud auth application-default login` writes, with a `token_uri` for the libraries that read one. */
export function toAuthorizedUserFile(user: UserSecrets, { origin, universeDomain }: Place): CredentialJson {
  return {
    type: 'authorized_user',
    account: ACCOUNTS.user.email,
    client_id: user.clientId,
    client_secret: user.clientSecret,
    refresh_token: user.refreshToken,
    quota_project_id: PROJECT.id,
    token_uri: `${origin}/token`,
    universe_domain: universeDomain,
  };
}

/** `gcloud auth application-default login --impersonate-service-account`; `endpoint` is read by the Node.js library. */
export function toImpersonatedFile(
  source: CredentialJson,
  target: Account,
  { origin, universeDomain }: Place,
): CredentialJson {
  return {
    type: 'impersonated_service_account',
    service_account_impersonation_url: toImpersonationUrl(target, origin),
    endpoint: origin,
    delegates: [],
    source_credentials: source,
    universe_domain: universeDomain,
  };
}

/** Where an account's access tokens are made. */
export function toImpersonationUrl(target: Account, origin: string): string {
  return `${origin}/v1/projects/-/serviceAccounts/${target.email}:generateAccessToken`;
}
