import { isOAuthClientId } from './audience.ts';
import { toMember } from './credentials/kind.ts';
import type { Finding, RefusalAnswer, RefusalContext } from './refusal.ts';
import { ACT_AS_SERVICE_ACCOUNT, diagnoseToken, nameOf } from './token-refusal.ts';

/** Why Identity-Aware Proxy kept a request from a service. https://cloud.google.com/iap/docs/authentication-howto */
export function diagnoseIap({ status, bodyStart }: RefusalAnswer, context: RefusalContext): Finding {
  const { upstreamOrigin, request, otherAudience } = context;
  const iap = `Identity-Aware Proxy at ${new URL(upstreamOrigin).host}`;
  const hint = adviseAudience(findExpectedClient(bodyStart));
  if (request === undefined)
    return { cause: 'no-token', message: `${iap} wants a token, and none was sent.`, hint };
  if (status === 403) {
    const member = toMember(context.identity);
    return {
      cause: 'iap-role',
      message: `${nameOf(context)} may not pass ${iap}: roles/iap.httpsResourceAccessor is missing.`,
      hint: `gcloud iap web add-iam-policy-binding --member=${member} --role=roles/iap.httpsResourceAccessor`,
    };
  }
  if (request.kind === 'access')
    return { cause: 'wrong-kind', message: `${iap} takes ID tokens, and an access token was sent.`, hint };
  if (otherAudience !== undefined && isOAuthClientId(otherAudience)) {
    return {
      cause: 'user-audience',
      message: `The ID token of ${nameOf(context)} is for the OAuth client of the login, and ${iap} takes only those for its own.`,
      hint: ACT_AS_SERVICE_ACCOUNT,
    };
  }
  const audience = otherAudience ?? request.audience;
  const isForNoClient = request.kind === 'id' && !isOAuthClientId(audience);
  if (isForNoClient || /\baudience\b/i.test(bodyStart)) {
    return {
      cause: 'iap-audience',
      message: `The token is for ${audience}, and ${iap} takes tokens for ${request.kind === 'jwt' ? 'the address asked for' : 'its OAuth client'}.`,
      hint: request.kind === 'jwt' ? `token: { kind: jwt, audience: ${upstreamOrigin}/* }` : hint,
    };
  }
  return diagnoseToken(context);
}

/** The line that gives a route the audience IAP wants. `clientId` undefined: it isn't known. */
export function adviseAudience(clientId: string | undefined): string {
  return `token: { kind: id, audience: ${clientId ?? 'CLIENT_ID.apps.googleusercontent.com'} }`;
}

/**
 * The OAuth client that IAP's page says it expected; nothing else of the page is ever shown. With the project's number in front,
 * as Google makes them: a part of a token isn't like that.
 */
function findExpectedClient(page: string): string | undefined {
  return /expected value \((\d{3,20}(?:-[a-z0-9]{1,40})?\.apps\.googleusercontent\.com)\)/.exec(page)?.[1];
}
