import { type Google, type GoogleAnswer, type GoogleRequest, readBearerToken, toJsonAnswer } from './http.ts';

/**
 * `GET /github/oidc/token?audience=…`: where `ACTIONS_ID_TOKEN_REQUEST_URL` leads on a runner of GitHub Actions.
 * https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
 */
export async function answerGithubOidc(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const { headers, query, issuance } = request;
  if (readBearerToken(headers) !== google.github.requestToken) {
    return toJsonAnswer(401, { message: 'Unauthorized' });
  }
  const { lifetimeMs, clockOffsetMs } = issuance;
  const audience = issuance.audience ?? (query.get('audience') || undefined);
  const value = await google.github.issueToken({ audience, lifetimeMs, clockOffsetMs });
  return toJsonAnswer(200, { count: value.length, value });
}
