import type { RateConfig } from '../config/config.ts';
import type { SignInCode } from '../gate/sign-in-code.ts';
import type { SignIns } from '../gate/sign-ins.ts';
import type { RateLimit } from '../relay/rate-limit.ts';

/**
 * A route's rate, counted by the primary for all workers. While it is known that nothing may pass nobody is asked, so a flood
 * stays where it comes in.
 * @param ask the primary; as `RateLimit.take`
 */
export function createRemoteRate({ count, periodMs }: RateConfig, ask: () => Promise<number>): RateLimit {
  let closedUntilMs = Number.NEGATIVE_INFINITY;
  return {
    count,
    periodMs,
    take(nowMs) {
      if (nowMs < closedUntilMs) return closedUntilMs - nowMs;
      return ask().then((earlyMs) => {
        if (earlyMs > 0) closedUntilMs = Math.max(closedUntilMs, nowMs + earlyMs);
        return earlyMs;
      });
    },
  };
}

/**
 * Sign-in codes, read here and remembered by the primary, so that each is good once on the whole machine.
 * @param ask whether a genuine code is good, which uses it up
 */
export function createRemoteSignIns(ask: (code: SignInCode) => Promise<boolean>): SignIns {
  return {
    redeem(secret, code, nowMs) {
      const found = secret.readCode(code, nowMs);
      return found === undefined ? false : ask(found);
    },
  };
}
