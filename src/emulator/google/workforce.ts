import { WORKFORCE_USER } from '../pool.ts';
import { answerOrRefusal } from './api-error.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toTokenAnswer } from './http.ts';
import { OAuthError } from './oauth-error.ts';

const SCOPES: readonly string[] = ['https://www.googleapis.com/auth/cloud-platform'];

/**
 * `POST /v1/oauthtoken` of the Security Token Service: a new access token for a person of the workforce pool, for what
 * `gcloud auth application-default login --login-config` left behind.
 */
export function answerWorkforceToken(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const form = new URLSearchParams(request.body);
    const { clientId, clientSecret, refreshToken } = google.workforce;
    if (request.headers.authorization !== toBasic(clientId, clientSecret)) {
      throw new OAuthError('invalid_client', 'The OAuth client is unauthorized.', 401);
    }
    if (form.get('grant_type') !== 'refresh_token') {
      throw new OAuthError('unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type') ?? ''}`);
    }
    if (form.get('refresh_token') !== refreshToken) {
      throw new OAuthError('invalid_grant', 'Token has been expired or revoked.');
    }
    const order = {
      kind: 'access',
      endpoint: 'sts',
      holder: WORKFORCE_USER,
      scopes: SCOPES,
      clientId,
    } as const;
    const issued = await google.issuer.issue(order, request.issuance);
    return toTokenAnswer({
      access_token: issued.value,
      token_type: 'Bearer',
      expires_in: issued.expiresInSeconds,
    });
  });
}

/** RFC 7617. */
function toBasic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}
