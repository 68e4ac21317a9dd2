import type { KeyObject } from 'node:crypto';
import { compactVerify } from 'jose/jws/compact/verify';
import { SignJWT } from 'jose/jwt/sign';

/** The claims of a JSON Web Token, unchecked beyond being a JSON object. */
export type Claims = Readonly<Record<string, unknown>>;

/** The only algorithm Google signs with and accepts. Everything else, `none` and HS256 first, is refused. */
const ALGORITHM = 'RS256';

/** Signs claims as Google does: RS256, or ES256 where the key is on a curve, with a `kid` (RFC 7519). */
export function signJwt(claims: Claims, privateKey: KeyObject, keyId: string): Promise<string> {
  const alg = privateKey.asymmetricKeyType === 'ec' ? 'ES256' : ALGORITHM;
  return new SignJWT(claims).setProtectedHeader({ alg, kid: keyId, typ: 'JWT' }).sign(privateKey);
}

/** The claims of a token if this key signed it; undefined for any other text. Says nothing about time or audience. */
export async function verifySignature(token: string, publicKey: KeyObject): Promise<Claims | undefined> {
  try {
    const { payload } = await compactVerify(token, publicKey, { algorithms: [ALGORITHM] });
    return parseClaims(Buffer.from(payload).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The `kid` of a token's header, signed by whomever. */
export function readKeyId(token: string): unknown {
  return parseClaims(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8'))?.kid;
}

/** What a token claims, signed by whomever; undefined where it isn't a JWT. */
export function readClaims(token: string): Claims | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  return parseClaims(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'));
}

function parseClaims(json: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
