import { toCertificate } from '../certificate.ts';
import { ISSUER } from '../issuer.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toJsonAnswer } from './http.ts';

/** Keys live as long as the emulator, so verifiers may keep them for hours, as they do with Google's. */
const CACHEABLE = { 'Cache-Control': 'public, max-age=21600, must-revalidate, no-transform' };

/** `GET /oauth2/v3/certs`: Google's signing keys as a JWK set (RFC 7517). */
export function answerJwks(_request: GoogleRequest, { keys }: Google): GoogleAnswer {
  const jwk = keys.google.publicKey.export({ format: 'jwk' });
  return toJsonAnswer(200, { keys: [{ ...jwk, alg: 'RS256', use: 'sig', kid: keys.google.id }] }, CACHEABLE);
}

/** `GET /oauth2/v1/certs`: the same keys as X.509 certificates by key id. */
export function answerCertificates(_request: GoogleRequest, { keys }: Google): GoogleAnswer {
  const { id, privateKey, publicKey } = keys.google;
  return toJsonAnswer(
    200,
    { [id]: toCertificate(privateKey, publicKey, 'federated-signon.emulated') },
    CACHEABLE,
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
