import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Account, findAccount } from './directory.ts';
import { type Claims, signJwt, verifySignature } from './jwt.ts';
import type { SigningKey } from './keys.ts';

/** `iss` of every ID token from Google. */
export const ISSUER = 'https://accounts.google.com';

/** Life of a token unless asked otherwise, and the most there is: one hour. */
export const TOKEN_LIFETIME_MS = 3_600_000;

/** The metadata server hands out the same token until this much of its life is left. */
const REUSE_UNTIL_MS = 300_000;

/** How many mints and access tokens are remembered. */
const MEMORY = 10_000;

/** Where a token was given out. */
export type MintEndpoint = 'token' | 'generateIdToken' | 'generateAccessToken' | 'metadata';

/** One token given out. A value comes twice where Google answers with a token it still holds. */
export interface Mint {
  readonly endpoint: MintEndpoint;
  readonly kind: 'id' | 'access';
  /** ID tokens only. */
  readonly audience?: string;
  /** E-mail of the account the token speaks for. */
  readonly identity: string;
  readonly value: string;
}

/** Which token to make. Who may have it was settled before. */
export type TokenOrder = IdTokenOrder | AccessTokenOrder;

export interface IdTokenOrder {
  readonly kind: 'id';
  readonly endpoint: MintEndpoint;
  readonly account: Account;
  readonly audience: string;
  /** `azp`. */
  readonly authorizedParty: string;
  /** Claims beyond those every ID token has. */
  readonly claims?: Claims;
}

export interface AccessTokenOrder {
  readonly kind: 'access';
  readonly endpoint: MintEndpoint;
  readonly account: Account;
  readonly scopes: readonly string[];
  /** `azp` and `aud`, as `tokeninfo` shows them. */
  readonly clientId: string;
  /** Shorter than the usual lifetime, where asked. */
  readonly lifetimeMs?: number;
}

/** When a token given out before is given out again: never, while more than 5 minutes are left, or whatever its age. */
export type Reuse = 'never' | 'while-fresh' | 'always';

export interface IssuedToken {
  readonly value: string;
  readonly expiresAtMs: number;
  /** Whole seconds left, for `expires_in`. */
  readonly expiresInSeconds: number;
}

/** What an access token stands for. */
export interface AccessGrant {
  readonly account: Account;
  readonly scopes: readonly string[];
  readonly clientId: string;
  readonly expiresAtMs: number;
}

/** A Google-signed ID token that is valid now. */
export interface VerifiedIdToken {
  readonly account: Account;
  readonly audience: string;
  readonly expiresAtMs: number;
  readonly claims: Claims;
}

/** Makes tokens, remembers them, and tells Google's own from anybody else's. */
export interface Issuer {
  issue(order: TokenOrder, reuse: Reuse): Promise<IssuedToken>;
  /** What an unexpired access token stands for. */
  findAccessToken(value: string): AccessGrant | undefined;
  /** The claims of an unexpired ID token that Google signed; undefined for anything else. */
  verifyIdToken(value: string): Promise<VerifiedIdToken | undefined>;
  /** Every token given out, oldest first; the last 10 000. */
  readonly mints: readonly Mint[];
}

export interface IssuerOptions {
  readonly clock: Clock;
  readonly key: SigningKey;
  readonly lifetimeMs: number;
}

/** Google's token factory: ID tokens are RS256 JWTs, access tokens are opaque. */
export function createIssuer({ clock, key, lifetimeMs }: IssuerOptions): Issuer {
  const mints: Mint[] = [];
  const grants = new Map<string, AccessGrant>();
  const latest = new Map<string, Omit<IssuedToken, 'expiresInSeconds'>>();

  async function make(order: TokenOrder): Promise<Omit<IssuedToken, 'expiresInSeconds'>> {
    const iat = Math.floor(clock.now().wallMs / 1000);
    const asked = order.kind === 'access' ? (order.lifetimeMs ?? lifetimeMs) : lifetimeMs;
    const exp = iat + Math.floor(Math.min(asked, lifetimeMs) / 1000);
    const expiresAtMs = exp * 1000;
    if (order.kind === 'id') {
      const { account, audience, authorizedParty, claims } = order;
      const all = { iss: ISSUER, aud: audience, azp: authorizedParty, sub: account.id, iat, exp, ...claims };
      return { value: await signJwt(all, key.privateKey, key.id), expiresAtMs };
    }
    const value = `ya29.${order.account.kind === 'user' ? 'a' : 'c'}.${randomBytes(72).toString('base64url')}`;
    remember(grants, value, { ...order, expiresAtMs });
    return { value, expiresAtMs };
  }

  return {
    mints,
    async issue(order, reuse) {
      const name = toName(order);
      const held = latest.get(name);
      const left = held === undefined ? 0 : held.expiresAtMs - clock.now().wallMs;
      const reused =
        reuse === 'always' || (reuse === 'while-fresh' && left > REUSE_UNTIL_MS) ? held : undefined;
      const token = reused ?? (await make(order));
      remember(latest, name, token);
      mints.push({
        endpoint: order.endpoint,
        kind: order.kind,
        ...(order.kind === 'id' && { audience: order.audience }),
        identity: order.account.email,
        value: token.value,
      });
      if (mints.length > MEMORY) mints.shift();
      return { ...token, expiresInSeconds: Math.floor((token.expiresAtMs - clock.now().wallMs) / 1000) };
    },
    findAccessToken(value) {
      const grant = grants.get(value);
      return grant !== undefined && grant.expiresAtMs > clock.now().wallMs ? grant : undefined;
    },
    async verifyIdToken(value) {
      const claims = await verifySignature(value, key.publicKey);
      if (claims === undefined) return undefined;
      const { aud, sub, exp } = claims;
      const account = typeof sub === 'string' ? findAccount(sub) : undefined;
      if (account === undefined || typeof aud !== 'string' || typeof exp !== 'number') return undefined;
      const expiresAtMs = exp * 1000;
      if (expiresAtMs <= clock.now().wallMs) return undefined;
      return { account, audience: aud, expiresAtMs, claims };
    },
  };
}

/** The claims that name a person or service account. */
export function toEmailClaims(account: Account): Claims {
  return { email: account.email, email_verified: true };
}

/** What two orders share when one token answers both. */
function toName(order: TokenOrder): string {
  const wanted =
    order.kind === 'id'
      ? [order.audience, order.authorizedParty, Object.keys(order.claims ?? {})]
      : [order.scopes, order.clientId];
  return JSON.stringify([order.endpoint, order.kind, order.account.email, wanted]);
}

/** Sets a value and forgets the oldest ones beyond the bound. */
function remember<Value>(map: Map<string, Value>, name: string, value: Value): void {
  map.set(name, value);
  for (const oldest of map.keys()) {
    if (map.size <= MEMORY) break;
    map.delete(oldest);
  }
}
