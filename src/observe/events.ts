import type { ErrorCode } from '../errors.ts';

/** One request's way through, told once it is over. Holds no header, body, query value or token. */
export interface ExchangeRecord {
  readonly requestId: string;
  readonly method: string;
  /** Path and the names (never the values) of the query. */
  readonly target: string;
  readonly route: string | undefined;
  /** Sent to the client; 0 when nothing could be sent. */
  readonly status: number;
  /** Set when the answer, or the broken end, is the proxy's own doing. */
  readonly error: ErrorCode | undefined;
  readonly message: string | undefined;
  /** From dispatch to the response's head; undefined when there was none. */
  readonly upstreamMs: number | undefined;
  readonly totalMs: number;
  /** How old the token was that went with it; undefined without one. */
  readonly tokenAgeMs: number | undefined;
  /** Why Google, and not the application, refused it; undefined where it didn't. */
  readonly refusal: RefusalRecord | undefined;
  /** Sent a second time with a new token, as the first one was refused. */
  readonly isReplay: boolean;
  /** Names of response headers dropped because they held the token. */
  readonly leakedHeaders: readonly string[] | undefined;
  /** An unexpected failure of the proxy itself, for the log only. */
  readonly cause: unknown;
}

/** A refusal by Google, explained. */
export interface RefusalRecord {
  /** Who refused: `google-front-end`, `iap`. */
  readonly by: string;
  /** Stable name of the reason. */
  readonly cause: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Receives what happens. Everything that observes - log, metrics - implements this and nothing else. */
export interface Observer {
  onExchange(record: ExchangeRecord): void;
}
