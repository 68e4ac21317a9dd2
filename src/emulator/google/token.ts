import { createHash } from 'node:crypto';
import {
  ACCOUNTS,
  type Account,
  APPLICATION_DEFAULT_CLIENT_ID,
  DEFAULT_UNIVERSE,
  findAccount,
  USER_SCOPES,
} from '../directory.ts';
import { toEmailClaims } from '../issuer.ts';
import { type Claims, readClaims } from '../jwt.ts';
import { verifyAccountSignature } from '../keys.ts';
import {
  type Google,
  type GoogleAnswer,
  type GoogleRequest,
  toOAuthError,
  toScopes,
  toTokenAnswer,
} from './http.ts';

/** Audiences under which Google's token endpoint knows itself. */
const TOKEN_AUDIENCES: readonly string[] = [
  'https://oauth2.googleapis.com/token',
  'https://www.googleapis.com/oauth2/v4/token',
];

/** The longest an assertion may be good for, and how far in the future it may have been made. */
const ASSERTION_LIFETIME_SECONDS = 3600;
const CLOCK_SKEW_SECONDS = 300;

/**
 * `POST /token`: the OAuth 2.0 token endpoint, for service account keys (RFC 7523) and for refresh tokens.
 * https://developers.google.com/identity/protocols/oauth2/service-account#error-codes
 */
export async function answerTokenRequest(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  const form = new URLSearchParams(request.body);
  switch (form.get('grant_type')) {
    case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
      return answerAssertion(form, request, google);
    case 'refresh_token':
      return answerRefreshToken(form, request, google);
    case null:
    case '':
      return refuse('invalid_request', 'Required parameter is missing: grant_type');
    default:
      return refuse('unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type')}`);
  }
}

async function answerAssertion(
  form: URLSearchParams,
  request: GoogleRequest,
  google: Google,
): Promise<GoogleAnswer> {
  const assertion = form.get('assertion') ?? '';
  if (assertion === '') return refuse('invalid_request', 'Required parameter is missing: assertion');
  const unverified = readClaims(assertion);
  if (unverified === undefined) return refuse('invalid_grant', 'Invalid JWT: Failed to parse the assertion.');

  // Accounts of another universe are unknown here: https://google.aip.dev/auth/4111 is for them.
  const isHome = google.universeDomain === DEFAULT_UNIVERSE;
  const account = isHome && typeof unverified.iss === 'string' ? findAccount(unverified.iss) : undefined;
  if (account?.kind !== 'service-account') return refuse('invalid_grant', 'Invalid grant: account not found');
  const claims = await verifyAccountSignature(google.keys, account, assertion);
  if (claims === undefined) return refuse('invalid_grant', 'Invalid JWT Signature.');

  const wrong = findAssertionFault(claims, account, {
    now: google.clock.now().wallMs / 1000,
    origin: request.origin,
  });
  if (wrong !== undefined) return wrong;

  const { scope, target_audience: audience } = claims;
  if (typeof audience === 'string' && audience !== '') {
    const [authorizedParty, idClaims] = [account.email, toEmailClaims(account)];
    const order = { kind: 'id', endpoint: 'token', account, audience, authorizedParty } as const;
    const { value } = await google.issuer.issue({ ...order, claims: idClaims }, request.issuance);
    return toTokenAnswer({ id_token: value });
  }
  const scopes = typeof scope === 'string' ? toScopes(scope) : [];
  if (scopes.length === 0) {
    return refuse('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
  }
  const order = { kind: 'access', endpoint: 'token', holder: account, scopes, clientId: account.id } as const;
  const { value, expiresInSeconds } = await google.issuer.issue(order, request.issuance);
  return toTokenAnswer({ access_token: value, expires_in: expiresInSeconds, token_type: 'Bearer' });
}

/** What is wrong with an assertion whose signature is right. */
function findAssertionFault(
  claims: Claims,
  account: Account,
  { now, origin }: { now: number; origin: string },
): GoogleAnswer | undefined {
  const { aud, iat, exp, sub } = claims;
  const timely =
    typeof iat === 'number' &&
    typeof exp === 'number' &&
    exp > iat &&
    exp - iat <= ASSERTION_LIFETIME_SECONDS &&
    iat <= now + CLOCK_SKEW_SECONDS &&
    exp > now;
  if (!timely) {
    const rule = 'Token must be a short-lived token (60 minutes) and in a reasonable timeframe.';
    return refuse('invalid_grant', `Invalid JWT: ${rule} Check your iat and exp values in the JWT claim.`);
  }
  if (typeof aud !== 'string' || ![...TOKEN_AUDIENCES, `${origin}/token`].includes(aud)) {
    return refuse('invalid_grant', 'Invalid JWT: Failed audience check.');
  }
  if (sub !== undefined && sub !== account.email) {
    const rule =
      'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any';
    return refuse('unauthorized_client', `${rule} of the scopes requested.`, 401);
  }
  return undefined;
}

async function answerRefreshToken(
  form: URLSearchParams,
  request: GoogleRequest,
  google: Google,
): Promise<GoogleAnswer> {
  const clientId = form.get('client_id') ?? '';
  if (clientId === '') return refuse('invalid_request', 'Could not determine client ID from request.');
  if (clientId !== APPLICATION_DEFAULT_CLIENT_ID) {
    return refuse('invalid_client', 'The OAuth client was not found.', 401);
  }
  if (form.get('client_secret') !== google.user.clientSecret) {
    return refuse('invalid_client', 'The provided client secret is invalid.', 401);
  }
  const refreshToken = form.get('refresh_token') ?? '';
  if (refreshToken === '') return refuse('invalid_request', 'Missing required parameter: refresh_token');
  if (refreshToken !== google.user.refreshToken)
    return refuse('invalid_grant', 'Token has been expired or revoked.');
  const asked = toScopes(form.get('scope') ?? '');
  if (!asked.every((scope) => USER_SCOPES.includes(scope))) return refuse('invalid_scope', 'Bad Request');

  const scopes = asked.length === 0 ? USER_SCOPES : asked;
  const account = ACCOUNTS.user;
  const order = { kind: 'access', endpoint: 'token', holder: account, scopes, clientId } as const;
  const access = await google.issuer.issue(order, request.issuance);
  const answer = {
    access_token: access.value,
    expires_in: access.expiresInSeconds,
    scope: scopes.join(' '),
    token_type: 'Bearer',
  };
  if (!scopes.includes('openid')) return toTokenAnswer(answer);
  // `target_audience` is not looked at: a person's ID token is always for the OAuth client.
  const claims = { ...toEmailClaims(account), at_hash: toAccessTokenHash(access.value) };
  const [audience, authorizedParty] = [clientId, clientId];
  const id = { kind: 'id', endpoint: 'token', account, audience, authorizedParty, claims } as const;
  const { value } = await google.issuer.issue(id, request.issuance);
  return toTokenAnswer({ ...answer, id_token: value });
}

/** `at_hash`: the left half of the access token's SHA-256 (OpenID Connect Core, section 3.1.3.6). */
function toAccessTokenHash(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url');
}

function refuse(error: string, description: string, status = 400): GoogleAnswer {
  return toOAuthError(status, error, description);
}
