import type { Clock } from '../clock.ts';
import type { Random } from './expiry.ts';
import { FileWatch, type Fingerprint, readFingerprint } from './file-watch.ts';
import { RefreshingTokenSource } from './refreshing-source.ts';
import type { TokenEvent } from './token-events.ts';
import type { Credential, TokenRequest, TokenSource } from './token-source.ts';

/** Longest wait for one mint. */
const MINT_TIMEOUT_MS = 5_000;

export interface TokenCacheOptions {
  readonly clock: Clock;
  /** For jitter. */
  readonly random?: Random;
  /** Longest wait for one mint, unless the credential needs more; 5 s. */
  readonly mintTimeoutMs?: number;
  /** How the credentials' files are told apart from what they were. */
  readonly fingerprint?: Fingerprint;
  /** Told about every mint. Must not throw. */
  readonly onEvent?: (event: TokenEvent) => void;
}

/** All tokens of a site. */
export interface TokenCache {
  /**
   * The one source for this credential (the object) and this request (what it says). Mints nothing yet.
   * @param mintTimeoutMs for a source that is new, in place of the cache's own
   */
  source(credential: Credential, request: TokenRequest, mintTimeoutMs?: number): TokenSource;
  /** Lets go of all other sources: they refresh nothing and watch nothing any more. Who still holds one can still ask it. */
  keepOnly(used: ReadonlySet<TokenSource>): void;
  /** Ends all refreshing and watching. A mint under way still answers those who wait for it; a valid token can still be read. */
  close(): void;
}

/** What is held for one credential. */
interface Shelf {
  readonly files: FileWatch;
  readonly sources: Map<string, RefreshingTokenSource>;
}

/**
 * Holds each token once, however many routes use it, and keeps it fresh ahead of time. From the first mint on it watches
 * the files of the credentials in use, so that a new login or key counts without a restart.
 */
export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const { clock, fingerprint = readFingerprint } = options;
  const { random = Math.random, mintTimeoutMs = MINT_TIMEOUT_MS, onEvent = () => {} } = options;
  const shelves = new Map<Credential, Shelf>();
  let closed = false;

  const createShelf = (credential: Credential): Shelf => {
    const sources: Shelf['sources'] = new Map();
    const files = new FileWatch({
      files: () => credential.files(),
      fingerprint,
      clock,
      onChange() {
        for (const source of sources.values()) source.renew();
      },
      onSettled() {
        for (const source of sources.values()) source.retry();
      },
    });
    const shelf = { files, sources };
    shelves.set(credential, shelf);
    return shelf;
  };

  return {
    source(credential, request, timeoutMs = mintTimeoutMs) {
      const { files, sources } = shelves.get(credential) ?? createShelf(credential);
      const key = toKey(request);
      const known = sources.get(key);
      if (known !== undefined) return known;
      const source = new RefreshingTokenSource({
        credential,
        request,
        files,
        clock,
        random,
        mintTimeoutMs: timeoutMs,
        onEvent,
      });
      if (closed) source.close();
      sources.set(key, source);
      return source;
    },
    keepOnly(used) {
      for (const [credential, { files, sources }] of shelves) {
        for (const [key, source] of sources) {
          if (used.has(source)) continue;
          source.retire();
          sources.delete(key);
        }
        if (sources.size > 0) continue;
        files.close();
        shelves.delete(credential);
      }
    },
    close() {
      closed = true;
      for (const { files, sources } of shelves.values()) {
        files.close();
        for (const source of sources.values()) source.close();
      }
    },
  };
}

/** Equal for requests that the same token answers, and for no others: a token must never reach another audience. */
function toKey(request: TokenRequest): string {
  return request.kind === 'access'
    ? JSON.stringify([request.kind, ...new Set(request.scopes.toSorted())])
    : JSON.stringify([request.kind, request.audience]);
}
