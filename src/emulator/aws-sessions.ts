import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';

/** How many sessions are remembered. */
const MEMORY = 10_000;

/** Sessions with the metadata server of a machine on AWS. */
export interface AwsSessions {
  /** Opens one and gives its token. */
  start(lifetimeMs: number): string;
  isOpen(token: string): boolean;
}

export function createAwsSessions(clock: Clock): AwsSessions {
  const endsAtMs = new Map<string, number>();
  return {
    start(lifetimeMs) {
      const token = `${randomBytes(40).toString('base64url')}==`;
      endsAtMs.set(token, clock.now().wallMs + lifetimeMs);
      const [oldest] = endsAtMs.keys();
      if (endsAtMs.size > MEMORY && oldest !== undefined) endsAtMs.delete(oldest);
      return token;
    },
    isOpen: (token) => (endsAtMs.get(token) ?? 0) > clock.now().wallMs,
  };
}
