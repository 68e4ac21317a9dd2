import type { Credential, MintedToken, TokenRequest } from '../../src/auth/token-source.ts';
import { ProxyError } from '../../src/errors.ts';
import type { FakeClock } from '../support/fake-clock.ts';

export const HOUR_MS = 3_600_000;
export const MINUTE_MS = 60_000;

export const ID_REQUEST: TokenRequest = { kind: 'id', audience: 'https://orders-abc-an.a.run.app' };

/** A credential that answers as a test says, and notes when it was asked. */
export interface FakeCredential extends Credential {
  /** When each call came, on the fake clock. */
  readonly calls: number[];
  /** What was asked for, call by call. */
  readonly requests: TokenRequest[];
  answer: (call: number, request: TokenRequest) => MintedToken | Promise<MintedToken>;
  /** What it says of its files. */
  listFiles: () => readonly string[];
}

/** Gives tokens of one hour, each with its own value, until told otherwise. */
export function createFakeCredential(clock: FakeClock, name = 'fake credential'): FakeCredential {
  const calls: number[] = [];
  const requests: TokenRequest[] = [];
  const credential: FakeCredential = {
    kind: 'fake',
    calls,
    requests,
    answer: (call) => mintToken(clock, `token-${call}`),
    listFiles: () => [],
    files: () => credential.listFiles(),
    describe: () => name,
    projectId: async () => undefined,
    async mint(request) {
      calls.push(clock.now().monotonicMs);
      requests.push(request);
      return credential.answer(calls.length, request);
    },
  };
  return credential;
}

/** A token issued now, by a clock that agrees with the local one. */
export function mintToken(clock: FakeClock, value: string, lifetimeMs = HOUR_MS): MintedToken {
  const { wallMs } = clock.now();
  return toMinted(value, { expiresAtMs: wallMs + lifetimeMs, issuedAtMs: wallMs, issuerNowMs: wallMs });
}

export function toMinted(
  value: string,
  times: Pick<MintedToken, 'expiresAtMs' | 'issuedAtMs' | 'issuerNowMs'>,
): MintedToken {
  return { value, ...times, identity: 'runner@p.iam.gserviceaccount.com', quotaProject: undefined };
}

/** What a credential throws when Google can't be reached. */
export function unavailable(): never {
  throw new ProxyError('token_unavailable', 'Google is away');
}

/** What a credential throws when Google refuses. */
export function refused(): never {
  throw new ProxyError('credentials_invalid', 'Google refuses', {
    hint: 'gcloud auth application-default login',
  });
}

/** The largest number of calls in any half-open window of this length. */
export function mostWithin(windowMs: number, calls: readonly number[]): number {
  const counts = calls.map((from) => calls.filter((at) => at >= from && at < from + windowMs).length);
  return Math.max(0, ...counts);
}
