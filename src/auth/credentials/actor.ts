import type { AuthClient, gaxios } from 'google-auth-library';
import { ProxyError } from '../../errors.ts';
import { toStandingError } from '../failure.ts';
import { decodeClaims } from '../jwt.ts';
import { toBadAnswer, toMintedIdToken } from '../minted.ts';
import type { MintedToken, TokenRequest } from '../token-source.ts';
import { ACT_AS } from './advice.ts';
import { CLOUD_PLATFORM, type KindContext } from './kind.ts';
import type { Traffic } from './traffic.ts';

/** Somebody Google knows, ready to be asked for a token. What Google gives to others only is left out. */
export interface Actor {
  /** Who this is, where that is known before a token tells. */
  readonly email: string | undefined;
  /** Project to bill, as the credential file says. */
  readonly quotaProject: string | undefined;
  fetchAccessToken(): Promise<AccessToken>;
  fetchIdToken?(audience: string): Promise<unknown>;
  signJwt?(audience: string): Promise<unknown>;
}

/** What came in answer, as it came. */
export interface AccessToken {
  readonly value: unknown;
  /** Epoch ms: by the issuer's clock where it gave a point in time, else by this machine's. */
  readonly endsMs: unknown;
  /** Who it speaks for, where the answer told. */
  readonly email?: string | undefined;
}

/** What somebody is asked for. */
export interface ActorOrder {
  readonly request: TokenRequest;
  /** What the credential says of itself. */
  readonly credential: string;
  readonly context: KindContext;
}

/** One mint under way. */
export interface MintSession {
  readonly order: ActorOrder;
  readonly traffic: Traffic;
  /** Through which everything goes but questions to the metadata server. */
  readonly transporter: gaxios.Gaxios;
}

/**
 * Asks an actor for a token, once.
 * @throws ProxyError `credentials_invalid` when it gets no such tokens, or none that can be used
 */
export async function askActor(actor: Actor, order: ActorOrder, traffic: Traffic): Promise<MintedToken> {
  const { request, credential, context } = order;
  switch (request.kind) {
    case 'id': {
      if (actor.fetchIdToken === undefined) throw toNoIdTokenError(credential);
      const value = await actor.fetchIdToken(request.audience);
      return toMintedIdToken(value, request, credential, traffic.issuerNowMs);
    }
    case 'jwt': {
      if (actor.signJwt === undefined)
        throw toStandingError(order, 'only service accounts sign JWTs', ACT_AS);
      const value = await actor.signJwt(request.audience);
      return toMintedIdToken(value, request, credential, traffic.issuerNowMs);
    }
    case 'access': {
      const { value, endsMs, email } = await actor.fetchAccessToken();
      if (typeof value !== 'string') throw toBadAnswer(request, credential, 'it holds no access token');
      if (typeof endsMs !== 'number')
        throw toBadAnswer(request, credential, 'it does not say when the token ends');
      return {
        value,
        ...toExpiry(endsMs, traffic),
        issuedAtMs: undefined,
        identity: actor.email ?? email,
        quotaProject: context.env.GOOGLE_CLOUD_QUOTA_PROJECT || actor.quotaProject || undefined,
      };
    }
  }
}

/** An access token, as one of the library's clients gets it. */
export async function fetchByClient(client: AuthClient): Promise<AccessToken> {
  const { token } = await client.getAccessToken();
  const { expiry_date: endsMs, id_token: idToken } = client.credentials;
  return { value: token, endsMs, email: typeof idToken === 'string' ? readEmail(idToken) : undefined };
}

/** An access token on the way to another token. */
export function requireToken(order: ActorOrder, { value }: AccessToken): { readonly value: string } {
  if (typeof value === 'string') return { value };
  throw toBadAnswer(order.request, order.credential, 'it holds no access token');
}

/** The scopes to ask for: an ID token or a JWT is had by an access token for IAM. */
export function toScopes(request: TokenRequest): string[] {
  return request.kind === 'access' && request.scopes.length > 0 ? [...request.scopes] : [CLOUD_PLATFORM];
}

function readEmail(idToken: string): string | undefined {
  try {
    const { email } = decodeClaims(idToken);
    return typeof email === 'string' ? email : undefined;
  } catch {
    return undefined;
  }
}

/** The end on the issuer's clock. A span was added to this machine's clock by the library: that is undone here. */
function toExpiry(
  endsMs: number,
  { issuerNowMs, gavePointInTime }: Traffic,
): Pick<MintedToken, 'expiresAtMs' | 'issuerNowMs'> {
  if (gavePointInTime) return { expiresAtMs: endsMs, issuerNowMs };
  const localNowMs = Date.now();
  const nowMs = issuerNowMs ?? localNowMs;
  return { expiresAtMs: nowMs + endsMs - localNowMs, issuerNowMs: nowMs };
}

function toNoIdTokenError(credential: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `Google gives no ID tokens to ${credential}, only access tokens.`,
    { hint: ACT_AS },
  );
}
