import { type Clock, elapsedMs } from '../clock.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import { planRepeat, type Random, STEADY_DELAY_MS } from './expiry.ts';
import type { FileWatch } from './file-watch.ts';
import { TokenInMemory } from './held-token.ts';
import { describeRequest, isSendable, toBadAnswer } from './minted.ts';
import type { Credential, TokenRequest } from './token-source.ts';

export interface BoundedMintOptions {
  readonly credential: Credential;
  readonly request: TokenRequest;
  /** Of the credential: has to know what they were like before the mint. */
  readonly files: Pick<FileWatch, 'start'>;
  readonly clock: Clock;
  readonly random: Random;
  /** For all of it. */
  readonly timeoutMs: number;
  /** Asked when a passing fault came: whether it is worth a second call, rather than a request's failure. */
  readonly mayRepeat: () => boolean;
  /** Gets a token that came after it had been given up. */
  readonly onLate: (held: TokenInMemory) => void;
}

/**
 * Has a token minted, and checks that it may be sent.
 * @throws ProxyError as `Credential.mint`, and `token_unavailable` when it takes too long
 */
export function mintWithin(options: BoundedMintOptions): Promise<TokenInMemory> {
  const { credential, request, clock, timeoutMs, onLate } = options;
  return new Promise((resolve, reject) => {
    let givenUp = false;
    const cancel = clock.schedule(timeoutMs, () => {
      givenUp = true;
      reject(toUnavailable(request, credential, `no answer within ${timeoutMs / 1000} s`));
    });
    ask(options)
      .then((held) => (givenUp ? onLate(held) : resolve(held)), reject)
      .finally(cancel);
  });
}

/** A token that has been given out before, and can't be had anew yet. */
export function toEndingError(request: TokenRequest, credential: Credential): ProxyError {
  return toUnavailable(request, credential, 'Google gives out a token that is about to end', STEADY_DELAY_MS);
}

/** A failure that may be over soon. `reason` quotes nothing of an answer. */
export function toUnavailable(
  request: TokenRequest,
  credential: Credential,
  reason: string,
  retryAfterMs?: number,
): ProxyError {
  const message = `Could not get ${describeRequest(request)} from ${credential.describe()}: ${reason}.`;
  return new ProxyError('token_unavailable', message, { retryAfterMs });
}

async function ask(options: BoundedMintOptions): Promise<TokenInMemory> {
  const { files, clock, random, timeoutMs, mayRepeat } = options;
  const begunAt = clock.now();
  const starting = files.start();
  if (starting !== undefined) await starting;
  try {
    return await askOnce(options);
  } catch (error) {
    const delayMs = planRepeat(random);
    const leftMs = timeoutMs - elapsedMs(begunAt, clock.now());
    if (!isPassing(error) || delayMs >= leftMs || !mayRepeat()) throw error;
    await clock.wait(delayMs);
    if (!mayRepeat()) throw error;
    return askOnce(options);
  }
}

async function askOnce({ credential, request, clock }: BoundedMintOptions): Promise<TokenInMemory> {
  const askedAt = clock.now();
  const held = new TokenInMemory(await credential.mint(request), request, askedAt, clock);
  const refuse = (reason: string, retryAfterMs?: number): ProxyError =>
    toBadAnswer(request, credential.describe(), reason, retryAfterMs);
  if (!isSendable(held.value)) throw refuse('the token is empty or has characters that no token has');
  if (!Number.isFinite(held.lifetimeMs)) throw refuse('the token does not say when it ends');
  if (held.lifetimeMs <= 0) throw refuse('the token was over before it came', STEADY_DELAY_MS);
  if (!held.isUsableAt(clock.now())) throw toEndingError(request, credential);
  return held;
}

/** A connection reset, a 503: nobody said when to come back. */
function isPassing(error: unknown): boolean {
  return isProxyError(error) && error.code === 'token_unavailable' && error.retryAfterMs === undefined;
}
