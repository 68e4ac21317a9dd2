import { createHmac, timingSafeEqual } from 'node:crypto';

/** Milliseconds a sign-in code is valid. */
export const SIGN_IN_CODE_MS = 600_000;

/** What a genuine code says. */
export interface SignInCode {
  /** Tells it from every other. */
  readonly nonce: string;
  /** Epoch ms. */
  readonly expiresMs: number;
}

/** How far ahead of ours the clock may be of whoever made a code. */
const CLOCK_SKEW_MS = 60_000;
const TIME_BYTES = 6;
/** Length of a code's nonce, in bytes. */
export const NONCE_BYTES = 16;
const TEXT_BYTES = TIME_BYTES + NONCE_BYTES;
/** Expiry, nonce and HMAC are a multiple of three bytes: in base64url one code has one spelling. */
const CODE = /^[\w-]{72}$/;

/** The key that codes are signed with: whoever knows the secret can make them, without asking the proxy. */
export function deriveCodeKey(secret: string): Buffer {
  return createHmac('sha256', secret).update('gcp-bearer-proxy sign-in code').digest();
}

/**
 * Makes a code that is good for one sign-in.
 * @param nonce `NONCE_BYTES` random bytes
 */
export function makeSignInCode(key: Buffer, nonce: Uint8Array, nowMs: number): string {
  const text = Buffer.alloc(TEXT_BYTES);
  text.writeUIntBE(Math.trunc(nowMs) + SIGN_IN_CODE_MS, 0, TIME_BYTES);
  text.set(nonce.subarray(0, NONCE_BYTES), TIME_BYTES);
  return Buffer.concat([text, sign(key, text)]).toString('base64url');
}

/** Reads a code; undefined for one that was made with another key, has expired, or is valid for longer than codes are. Never throws. */
export function readSignInCode(key: Buffer, code: string, nowMs: number): SignInCode | undefined {
  if (!CODE.test(code)) return undefined;
  const bytes = Buffer.from(code, 'base64url');
  const text = bytes.subarray(0, TEXT_BYTES);
  const isGenuine = timingSafeEqual(sign(key, text), bytes.subarray(TEXT_BYTES));
  const expiresMs = text.readUIntBE(0, TIME_BYTES);
  if (!isGenuine || expiresMs <= nowMs || expiresMs > nowMs + SIGN_IN_CODE_MS + CLOCK_SKEW_MS)
    return undefined;
  return { nonce: text.toString('base64url', TIME_BYTES), expiresMs };
}

function sign(key: Buffer, text: Buffer): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
