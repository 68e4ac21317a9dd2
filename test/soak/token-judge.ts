import type { Clock } from '../../src/clock.ts';
import type { Mint } from '../../src/emulator/emulator.ts';
import { TOKEN_LIFETIME_MS } from './fast-clock.ts';

/** Says what is wrong with the token of a request for an audience; undefined for one that takes access tokens. */
export interface TokenJudge {
  (authorization: string | undefined, audience: string | undefined): string | undefined;
  /** Tokens given out so far, by audience; '' for access tokens. */
  mints(): Readonly<Record<string, number>>;
}

interface Known {
  readonly audience: string | undefined;
  readonly expiresAtMs: number;
}

/** How often a look at the mints is worth it: those given out are remembered by thousands, so none is missed. */
const LOOK_MS = 100;

/** @param mints every token that was given out, oldest first; only the last ones */
export function createTokenJudge(mints: readonly Mint[], clock: Clock): TokenJudge {
  const known = new Map<string, Known>();
  const counts: Record<string, number> = {};
  let latest: Mint | undefined;

  const look = (): void => {
    const from = latest === undefined ? 0 : mints.lastIndexOf(latest) + 1;
    for (const mint of mints.slice(from)) {
      latest = mint;
      const { kind, audience = '', value } = mint;
      if (kind === 'jwt') continue;
      counts[audience] = (counts[audience] ?? 0) + 1;
      known.set(`Bearer ${value}`, {
        audience: kind === 'id' ? audience : undefined,
        expiresAtMs: kind === 'id' ? readExpiryMs(value) : clock.now().wallMs + TOKEN_LIFETIME_MS,
      });
    }
    const nowMs = clock.now().wallMs;
    for (const [value, { expiresAtMs }] of known)
      if (expiresAtMs + TOKEN_LIFETIME_MS < nowMs) known.delete(value);
  };
  setInterval(look, LOOK_MS).unref();

  const judge = (authorization: string | undefined, audience: string | undefined): string | undefined => {
    if (authorization === undefined) return 'there is no token';
    let token = known.get(authorization);
    if (token === undefined) {
      look();
      token = known.get(authorization);
    }
    if (token === undefined) return 'the token is none that Google gave out';
    if (token.audience !== audience) return `the token is for ${token.audience ?? 'an API'}`;
    const overMs = clock.now().wallMs - token.expiresAtMs;
    return overMs > 0 ? `the token has been over for ${Math.round(overMs / 1_000)} s` : undefined;
  };
  return Object.assign(judge, { mints: () => counts });
}

function readExpiryMs(jwt: string): number {
  const { exp } = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
  return exp * 1_000;
}
