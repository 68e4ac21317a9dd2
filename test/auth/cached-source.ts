import { createTokenCache, type TokenCacheOptions } from '../../src/auth/token-cache.ts';
import type { TokenEvent } from '../../src/auth/token-events.ts';
import type { MintedToken } from '../../src/auth/token-source.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { createFakeCredential, ID_REQUEST } from './fake-credential.ts';

/** A mint that hangs. */
export const never = new Promise<MintedToken>(() => {});

/** A cache on a fake clock with one fake credential, the source of one token, and files that exist only here. */
export function setUp(options: Partial<TokenCacheOptions> = {}) {
  const clock = new FakeClock();
  const credential = createFakeCredential(clock);
  const events: TokenEvent[] = [];
  /** Fingerprints by path; a file that isn't in here doesn't exist. */
  const files = new Map<string, string>();
  /** When each file was looked at. */
  const looks: number[] = [];
  const cache = createTokenCache({
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    fingerprint: async (path) => {
      looks.push(clock.now().monotonicMs);
      return files.get(path) ?? 'ENOENT';
    },
    ...options,
  });
  return { clock, credential, events, files, looks, cache, source: cache.source(credential, ID_REQUEST) };
}

/** Lets time pass while a request a second wants the token; how many got none. */
export async function serve({ clock, source }: ReturnType<typeof setUp>, forMs: number): Promise<number> {
  let failures = 0;
  for (let passedMs = 0; passedMs < forMs; passedMs += 1_000) {
    source.obtain().catch(() => {
      failures += 1;
    });
    await clock.advance(1_000);
  }
  return failures;
}

/** What somebody gets who asks now and waits for at most `waitMs` on the fake clock. */
export async function ask(
  { clock, source }: Pick<ReturnType<typeof setUp>, 'clock' | 'source'>,
  waitMs = 1_000,
): Promise<unknown> {
  const answer = source.obtain().then(
    ({ value }) => value,
    (error: unknown) => error,
  );
  let answered = false;
  answer.then(() => {
    answered = true;
  });
  await settle();
  for (let passedMs = 0; passedMs < waitMs && !answered; passedMs += 50) await clock.advance(50);
  return answered ? answer : 'no answer';
}
