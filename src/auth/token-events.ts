import type { ProxyError } from '../errors.ts';
import type { TokenRequest } from './token-source.ts';

/** Something that happened to a token. Never holds one. */
export type TokenEvent = TokenEventDetail & {
  /** What the credential says of itself. */
  readonly credential: string;
  readonly request: TokenRequest;
};

export type TokenEventDetail = TokenMinted | TokenFailed | TokenRecovered;

export interface TokenMinted {
  readonly type: 'token-minted';
  readonly durationMs: number;
  readonly identity: string | undefined;
  readonly remainingMs: number;
  readonly nextRefreshMs: number;
  /** The `aud` claim, where it isn't the audience asked for. */
  readonly otherAudience: string | undefined;
}

export interface TokenFailed {
  readonly type: 'token-failed';
  readonly durationMs: number;
  readonly error: ProxyError;
  /** In a row, this one included. */
  readonly failures: number;
  readonly nextTryMs: number;
  /** How long the token still held will go on serving requests; undefined when there is none. */
  readonly servingMs: number | undefined;
}

/** Follows the `token-minted` that ends a row of failures. */
export interface TokenRecovered {
  readonly type: 'token-recovered';
  readonly failures: number;
  /** Since the first of them. */
  readonly outageMs: number;
}
