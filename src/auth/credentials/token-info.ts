import { type Advice, type MintFailure, toMintError, toStandingError } from '../failure.ts';
import { toBadAnswer } from '../minted.ts';
import type { MintedToken } from '../token-source.ts';
import type { ActorOrder } from './actor.ts';
import { CLOUD_PLATFORM } from './kind.ts';
import { createTransporter, OAuth2Client } from './library.ts';
import { runWithTraffic, Traffic } from './traffic.ts';

/** A question about an access token that came from elsewhere. */
export interface TokenInfoOrder extends ActorOrder {
  /** What to do about a failure. */
  readonly advise: (failure: MintFailure) => Advice | undefined;
}

/**
 * Has Google say what an access token is: when it ends, whose it is, and that its scopes cover those asked for.
 * https://cloud.google.com/docs/authentication/token-types#access-tokens
 * @throws ProxyError as `Credential.mint`
 */
export async function inspectAccessToken(value: string, order: TokenInfoOrder): Promise<MintedToken> {
  const { request, credential, context, advise } = order;
  const traffic = new Traffic(context);
  const client = new OAuth2Client({
    transporter: createTransporter(context),
    endpoints: { tokenInfoUrl: `https://oauth2.${context.universeDomain}/tokeninfo` },
  });
  const info = await runWithTraffic(traffic, () => client.getTokenInfo(value)).catch((thrown: unknown) => {
    throw toMintError(thrown, { request, credential, advise, localNowMs: context.clock.now().wallMs });
  });
  // All of Google's values are strings.
  const endsSeconds = Number(Reflect.get(info, 'exp'));
  if (!(endsSeconds > 0)) throw toBadAnswer(request, credential, 'it does not say when the token ends');
  const missing = request.kind === 'access' ? findMissingScopes(request.scopes, info.scopes) : [];
  if (missing.length > 0) {
    const held = info.scopes.join(', ');
    const hint = `token: { kind: access, scopes: [${held}] } for the route, or a token with the missing ones`;
    throw toStandingError(order, `it is without ${missing.join(' ')}`, hint);
  }
  return {
    value,
    expiresAtMs: endsSeconds * 1000,
    issuedAtMs: undefined,
    issuerNowMs: traffic.issuerNowMs,
    identity: info.email,
    quotaProject: context.env.GOOGLE_CLOUD_QUOTA_PROJECT || undefined,
  };
}

/** The scopes asked for that a token has nothing of. How far one goes within an API is for the API to say. */
function findMissingScopes(asked: readonly string[], held: readonly string[]): readonly string[] {
  const families = new Set([...held].map(toFamily));
  if (families.has(CLOUD_PLATFORM)) return [];
  return asked.filter((scope) => scope.startsWith('https://') && !families.has(toFamily(scope)));
}

/** `https://www.googleapis.com/auth/bigquery` of `https://www.googleapis.com/auth/bigquery.readonly`. */
function toFamily(scope: string): string {
  return scope.replace(/(\/auth\/[\w-]+)\..*$/, '$1');
}
