import type { ErrorCode } from '../errors.ts';
import type { TraceContext } from './trace.ts';

/** One request's way through, told once it is over. Holds no header, body, query value or token. */
export interface ExchangeRecord {
  readonly requestId: string;
  readonly method: string;
  /** Path and the names (never the values) of the query. */
  readonly target: string;
  /** How the client reached the proxy, and the version of HTTP it spoke: `1.1`, `2`. */
  readonly scheme: 'http' | 'https';
  readonly httpVersion: string;
  /** The authority that the client asked for, once the gate has let it in and a route takes it. */
  readonly host: string | undefined;
  readonly route: string | undefined;
  /** The upstream it goes to, as `https://host[:port]`, and the target there, redacted as `target` is; undefined where it goes nowhere. */
  readonly upstream: string | undefined;
  readonly upstreamTarget: string | undefined;
  /** Sent to the client; 0 when nothing could be sent. */
  readonly status: number;
  /** Set when the answer, or the broken end, is the proxy's own doing. */
  readonly error: ErrorCode | undefined;
  readonly message: string | undefined;
  /** From the request's head to its dispatch, the last one if it was sent again; undefined where it wasn't sent. */
  readonly sentMs: number | undefined;
  /** From dispatch to the response's head; undefined when there was none. */
  readonly upstreamMs: number | undefined;
  readonly totalMs: number;
  /** How old the token was that went with it; undefined without one. */
  readonly tokenAgeMs: number | undefined;
  /** Of the request's content, as far as it was read. */
  readonly requestBytes: number;
  /** Of an upstream's content that went to the client; none of the proxy's own, nor of an open WebSocket. */
  readonly responseBytes: number;
  /** What its `traceparent` says. */
  readonly trace: TraceContext | undefined;
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

/** Something that happened on the way to an upstream. */
export type UpstreamEvent = UpstreamEventDetail & {
  /** `https://host[:port]`. */
  readonly origin: string;
};

export type UpstreamEventDetail =
  /** A new connection stands. */
  | { readonly type: 'connected' }
  /** A request is sent a second time; `reason` is how far the first attempt came. */
  | { readonly type: 'retried'; readonly reason: string }
  /** Connections failed so often that for a moment none is tried. */
  | { readonly type: 'breaker-opened'; readonly failures: number };

/** A new configuration was asked for: in force now, or refused, with the old one still in force. */
export interface ReloadEvent {
  readonly result: 'applied' | 'refused';
}

/** Receives what happens. Everything that observes - log, metrics - implements this and nothing else. */
export interface Observer {
  onExchange(record: ExchangeRecord): void;
  /** A WebSocket is open now: what is known of its handshake. Once it is over, its exchange is told, again with status 101. */
  onWebSocket?(record: ExchangeRecord): void;
  onUpstream?(event: UpstreamEvent): void;
  onReload?(event: ReloadEvent): void;
}
