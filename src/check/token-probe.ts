import { decodeClaims, type JwtClaims } from '../auth/jwt.ts';
import type { TokenCache } from '../auth/token-cache.ts';
import type { Credential, HeldToken, TokenRequest } from '../auth/token-source.ts';
import type { Clock } from '../clock.ts';
import { isProxyError, ProxyError } from '../errors.ts';

/** What came of asking for a token. */
export type TokenFacts = TokenObtained | TokenRefused;

export interface TokenObtained {
  readonly kind: 'obtained';
  readonly held: HeldToken;
  readonly durationMs: number;
  /** Undefined for access tokens. */
  readonly claims: JwtClaims | undefined;
  /** The local clock minus Google's, where its answer said. */
  readonly clockOffsetMs: number | undefined;
}

export interface TokenRefused {
  readonly kind: 'refused';
  readonly error: ProxyError;
  readonly durationMs: number;
}

export interface TokenProbe {
  /** Has a token minted the way the proxy does, once however many routes need it. Never rejects. */
  obtain(credential: Credential, request: TokenRequest): Promise<TokenFacts>;
}

export interface TokenProbeOptions {
  readonly cache: TokenCache;
  readonly clock: Clock;
}

export function createTokenProbe({ cache, clock }: TokenProbeOptions): TokenProbe {
  const observed = new Map<Credential, ObservedCredential>();
  return {
    async obtain(credential, request) {
      const own = observed.get(credential) ?? observe(credential, clock);
      observed.set(credential, own);
      const startedMs = clock.now().monotonicMs;
      const durationMs = (): number => clock.now().monotonicMs - startedMs;
      try {
        const held = await cache.source(own, request).obtain();
        const claims = request.kind === 'access' ? undefined : readClaims(held.value);
        return {
          kind: 'obtained',
          held,
          durationMs: durationMs(),
          claims,
          clockOffsetMs: own.clockOffsetMs(),
        };
      } catch (thrown) {
        return { kind: 'refused', error: toError(thrown), durationMs: durationMs() };
      }
    },
  };
}

interface ObservedCredential extends Credential {
  clockOffsetMs(): number | undefined;
}

/** The credential itself, with an eye on the clock of whoever answers it. */
function observe(credential: Credential, clock: Clock): ObservedCredential {
  let clockOffsetMs: number | undefined;
  const { kind, mintTimeoutMs } = credential;
  return {
    kind,
    ...(mintTimeoutMs !== undefined && { mintTimeoutMs }),
    describe: () => credential.describe(),
    files: () => credential.files(),
    projectId: () => credential.projectId(),
    clockOffsetMs: () => clockOffsetMs,
    async mint(request) {
      const minted = await credential.mint(request);
      if (minted.issuerNowMs !== undefined) clockOffsetMs = clock.now().wallMs - minted.issuerNowMs;
      return minted;
    },
  };
}

function readClaims(token: string): JwtClaims | undefined {
  try {
    return decodeClaims(token);
  } catch {
    return undefined;
  }
}

function toError(thrown: unknown): ProxyError {
  if (isProxyError(thrown)) return thrown;
  return new ProxyError('internal', 'The token could not be had: the program failed inside.', {
    cause: thrown,
  });
}
