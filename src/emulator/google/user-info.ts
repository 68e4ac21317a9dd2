import { toEmailClaims } from '../issuer.ts';
import {
  type Google,
  type GoogleAnswer,
  type GoogleRequest,
  readBearerToken,
  toJsonAnswer,
  toOAuthError,
} from './http.ts';

/** Scopes under which Google tells somebody's e-mail address. */
const EMAIL_SCOPES: readonly string[] = ['email', 'https://www.googleapis.com/auth/userinfo.email'];

/** Whether a token's scopes let its bearer know the e-mail address it stands for. */
export function revealsEmail(scopes: readonly string[]): boolean {
  return scopes.some((scope) => EMAIL_SCOPES.includes(scope));
}

/**
 * `GET /oauth2/v3/userinfo`: whom an access token stands for (OpenID Connect Core 1.0, section 5.3). Principals of other
 * identity providers have nothing to show there.
 */
export function answerUserInfo({ headers }: GoogleRequest, { issuer }: Google): GoogleAnswer {
  const grant = issuer.findAccessToken(readBearerToken(headers));
  if (grant === undefined || grant.holder.kind === 'principal') {
    return toOAuthError(401, 'invalid_request', 'Invalid Credentials');
  }
  const { holder, scopes } = grant;
  const isEmailShown = revealsEmail(scopes);
  if (!isEmailShown && !scopes.includes('openid')) {
    return toOAuthError(403, 'insufficient_scope', 'Request had insufficient authentication scopes.');
  }
  return toJsonAnswer(200, { sub: holder.id, ...(isEmailShown && toEmailClaims(holder)) });
}
