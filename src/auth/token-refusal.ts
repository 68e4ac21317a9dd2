import type { Finding, RefusalContext } from './refusal.ts';

/** A clock so far off is to blame for tokens that are refused. */
const CLOCK_OFF_MS = 300_000;
/** Google's tokens live for an hour. */
const LIFETIME_MS = 3_600_000;

/** What to write instead of a person's identity. */
export const ACT_AS_SERVICE_ACCOUNT =
  'credentials: { kind: impersonate, account: NAME@PROJECT.iam.gserviceaccount.com }';

/** Why a token is refused that is of the right kind and for the right audience: time, or the account itself. */
export function diagnoseToken(context: RefusalContext): Finding {
  const { identity, clockOffsetMs, tokenAgeMs } = context;
  if (clockOffsetMs !== undefined && Math.abs(clockOffsetMs) > CLOCK_OFF_MS) {
    return { cause: 'clock', ...explainClock(clockOffsetMs) };
  }
  if (tokenAgeMs !== undefined && tokenAgeMs > LIFETIME_MS) {
    const minutes = Math.round(tokenAgeMs / 60_000);
    const message = `The token of ${nameOf(context)} is ${minutes} minutes old and has expired.`;
    return { cause: 'expired', message, hint: 'Renew it where it comes from.' };
  }
  return {
    cause: 'token-refused',
    message: `Google refused the token of ${nameOf(context)}, though it is for the right audience: the account may be disabled or deleted.`,
    hint: identity?.endsWith('.gserviceaccount.com')
      ? `gcloud iam service-accounts describe ${identity}`
      : undefined,
  };
}

/** A clock that is off, in words. `offsetMs`: the local clock minus the other side's. */
export function explainClock(offsetMs: number): { readonly message: string; readonly hint: string } {
  const seconds = Math.round(Math.abs(offsetMs) / 1_000);
  const span = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  return {
    message: `The clock of this machine is ${span} ${offsetMs > 0 ? 'fast' : 'slow'}.`,
    hint: 'Have it set by network time: sudo timedatectl set-ntp true on Linux, the date and time settings elsewhere.',
  };
}

/** Who a token speaks for, for messages. */
export function nameOf({ identity }: RefusalContext): string {
  return identity ?? 'an unknown account';
}
