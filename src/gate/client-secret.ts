import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { findClientCookies } from './client-cookie.ts';
import { deriveCodeKey, makeSignInCode, readSignInCode, type SignInCode } from './sign-in-code.ts';

/** What a request's field lines say of the client. */
export interface Showing {
  /** They hold the secret, or the cookie that stands for it. */
  readonly isKnown: boolean;
  /** `Authorization` is the secret, so it is not the client's own, and goes no further. */
  readonly isInAuthorization: boolean;
  /** A field that may be there once is there more often, so that two readers could take different ones for the right one. */
  readonly repeated: 'Authorization' | 'Proxy-Authorization' | undefined;
}

/** The secret that clients of one listener have to know. What it holds can't be read out of it, nor printed. */
export interface ClientSecret {
  /**
   * Looks for the secret in a request. Pure; takes no longer for what is nearly right; never throws.
   * @param lines field lines: name, value, name, value
   * @param cookie name of the cookie that would do
   */
  look(lines: readonly string[], cookie: string): Showing;
  /** The value of a cookie of this name that stands for the secret. */
  cookieValue(cookie: string): string;
  /** A sign-in code, valid from a time on (epoch ms), with `NONCE_BYTES` random bytes. */
  makeCode(nonce: Uint8Array, nowMs: number): string;
  /** What a sign-in code says, if it was made from this secret and is valid at a time (epoch ms); undefined otherwise. */
  readCode(code: string, nowMs: number): SignInCode | undefined;
  /** What another process of this proxy needs to know the same clients. Only for that: it is as good as the secret. */
  toKeys(): ClientSecretKeys;
}

/** What is left of a secret once it is compiled. It can't be told from them. */
export interface ClientSecretKeys {
  readonly digest: Uint8Array;
  readonly codeKey: Uint8Array;
  readonly cookieKey: Uint8Array;
}

/**
 * Compiles a secret.
 * @param secret as `readClientSecret` gives it
 * @param launch random bytes of this launch: cookies end with them
 */
export function createClientSecret(secret: string, launch: Uint8Array): ClientSecret {
  return toClientSecret({
    digest: toDigest(secret),
    codeKey: deriveCodeKey(secret),
    cookieKey: createHmac('sha256', secret).update('gcp-bearer-proxy client cookie').update(launch).digest(),
  });
}

/** The secret that `toKeys` was asked of, in another process. */
export function toClientSecret(keys: ClientSecretKeys): ClientSecret {
  const [digest, codeKey, cookieKey] = [keys.digest, keys.codeKey, keys.cookieKey].map((key) =>
    Buffer.from(key),
  ) as [Buffer, Buffer, Buffer];
  const isSecret = (text: string | undefined): boolean =>
    text !== undefined && timingSafeEqual(toDigest(text), digest);
  const cookieValue = (cookie: string): string =>
    createHmac('sha256', cookieKey).update(cookie).digest('base64url');
  return {
    toKeys: () => ({ digest, codeKey, cookieKey }),
    cookieValue,
    makeCode: (nonce, nowMs) => makeSignInCode(codeKey, nonce, nowMs),
    readCode: (code, nowMs) => readSignInCode(codeKey, code, nowMs),
    look(lines, cookie) {
      const fields = findFields(lines);
      const isInAuthorization = fields.authorization.some((value) => isSecret(toShown(value)));
      const isInProxy = fields.proxy.some((value) => isSecret(toShown(value)));
      return {
        isKnown: isInAuthorization || isInProxy || hasCookie(fields.cookies, cookie, cookieValue),
        isInAuthorization,
        repeated:
          fields.authorization.length > 1
            ? 'Authorization'
            : fields.proxy.length > 1
              ? 'Proxy-Authorization'
              : undefined,
      };
    },
  };
}

interface Fields {
  readonly authorization: readonly string[];
  readonly proxy: readonly string[];
  readonly cookies: readonly string[];
}

function findFields(lines: readonly string[]): Fields {
  const authorization: string[] = [];
  const proxy: string[] = [];
  const cookies: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    const value = lines[i + 1] as string;
    if (name === 'authorization') authorization.push(value);
    else if (name === 'proxy-authorization') proxy.push(value);
    else if (name === 'cookie') cookies.push(value);
  }
  return { authorization, proxy, cookies };
}

/** What a value of `Authorization` shows: a bearer's token (RFC 6750), or the password of any user (RFC 7617). */
function toShown(value: string): string | undefined {
  const text = value.trim();
  const space = text.indexOf(' ');
  const scheme = text.slice(0, Math.max(space, 0)).toLowerCase();
  const rest = text.slice(space + 1).trimStart();
  if (scheme === 'bearer') return rest;
  if (scheme !== 'basic') return undefined;
  const pair = Buffer.from(rest, 'base64').toString('latin1');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : pair.slice(colon + 1);
}

/** Whichever of several cookies of this name: a page on another path may have put one of its own before ours. */
function hasCookie(cookies: readonly string[], name: string, cookieValue: (name: string) => string): boolean {
  const found = cookies.flatMap((value) => findClientCookies(value, name));
  if (found.length === 0) return false;
  const expected = toDigest(cookieValue(name));
  return found.some((value) => timingSafeEqual(toDigest(value), expected));
}

/** Digests have one length, and tell nothing of where two texts differ. */
function toDigest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
