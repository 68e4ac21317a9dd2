import { explainOtherAudience, inferAudience, isOAuthClientId } from '../auth/audience.ts';
import type { RefusalCause } from '../auth/refusal.ts';
import type { HeldToken, TokenRequest } from '../auth/token-source.ts';
import type { Judgement } from './examine-answer.ts';
import { type Examined, failed, ok, warning } from './result.ts';

export interface AudienceFacts {
  readonly request: TokenRequest & { readonly kind: 'id' | 'jwt' };
  /** The upstream. */
  readonly origin: string;
  readonly basePath: string;
  readonly held: HeldToken;
  /** Google looks at tokens there. */
  readonly isPrivate: boolean;
  /** What became of the request with the token. */
  readonly judgement: Judgement;
}

/** Refusals that leave no doubt about the audience. */
const FOR_AUDIENCE: readonly (RefusalCause | undefined)[] = [
  'wrong-audience',
  'custom-audience',
  'iap-audience',
];
/** Whoever says this has found the token itself good. */
const FOR_ROLE: readonly (RefusalCause | undefined)[] = ['missing-role', 'iap-role'];

/** Whether a token's audience is one that the upstream takes: by what it did with it, else by its address. */
export function examineAudience(facts: AudienceFacts): Examined {
  const { request, origin, held, isPrivate, judgement } = facts;
  const { host } = new URL(origin);
  const { audience } = request;
  if (held.otherAudience !== undefined) return examineOther(audience, held.otherAudience, held.identity);
  const cause = judgement.diagnosis?.cause;
  if (FOR_AUDIENCE.includes(cause)) {
    return failed(`${host} does not take tokens for ${audience}.`, judgement.diagnosis?.hint);
  }
  if (FOR_ROLE.includes(cause) || (isPrivate && judgement.isLetIn))
    return ok(`${host} takes tokens for ${audience}.`);
  if (request.kind === 'jwt' || isOAuthClientId(audience))
    return ok(`The token is for ${audience}, as Identity-Aware Proxy wants it.`);
  return examineByAddress(facts);
}

function examineOther(asked: string, actual: string, identity: string | undefined): Examined {
  if (!isOAuthClientId(actual)) {
    return warning(`The token is for ${actual}, and not for ${asked}.`, `Have it made for ${asked}.`);
  }
  const { message, hint } = explainOtherAudience({ asked, actual, identity });
  return warning(message, hint);
}

function examineByAddress({ request: { audience }, origin, basePath }: AudienceFacts): Examined {
  const inferred = inferAudience({ origin, basePath });
  if (inferred.audience !== audience) {
    return warning(
      `The token is for ${audience}; by its address, ${new URL(origin).host} takes tokens for ${inferred.audience}.`,
      `token: { kind: id, audience: ${inferred.audience} }`,
    );
  }
  if (inferred.warning !== undefined) return warning(inferred.warning.message, inferred.warning.hint);
  return ok(`The token is for ${audience}, as the upstream's address calls for.`);
}
