import { toCertificate } from '../certificate.ts';
import { findAccount } from '../directory.ts';
import { ISSUER } from '../issuer.ts';
import { findAccountKeys, type SigningKey } from '../keys.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toErrorPage, toJsonAnswer } from './http.ts';

/** Keys live as long as the emulator, so verifiers may keep them for hours, as they do with Google's. */
const CACHEABLE = { 'Cache-Control': 'public, max-age=21600, must-revalidate, no-transform' };

/** `GET /oauth2/v3/certs`: Google's signing keys as a JWK set (RFC 7517). */
export function answerJwks(_request: GoogleRequest, { keys }: Google): GoogleAnswer {
  return toJsonAnswer(200, { keys: [toJwk(keys.google)] }, CACHEABLE);
}

/** `GET /oauth2/v1/certs`: the same keys as X.509 certificates by key id. */
export function answerCertificates(_request: GoogleRequest, { keys }: Google): GoogleAnswer {
  return toJsonAnswer(200, toCertificates([keys.google], 'federated-signon.emulated'), CACHEABLE);
}

/** `GET /service_accounts/v1/jwk/{email}`: the keys a service account signs with, the one Google holds for it included. */
export async function answerAccountJwks({ path }: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const keys = await findKeys(path, google);
  if (keys === undefined) return toErrorPage(404, 'Not Found');
  return toJsonAnswer(200, { keys: keys.map(toJwk) }, CACHEABLE);
}

/** `GET /robot/v1/metadata/x509/{email}`: the same keys as X.509 certificates by key id. */
export async function answerAccountCertificates(
  { path }: GoogleRequest,
  google: Google,
): Promise<GoogleAnswer> {
  const keys = await findKeys(path, google);
  if (keys === undefined) return toErrorPage(404, 'Not Found');
  return toJsonAnswer(200, toCertificates(keys, path.slice(path.lastIndexOf('/') + 1)), CACHEABLE);
}

/** The keys of the service account a path ends in. */
async function findKeys(path: string, { keys }: Google): Promise<readonly SigningKey[] | undefined> {
  const account = findAccount(path.slice(path.lastIndexOf('/') + 1));
  if (account?.kind !== 'service-account') return undefined;
  await keys.managed(account);
  return findAccountKeys(keys, account);
}

function toJwk({ id, publicKey }: SigningKey): object {
  return { ...publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: id };
}

function toCertificates(keys: readonly SigningKey[], commonName: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    keys.map(({ id, privateKey, publicKey }) => [id, toCertificate(privateKey, publicKey, commonName)]),
  );
}

/** `GET /.well-known/openid-configuration` (OpenID Connect Discovery 1.0): what there is of it here. */
export function answerDiscovery({ origin }: GoogleRequest): GoogleAnswer {
  const document = {
    issuer: ISSUER,
    token_endpoint: `${origin}/token`,
    jwks_uri: `${origin}/oauth2/v3/certs`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    scopes_supported: ['openid', 'email'],
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    claims_supported: ['aud', 'azp', 'email', 'email_verified', 'exp', 'iat', 'iss', 'sub'],
    grant_types_supported: ['refresh_token', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
  };
  return toJsonAnswer(200, document, CACHEABLE);
}
