import { findAccount, type Identity } from '../directory.ts';
import { type Claims, readClaims } from '../jwt.ts';
import { verifyAccountSignature } from '../keys.ts';
import { ApiError, toErrorInfo } from './api-error.ts';
import { type Google, type GoogleRequest, readBearerToken, toScopes } from './http.ts';

/** A method of one of Google's APIs. */
export interface ApiMethod {
  /** `iamcredentials`: the host without its domain. */
  readonly service: string;
  /** `google.iam.credentials.v1.IAMCredentials.GenerateIdToken` */
  readonly method: string;
  /** Any of these scopes opens it. */
  readonly scopes: readonly string[];
}

/** Beginning of every `WWW-Authenticate` of a Google API. */
const REALM = 'Bearer realm="https://accounts.google.com/"';

/** The longest a JWT may be good for that a service account signs itself, and by how much its clock may be ahead. */
const SELF_SIGNED_LIFETIME_SECONDS = 3600;
const CLOCK_SKEW_SECONDS = 300;

/**
 * Who calls an API: the holder of an access token, or a service account with a JWT it signed itself
 * (https://google.aip.dev/auth/4111).
 * @throws ApiError 401 without a valid credential, 403 for one whose scopes don't cover the method
 */
export async function authenticate(
  request: GoogleRequest,
  google: Google,
  method: ApiMethod,
): Promise<Identity> {
  if (request.headers.authorization === undefined) {
    const missing = 'Request is missing required authentication credential.';
    throw unauthenticated(missing, 'CREDENTIALS_MISSING', method);
  }
  const token = readBearerToken(request.headers);
  const grant =
    google.issuer.findAccessToken(token) ?? (await findSelfSigned(token, request, google, method));
  if (grant === undefined) {
    const invalid = 'Request had invalid authentication credentials.';
    throw unauthenticated(invalid, 'ACCESS_TOKEN_EXPIRED', method);
  }
  if (!grant.scopes.some((scope) => method.scopes.includes(scope))) throw scopeInsufficient(method);
  return grant.holder;
}

interface Grant {
  readonly holder: Identity;
  readonly scopes: readonly string[];
}

/** What a JWT stands for that a service account signed itself: for scopes, or for one API as its audience. */
async function findSelfSigned(
  token: string,
  { origin }: GoogleRequest,
  google: Google,
  { service, scopes }: ApiMethod,
): Promise<Grant | undefined> {
  const iss = readClaims(token)?.iss;
  const account = typeof iss === 'string' ? findAccount(iss) : undefined;
  if (account?.kind !== 'service-account' || account.email !== iss) return undefined;
  const claims = await verifyAccountSignature(google.keys, account, token);
  if (claims === undefined || claims.sub !== iss || !isTimely(claims, google.clock.now().wallMs / 1000)) {
    return undefined;
  }
  const { aud, scope } = claims;
  if (typeof scope === 'string') return { holder: account, scopes: toScopes(scope) };
  const audiences = [`https://${service}.${google.universeDomain}/`, `${origin}/`];
  return typeof aud === 'string' && audiences.includes(aud) ? { holder: account, scopes } : undefined;
}

function isTimely({ iat, exp }: Claims, now: number): boolean {
  return (
    typeof iat === 'number' &&
    typeof exp === 'number' &&
    iat <= now + CLOCK_SKEW_SECONDS &&
    exp > now &&
    exp - iat <= SELF_SIGNED_LIFETIME_SECONDS
  );
}

function unauthenticated(message: string, reason: string, method: ApiMethod): ApiError {
  const advice =
    'Expected OAuth 2 access token, login cookie or other valid authentication credential. See ' +
    'https://developers.google.com/identity/sign-in/web/devconsole-project.';
  const error = reason === 'CREDENTIALS_MISSING' ? '' : ', error="invalid_token"';
  const details = [toErrorInfo(reason, 'googleapis.com', toCall(method))];
  const challenge = `${REALM}${error}`;
  return new ApiError(401, 'UNAUTHENTICATED', `${message} ${advice}`, { details, challenge });
}

function scopeInsufficient(method: ApiMethod): ApiError {
  const challenge = `${REALM}, error="insufficient_scope", scope="${method.scopes.join(' ')}"`;
  const details = [toErrorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT', 'googleapis.com', toCall(method))];
  const message = 'Request had insufficient authentication scopes.';
  return new ApiError(403, 'PERMISSION_DENIED', message, { details, challenge });
}

function toCall({ service, method }: ApiMethod): Readonly<Record<string, string>> {
  return { service: `${service}.googleapis.com`, method };
}
