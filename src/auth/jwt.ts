/** Claims of a JWT that this project reads; anything else stays as it came. */
export interface JwtClaims extends Readonly<Record<string, unknown>> {
  /** Seconds since the epoch. */
  readonly exp?: unknown;
  readonly iat?: unknown;
  readonly aud?: unknown;
  readonly email?: unknown;
}

const SHAPE = /^[\w-]+\.([\w-]+)\.[\w-]+$/;

/**
 * The claims of a JWT (RFC 7519), unverified: whoever receives the token verifies it. The signature stays behind.
 * @throws Error that says what is wrong and quotes nothing
 */
export function decodeClaims(token: string): JwtClaims {
  const payload = SHAPE.exec(token)?.[1];
  if (payload === undefined)
    throw new Error('it is not a JWT: three base64url parts with dots between were expected');
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    throw new Error('it is not a JWT: its second part is not JSON');
  }
  if (!isClaims(claims)) throw new Error('it is not a JWT: its claims are not an object');
  return claims;
}

function isClaims(value: unknown): value is JwtClaims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
