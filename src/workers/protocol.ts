import type { TokenRequest, TokenStatus } from '../auth/token-source.ts';
import type { Config } from '../config/config.ts';
import type { ClientSecretKeys } from '../gate/client-secret.ts';
import type { SignInCode } from '../gate/sign-in-code.ts';
import type { MetricFamily } from '../observe/instruments.ts';
import type { Fill, UpstreamState } from '../observe/state.ts';
import type { TlsMaterial } from '../relay/client/tls-material.ts';
import type { Route } from '../relay/site.ts';
import type { Fault } from './fault.ts';

/** What the primary asks of a worker, and tells it. */
export type ToWorker = {
  /** First of all; answered once it takes requests. */
  readonly start: (order: StartOrder) => void;
  /** Makes a site ready; answered once `apply` can't fail. */
  readonly prepare: (order: { readonly number: number; readonly site: SiteOrder }) => void;
  /** Puts in force what was prepared under this number; answered once it is. */
  readonly apply: (number: number) => void;
  /** Forgets it. */
  readonly drop: (number: number) => void;
  readonly token: (news: TokenNews) => void;
  /** A connection that came to one of the configured listeners goes with it. */
  readonly connection: (listener: number) => void;
  /** The end has been asked for. */
  readonly ending: () => void;
  /** Lets what is in flight finish; answered once it has. The number: how long that may take, in ms. */
  readonly close: (deadlineMs: number) => void;
  /** True: with all that it has counted. */
  readonly report: (isFull: boolean) => Report;
};

/** What a worker asks of the primary, and tells it. */
export type ToPrimary = {
  /** A token of a source; answered as `TokenSource.obtain`. */
  readonly obtain: (source: number) => TokenSnapshot;
  /** Another one in place of one that was refused; answered as `TokenSource.replace`. */
  readonly replace: (refused: { readonly source: number; readonly serial: number }) => TokenSnapshot;
  /** A token that is near its end was sent: if it is time for another, now is. */
  readonly used: (source: number) => void;
  /** Whether a genuine, valid sign-in code is good; uses it up. */
  readonly redeem: (code: SignInCode) => boolean;
  /** Lets a request pass on a route's rate; answered as `RateLimit.take`. */
  readonly take: (route: string) => number;
  /** The connection that was sent has been taken over. */
  readonly taken: () => void;
  /** So many connections have closed since it was last said. */
  readonly closed: (count: number) => void;
};

export interface StartOrder {
  /** From 1. */
  readonly worker: number;
  /** What its requests' ids begin with. */
  readonly idPrefix: string;
  /** As many as there are to be. */
  readonly count: number;
  /** Whether somebody can ask for what it counts. */
  readonly isCounting: boolean;
  /** The variables that say which upstreams are behind a forward proxy, and where spans go. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: LogSettings;
  readonly site: SiteOrder;
}

/** What a worker's log is like, besides what the configuration says. */
export interface LogSettings {
  readonly pretty: boolean;
  readonly colour: boolean;
  readonly quiet: boolean;
  readonly project: string | undefined;
}

/** Everything that a site is made of, found and read. Goes from process to process and nowhere else. */
export interface SiteOrder {
  readonly config: Pick<Config, 'listen' | 'gate' | 'limits' | 'routes' | 'log'>;
  /** In the order of the configuration. */
  readonly routes: readonly RouteOrder[];
  /** What each listener's clients have to know. */
  readonly secrets: readonly (ClientSecretKeys | undefined)[];
  /** What each listener speaks TLS with. */
  readonly materials: readonly (TlsMaterial | undefined)[];
  /** Certificates to trust besides Node's own, in PEM. */
  readonly certificates: readonly string[];
}

/** Where a route's requests go, and with which token. */
export interface RouteOrder {
  readonly origin: string;
  readonly spareHeader: Route['spareHeader'];
  readonly source: SourceOrder | undefined;
}

export interface SourceOrder extends TokenNews {
  readonly request: TokenRequest;
}

export interface TokenNews {
  readonly source: number;
  readonly snapshot: TokenSnapshot;
}

/** How a token source is at a moment. */
export interface TokenSnapshot {
  /** Epoch ms. A message may lie about for a while. */
  readonly sentMs: number;
  readonly token: SentToken | undefined;
  readonly status: Pick<TokenStatus, 'state' | 'forMs'> & { readonly error: Fault | undefined };
}

/** A token, with durations in place of times: each process has its own monotonic clock. */
export interface SentToken {
  /** Tells it from the source's others. */
  readonly serial: number;
  readonly value: string;
  readonly identity: string | undefined;
  readonly quotaProject: string | undefined;
  readonly otherAudience: string | undefined;
  readonly ageMs: number;
  readonly remainingMs: number;
}

/** How a worker is, and what it has counted. */
export interface Report {
  readonly requests: Fill;
  readonly connections: Fill;
  readonly upstreams: readonly UpstreamState[];
  /** Undefined where they weren't asked for. */
  readonly counts: Counts | undefined;
}

export interface Counts {
  readonly counted: readonly MetricFamily[];
  /** What its process says of itself. */
  readonly process: readonly MetricFamily[];
}
