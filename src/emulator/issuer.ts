import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Account, findAccount, type Identity, toIdentityName } from './directory.ts';
import { type Claims, signJwt, verifySignature } from './jwt.ts';
import type { SigningKey } from './keys.ts';

/** `iss` of every ID token from Google. */
export const ISSUER = 'https://accounts.google.com';

/** Life of a token unless asked otherwise, and the most there is: one hour. */
export const TOKEN_LIFETIME_MS = 3_600_000;

/** The metadata server hands out the same token until this much of its life is left. */
const REUSE_UNTIL_MS = 300_000;

/** Access tokens of different holders look different. */
const TOKEN_SORTS = { 'service-account': 'c', user: 'a', principal: 'd' } as const;

/** How many mints and access tokens are remembered. */
const MEMORY = 10_000;

/** Where a token was given out. */
export type MintEndpoint =
  | 'token'
  | 'generateIdToken'
  | 'generateAccessToken'
  | 'metadata'
  | 'sts'
  | 'signJwt';

/** One token given out. A value comes twice where Google answers with a token it still holds. */
export interface Mint {
  readonly endpoint: MintEndpoint;
  /** `jwt`: with the claims that its bearer wished for. */
  readonly kind: 'id' | 'access' | 'jwt';
  /** ID tokens only. */
  readonly audience?: string;
  /** E-mail of the account the token speaks for, or the principal it was given to. */
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
  readonly holder: Identity;
  readonly scopes: readonly string[];
  /** `azp` and `aud`, as `tokeninfo` shows them. */
  readonly clientId: string;
  /** Shorter than the usual lifetime, where asked. */
  readonly lifetimeMs?: number;
}

/** When a token given out before is given out again: never, while more than 5 minutes are left, or whatever its age. */
export type Reuse = 'never' | 'while-fresh' | 'always';

/** How a token is made: as Google does it, or as a fault says. */
export interface Issuance {
  readonly reuse: Reuse;
  /** In place of the audience asked for. */
  readonly audience?: string;
  /** Shorter than the usual lifetime. */
  readonly lifetimeMs?: number;
  /** By how much the issuer's clock is off. */
  readonly clockOffsetMs?: number;
}

export interface IssuedToken {
  readonly value: string;
  readonly expiresAtMs: number;
  /** Whole seconds left, for `expires_in`. */
  readonly expiresInSeconds: number;
}

/** What an access token stands for. */
export interface AccessGrant {
  readonly holder: Identity;
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
  issue(order: TokenOrder, issuance: Issuance): Promise<IssuedToken>;
  /** Adds to the mints what was given out without an order. */
  record(mint: Mint): void;
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

  async function make(order: TokenOrder, issuance: Issuance): Promise<Omit<IssuedToken, 'expiresInSeconds'>> {
    const { clockOffsetMs = 0 } = issuance;
    const iat = Math.floor((clock.now().wallMs + clockOffsetMs) / 1000);
    const asked = order.kind === 'access' ? (order.lifetimeMs ?? lifetimeMs) : lifetimeMs;
    const shortest = Math.min(asked, lifetimeMs, issuance.lifetimeMs ?? lifetimeMs);
    const exp = iat + Math.floor(shortest / 1000);
    const expiresAtMs = exp * 1000;
    if (order.kind === 'id') {
      const { account, authorizedParty, claims } = order;
      const aud = issuance.audience ?? order.audience;
      const all = { iss: ISSUER, aud, azp: authorizedParty, sub: account.id, iat, exp, ...claims };
      return { value: await signJwt(all, key.privateKey, key.id), expiresAtMs };
    }
    const value = `ya29.${TOKEN_SORTS[order.holder.kind]}.${randomBytes(72).toString('base64url')}`;
    remember(grants, value, { ...order, expiresAtMs });
    return { value, expiresAtMs };
  }

  function record(mint: Mint): void {
    mints.push(mint);
    if (mints.length > MEMORY) mints.shift();
  }

  return {
    mints,
    record,
    async issue(order, issuance) {
      const { reuse, clockOffsetMs = 0 } = issuance;
      const nowMs = clock.now().wallMs + clockOffsetMs;
      const name = toName(order);
      const held = latest.get(name);
      const left = held === undefined ? 0 : held.expiresAtMs - nowMs;
      const isOdd = isSpoilt(issuance);
      const isReused = reuse === 'always' || (reuse === 'while-fresh' && left > REUSE_UNTIL_MS && !isOdd);
      const token = (isReused ? held : undefined) ?? (await make(order, issuance));
      // What a fault spoilt is not held for those who come after it.
      if (!isOdd) remember(latest, name, token);
      record({
        endpoint: order.endpoint,
        kind: order.kind,
        ...(order.kind === 'id' && { audience: issuance.audience ?? order.audience }),
        identity: toIdentityName(order.kind === 'id' ? order.account : order.holder),
        value: token.value,
      });
      return { ...token, expiresInSeconds: Math.floor((token.expiresAtMs - nowMs) / 1000) };
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

/** Whether a fault decides what the token will be. */
function isSpoilt({ audience, lifetimeMs, clockOffsetMs }: Issuance): boolean {
  return audience !== undefined || lifetimeMs !== undefined || clockOffsetMs !== undefined;
}

/** What two orders share when one token answers both. */
function toName(order: TokenOrder): string {
  const wanted =
    order.kind === 'id'
      ? [order.account.email, order.audience, order.authorizedParty, Object.keys(order.claims ?? {})]
      : [toIdentityName(order.holder), order.scopes, order.clientId];
  return JSON.stringify([order.endpoint, order.kind, wanted]);
}

/** Sets a value and forgets the oldest ones beyond the bound. */
function remember<Value>(map: Map<string, Value>, name: string, value: Value): void {
  map.set(name, value);
  for (const oldest of map.keys()) {
    if (map.size <= MEMORY) break;
    map.delete(oldest);
  }
}
