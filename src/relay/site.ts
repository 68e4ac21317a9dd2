import type { TokenSource } from '../auth/token-source.ts';
import type {
  CorsConfig,
  ForwardedMode,
  HeaderMode,
  LocalizeConfig,
  TimeoutConfig,
} from '../config/config.ts';
import type { ClientSecret } from '../gate/client-secret.ts';
import type { Gate } from '../gate/gate.ts';
import type { Homeward } from '../routing/homeward.ts';
import type { RouteTable } from '../routing/table.ts';
import type { PathMapping } from '../routing/target.ts';
import type { FieldLines } from './field-lines.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RouteRules } from './route-rules.ts';
import type { Transport } from './upstream/transport.ts';
import type { UpgradeCarrier } from './upstream/upgrade.ts';

/**
 * A loaded configuration, compiled: who may come in, where requests go, with which tokens. Immutable; a reload builds a
 * new one and swaps it in, and what is in flight finishes on the old one.
 */
export interface Site {
  readonly gate: Gate;
  /** What each listener asks of its clients; `RequestHead.listener` is an index. */
  readonly listeners: readonly ListenerRules[];
  readonly routes: RouteTable<Route>;
  /** Finds the way back from upstreams' URLs to this proxy's. */
  readonly homeward: Homeward;
  /** All of them, in the order of the configuration. */
  readonly routeList: readonly Route[];
}

export interface ListenerRules {
  /** Has to be known to clients; undefined where it's enough to get there. */
  readonly clientSecret: ClientSecret | undefined;
}

/** One route, ready to use. */
export interface Route extends PathMapping {
  readonly name: string;
  readonly host: string | undefined;
  /** `https://host[:port]`. */
  readonly upstreamOrigin: string;
  /** What `Host` says upstream: host, and port where it is not the scheme's own. */
  readonly upstreamHost: string;
  /** Undefined for routes that send no token. */
  readonly tokens: TokenSource | undefined;
  /** Undefined: it lets everything through. */
  readonly rules: RouteRules | undefined;
  /** How much of its rate is used up: the one part of a route that changes. Undefined: it has no limit. */
  readonly rate: RateLimit | undefined;
  readonly header: HeaderMode;
  /** Where the upstream looks for its token first, leaving `Authorization` to the application; undefined: nowhere else. */
  readonly spareHeader: 'X-Serverless-Authorization' | 'Proxy-Authorization' | undefined;
  /** Project to bill, over the credential's own. */
  readonly quotaProject: string | undefined;
  readonly timeout: TimeoutConfig;
  /** Lower-case names dropped from requests; undefined when there are none. */
  readonly removeHeaders: ReadonlySet<string> | undefined;
  readonly setHeaders: FieldLines;
  readonly forwarded: ForwardedMode;
  readonly localize: LocalizeConfig;
  /** Show the upstream its own origin in `Origin` and `Referer`. */
  readonly presentOrigin: boolean;
  /** What pages of other origins may do. */
  readonly cors: CorsConfig;
  /** Whether a request may be sent again where that can't make it happen twice. */
  readonly retry: boolean;
  readonly transport: Transport;
  readonly upgrades: UpgradeCarrier;
}
