import type { Clock } from '../../clock.ts';
import type { ConnectionState } from '../../observe/state.ts';
import type { UpstreamRequest } from './transport.ts';

/** Carries requests to one upstream origin, over one version of HTTP. Decides nothing: neither retries nor refuses. */
export interface Lane {
  /**
   * Begins an attempt. Never throws, and calls nothing of the attempt before it returns.
   * @returns what to hold the attempt by
   */
  carry(attempt: Attempt): Carrier;
  /** What there is of connections now. */
  state(): ConnectionState;
  /** Keeps no connection from now on: idle ones close, the others once they are free. What is carried, now or later, is carried to its end. */
  retire(): void;
  /** Breaks off what is in flight and closes every connection. */
  destroy(): void;
}

/** What a lane is made with. */
export interface LaneOptions {
  readonly origin: URL;
  /** Until requests can be sent: through the forward proxy and TLS, too; 0 for no limit. */
  readonly connectTimeoutMs: number;
  /** Between us and the origin, if there is one. */
  readonly forwardProxy: URL | undefined;
  readonly clock: Clock;
  /** Called whenever a new connection stands, before anything of an attempt on it. */
  readonly onConnected: () => void;
}

/** An attempt under way. Called only while it is: not after `onComplete` or `onFailed`, nor after `abort`. */
export interface Carrier {
  /** Gives up; nothing more is told. */
  abort(): void;
  /** Stops reading the response. */
  pause(): void;
  resume(): void;
}

/**
 * One attempt to carry a request. Called back in this order: `onInterim` any number of times, `onHead` once, `onBody` any
 * number of times, `onComplete`; or at any point `onFailed`.
 */
export interface Attempt {
  readonly request: UpstreamRequest;
  /** Not to go on a connection that carried others before: it is tried again, or tries whether the upstream is back. */
  readonly wantsNewConnection: boolean;
  /** A response below 200; never 101. */
  onInterim(status: number, lines: readonly string[]): void;
  onHead(status: number, reason: string, lines: readonly string[]): void;
  onBody(chunk: Buffer): void;
  /** @param trailers field lines of the trailer section; empty when there is none */
  onComplete(trailers: readonly string[]): void;
  onFailed(failure: AttemptFailure): void;
}

export interface AttemptFailure {
  readonly cause: unknown;
  readonly reach: Reach;
}

/**
 * How far a request that failed can have come (RFC 9110, section 9.2.2; RFC 9113, section 8.7):
 * `unsent` no connection stood, nothing was sent; `unprocessed` the upstream says that it did not look at it (REFUSED_STREAM); `beyond-goaway`
 * so, too, as it only took leave of the connection; `stale` the connection had carried others and turned out closed before any byte of a
 * response; `unknown` anything else.
 */
export type Reach = 'unsent' | 'unprocessed' | 'beyond-goaway' | 'stale' | 'unknown';
