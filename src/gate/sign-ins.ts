import type { ClientSecret } from './client-secret.ts';
import { SIGN_IN_CODE_MS, type SignInCode } from './sign-in-code.ts';

/** Which sign-in codes have been used. */
export interface SignIns {
  /**
   * Uses a code up.
   * @param nowMs epoch ms
   * @returns whether it was good: made from the secret, valid, and not used before; later where another process remembers
   */
  redeem(secret: ClientSecret, code: string, nowMs: number): boolean | Promise<boolean>;
}

/** Those that are remembered here. */
export interface LocalSignIns extends SignIns {
  redeem(secret: ClientSecret, code: string, nowMs: number): boolean;
  /** The same for a code that somebody has read already, so that it is genuine and valid. */
  use(code: SignInCode, nowMs: number): boolean;
}

/** Codes remembered at once. Only who knows the secret can fill this up, and then has to wait. */
const MOST_REMEMBERED = 1_000;

/**
 * Remembers used codes, at least until they expire. One that was made before the launch is never good: it may have been used then.
 * @param launchedMs epoch ms
 */
export function createSignIns(launchedMs: number): LocalSignIns {
  const used = new Map<string, number>();
  const forgetExpired = (nowMs: number): void => {
    for (const [nonce, expiresMs] of used) if (expiresMs <= nowMs) used.delete(nonce);
  };
  const use = ({ nonce, expiresMs }: SignInCode, nowMs: number): boolean => {
    if (expiresMs - SIGN_IN_CODE_MS < launchedMs || used.has(nonce)) return false;
    // Not before there is need to: a clock that is set back makes codes valid again.
    if (used.size >= MOST_REMEMBERED) forgetExpired(nowMs);
    if (used.size >= MOST_REMEMBERED) return false;
    used.set(nonce, expiresMs);
    return true;
  };
  return {
    use,
    redeem(secret, code, nowMs) {
      const found = secret.readCode(code, nowMs);
      return found !== undefined && use(found, nowMs);
    },
  };
}
