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
 * An ID token with what its claims say about it.
 * @throws ProxyError `credentials_invalid` for anything that isn't an ID token
 */
export function toMintedIdToken(
  value: unknown,
  request: TokenRequest & { readonly kind: 'id' },
  credential: string,
  issuerNowMs: number | undefined,
): MintedToken {
  if (typeof value !== 'string' || value === '')
    throw toBadAnswer(request, credential, 'it holds no ID token');
  let claims: JwtClaims;
  try {
    claims = decodeClaims(value);
  } catch (error) {
    throw toBadAnswer(request, credential, error instanceof Error ? error.message : 'it is not a JWT');
  }
  const { exp, iat, aud, email } = claims;
  if (!isSeconds(exp)) throw toBadAnswer(request, credential, 'it has no "exp" claim');
  return {
    value,
    expiresAtMs: exp * 1000,
    issuedAtMs: isSeconds(iat) ? iat * 1000 : undefined,
    issuerNowMs,
    identity: typeof email === 'string' ? email : undefined,
    quotaProject: undefined,
    audience: typeof aud === 'string' ? aud : undefined,
  };
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
