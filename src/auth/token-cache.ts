import type { Clock } from '../clock.ts';
import type { Random } from './expiry.ts';
import { RefreshingTokenSource } from './refreshing-source.ts';
import type { TokenEvent } from './token-events.ts';
import type { Credential, TokenRequest, TokenSource } from './token-source.ts';

/** Longest wait for one mint. */
const MINT_TIMEOUT_MS = 5_000;

export interface TokenCacheOptions {
  readonly clock: Clock;
  /** For jitter. */
  readonly random?: Random;
  /** Longest wait for one mint; 5 s. */
  readonly mintTimeoutMs?: number;
  /** Told about every mint. Must not throw. */
  readonly onEvent?: (event: TokenEvent) => void;
}

/** All tokens of a site. */
export interface TokenCache {
  /** The one source for this credential (the object) and this request (what it says). Mints nothing yet. */
  source(credential: Credential, request: TokenRequest): TokenSource;
  /** Ends all refreshing. A mint under way still answers those who wait for it; a valid token can still be read. */
  close(): void;
}

/** Holds each token once, however many routes use it, and keeps it fresh ahead of time. */
export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const { clock, random = Math.random, mintTimeoutMs = MINT_TIMEOUT_MS, onEvent = () => {} } = options;
  const sources = new Map<Credential, Map<string, RefreshingTokenSource>>();
  let closed = false;
  return {
    source(credential, request) {
      const ofCredential = sources.get(credential) ?? new Map<string, RefreshingTokenSource>();
      sources.set(credential, ofCredential);
      const key = toKey(request);
      const known = ofCredential.get(key);
      if (known !== undefined) return known;
      const source = new RefreshingTokenSource({
        credential,
        request,
        clock,
        random,
        mintTimeoutMs,
        onEvent,
      });
      if (closed) source.close();
      ofCredential.set(key, source);
      return source;
    },
    close() {
      closed = true;
      for (const ofCredential of sources.values()) for (const source of ofCredential.values()) source.close();
    },
  };
}

/** Equal for requests that the same token answers, and for no others: a token must never reach another audience. */
function toKey(request: TokenRequest): string {
  return request.kind === 'access'
    ? JSON.stringify([request.kind, ...new Set(request.scopes.toSorted())])
    : JSON.stringify([request.kind, request.audience]);
}
