import type { JwtClaims } from '../auth/jwt.ts';
import type { TokenRequest } from '../auth/token-source.ts';
import { type Examined, failed, ok } from './result.ts';
import { formatSpan } from './span.ts';
import type { TokenFacts } from './token-probe.ts';

const KINDS: Readonly<Record<TokenRequest['kind'], string>> = {
  id: 'an ID token',
  access: 'an access token',
  jwt: 'a self-signed JWT',
};

/** Which credential a route uses. `description` is what it says of itself. */
export function examineCredential(description: string): Examined {
  return ok(`Uses ${description}.`);
}

/** Whether a token can be had, and whose it is. */
export function examineToken(facts: TokenFacts, { kind }: TokenRequest): Examined {
  if (facts.kind === 'refused') return failed(facts.error.message, facts.error.hint);
  const { held, durationMs } = facts;
  const whose = held.identity === undefined ? '' : ` of ${held.identity}`;
  const left = formatSpan(held.remainingMs());
  return ok(`Has ${KINDS[kind]}${whose}, got in ${formatSpan(durationMs)} and good for ${left}.`);
}

/** For whom, of whom and by whom it is; `--json` has all of them. */
const TOLD_CLAIMS = ['aud', 'email', 'sub', 'iss'] as const;

/** What a token says of itself, unverified. */
export function describeClaims(claims: JwtClaims): Examined {
  const told = TOLD_CLAIMS.flatMap((name) =>
    typeof claims[name] === 'string' ? [`${name} ${claims[name]}`] : [],
  );
  return ok(`${told.join(', ')}.`);
}
