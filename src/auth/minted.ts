import { ProxyError } from '../errors.ts';
import { decodeClaims, type JwtClaims } from './jwt.ts';
import type { MintedToken, TokenRequest } from './token-source.ts';

/** `b64token`: what may follow `Bearer` (RFC 6750, section 2.1), so nothing that could end or split a header line. */
const SENDABLE = /^[\w.~+/-]+=*$/;

/** Whether a token may stand in a header. */
export function isSendable(value: string): boolean {
  return SENDABLE.test(value);
}

/** What was asked for, for messages: `an ID token for https://…`. */
export function describeRequest(request: TokenRequest): string {
  if (request.kind === 'id') return `an ID token for ${request.audience}`;
  if (request.kind === 'jwt') return `a self-signed JWT for ${request.audience}`;
  return request.scopes.length > 0 ? `an access token for ${request.scopes.join(' ')}` : 'an access token';
}

/** Google answered, but not with a token that could be used. `reason` quotes nothing of the answer. */
export function toBadAnswer(
  request: TokenRequest,
  credential: string,
  reason: string,
  retryAfterMs?: number,
): ProxyError {
  const message = `Could not get ${describeRequest(request)} from ${credential}: the answer can't be used, ${reason}.`;
  return new ProxyError('credentials_invalid', message, { retryAfterMs });
}

/**
 * An ID token, or a JWT that a service account signed itself, with what its claims say about it.
 * @throws ProxyError `credentials_invalid` for anything that isn't such a token
 */
export function toMintedIdToken(
  value: unknown,
  request: TokenRequest & { readonly kind: 'id' | 'jwt' },
  credential: string,
  issuerNowMs: number | undefined,
): MintedToken {
  if (typeof value !== 'string' || value === '')
    throw toBadAnswer(request, credential, `it holds no ${request.kind === 'id' ? 'ID token' : 'JWT'}`);
  let claims: JwtClaims;
  try {
    claims = decodeClaims(value);
  } catch (error) {
    throw toBadAnswer(request, credential, error instanceof Error ? error.message : 'it is not a JWT');
  }
  const { exp, iat, aud, email, iss } = claims;
  const identity = request.kind === 'id' ? email : iss;
  if (!isSeconds(exp)) throw toBadAnswer(request, credential, 'it has no "exp" claim');
  // People get ID tokens for another audience than they ask for; what was signed is what was asked for.
  if (request.kind === 'jwt' && aud !== request.audience)
    throw toBadAnswer(request, credential, 'it is for another audience');
  return {
    value,
    expiresAtMs: exp * 1000,
    issuedAtMs: isSeconds(iat) ? iat * 1000 : undefined,
    issuerNowMs,
    identity: typeof identity === 'string' ? identity : undefined,
    quotaProject: undefined,
    audience: typeof aud === 'string' ? aud : undefined,
  };
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
