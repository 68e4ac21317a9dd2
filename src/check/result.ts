import type { JwtClaims } from '../auth/jwt.ts';

/** What is looked at for each route, in this order. */
export type CheckName =
  | 'credential'
  | 'token'
  | 'claims'
  | 'dns'
  | 'connection'
  | 'without token'
  | 'with token'
  | 'audience'
  | 'clock';

export type CheckStatus = 'ok' | 'warning' | 'failed' | 'skipped';

/** What one look brought to light. Holds no token, no query value and nothing of a body. */
export interface CheckResult {
  readonly name: CheckName;
  readonly status: CheckStatus;
  /** A sentence with a full stop. */
  readonly message: string;
  /** The command to run or the line to change. */
  readonly hint: string | undefined;
}

/** What a look has to say; its name is added by whoever looked. */
export type Examined = Omit<CheckResult, 'name'>;

/** Everything known of a route after the check. */
export interface RouteReport {
  readonly name: string;
  /** Which credential, and where it was found; undefined for routes that send no token. */
  readonly credential: string | undefined;
  readonly identity: string | undefined;
  /** The token's claims, unverified; undefined where there are none to see. */
  readonly claims: JwtClaims | undefined;
  /** No token could be had. */
  readonly lacksToken: boolean;
  /** Nothing failed. */
  readonly isFine: boolean;
  readonly checks: readonly CheckResult[];
}

export const ok = (message: string): Examined => ({ status: 'ok', message, hint: undefined });
export const skipped = (message: string, hint?: string): Examined => ({ status: 'skipped', message, hint });
export const warning = (message: string, hint?: string): Examined => ({ status: 'warning', message, hint });
export const failed = (message: string, hint?: string): Examined => ({ status: 'failed', message, hint });
