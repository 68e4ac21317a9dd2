/** A configuration as the rest of the program sees it: complete, checked, frozen. Made by `resolve.ts`. */
export interface Config {
  /** Where the configuration came from, for messages: a file name, or `command line`. */
  readonly source: string;
  /** At least one. */
  readonly listen: readonly ListenerConfig[];
  readonly admin: AdminConfig | undefined;
  /** Named identities; always holds `default`. */
  readonly credentials: Readonly<Record<string, CredentialConfig>>;
  readonly routes: readonly RouteConfig[];
  readonly gate: GateConfig;
  readonly limits: LimitsConfig;
  readonly google: GoogleConfig;
  readonly log: LogConfig;
  /** Certificates trusted besides Node's own, for upstreams and Google alike: a PEM file's full name. */
  readonly caFile: string | undefined;
  /** Things worth telling the user that are not mistakes. */
  readonly warnings: readonly ConfigWarning[];
}

/** `host` is a name or an IP literal without brackets; `port` 0 means any free port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A unix socket; `path` is its full name. What tells it from a `ListenAddress` is that it has one. */
export interface UnixAddress {
  readonly path: string;
  /** Who may connect, as bits of a file's mode; left out: 0600, this user alone. */
  readonly mode?: number;
}

/** One place where clients are listened for. */
export interface ListenerConfig {
  readonly address: ListenAddress | UnixAddress;
  /** Undefined: clear text. */
  readonly tls: ListenerTls | undefined;
  /** Where the secret is that its clients have to know; left out: there is none. */
  readonly clientSecret?: SecretSource;
}

/** PEM files, by their full names: the certificate with what it was signed by, and its private key. */
export interface ListenerTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** What the certificates of clients have to be signed by (mutual TLS); left out: clients need none. */
  readonly clientCaFile?: string;
}

export interface AdminConfig extends ListenAddress {
  /** The user named this address; when it is taken that is an error, not a reason to pick another port. */
  readonly explicit: boolean;
  /** Where each launch writes the token of those who may change its state, a full name; undefined: nobody may. */
  readonly tokenFile: string | undefined;
}

export interface GateConfig {
  /** Host names accepted besides `localhost`, `*.localhost`, the bound addresses and the routes' own hosts. */
  readonly hosts: readonly string[];
  /** Origins accepted besides loopback ones, as `scheme://host[:port]`. */
  readonly origins: readonly string[];
  /** Listening beyond loopback without a way to tell clients apart was asked for by name. */
  readonly allowUnauthenticatedClients: boolean;
}

/** What is at work at once, at most; what comes on top is refused. */
export interface LimitsConfig {
  /** Connections of clients, on all listeners together. */
  readonly connections: number;
  /** Requests in flight, open WebSockets among them. */
  readonly requests: number;
}

/** What holds for everything that is asked of Google. */
export interface GoogleConfig {
  /** `googleapis.com`, or the domain of a Trusted Partner Cloud. Credential files of another universe are refused. */
  readonly universeDomain: string;
  /** Longest wait for a token. */
  readonly tokenTimeoutMs: number;
}

/** What the log says, and how. */
export interface LogConfig {
  /** `google`: JSON with the names that Cloud Logging knows. Undefined: one readable line for a terminal, JSON for anything else. */
  readonly format: 'json' | 'pretty' | 'google' | undefined;
  /** The least that has a line. */
  readonly level: 'info' | 'warn' | 'error';
  /** Share of the requests that went well that have a line, from 0 to 1. */
  readonly sample: number;
  /** A request whose answer takes so long to begin has a line in any case; 0: none is slow. */
  readonly slowMs: number;
}

/** Where a secret is kept. Secrets themselves are never part of a configuration. */
export type SecretSource =
  | { readonly kind: 'env'; readonly name: string }
  /** `path` is a full name. */
  | { readonly kind: 'file'; readonly path: string };

/** How a workload shows who it is, to be exchanged for a Google token. */
export type FederationConfig =
  /** A credential configuration file (`type: external_account`); `path` is its full name. */
  | { readonly kind: 'config-file'; readonly path: string }
  /** `provider`: `projects/123/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`. */
  | { readonly kind: 'github'; readonly provider: string }
  | { readonly kind: 'aws'; readonly provider: string }
  /** A file that holds an OIDC token; `path` is its full name. */
  | { readonly kind: 'token-file'; readonly provider: string; readonly path: string };

export type CredentialConfig =
  | { readonly kind: 'adc' }
  /** A service account's key: a file, or its text in an environment variable. */
  | { readonly kind: 'key-file'; readonly key: SecretSource }
  /** Somebody's login; `path` undefined: where `gcloud auth application-default login` puts it. */
  | { readonly kind: 'user'; readonly path: string | undefined }
  | { readonly kind: 'metadata'; readonly account: string }
  | {
      readonly kind: 'impersonate';
      /** E-mail of the service account to act as. */
      readonly account: string;
      /** Name of the credential that may act as it. */
      readonly source: string;
      /** Service accounts between source and account, first to last. */
      readonly delegates: readonly string[];
    }
  | {
      readonly kind: 'federated';
      readonly from: FederationConfig;
      /** E-mail of the service account to act as; undefined: the one in the file, or none. */
      readonly serviceAccount: string | undefined;
    }
  /** Asks the gcloud command; `account` undefined: gcloud's active one. */
  | { readonly kind: 'gcloud'; readonly account: string | undefined }
  /** A token somebody else makes and renews. */
  | { readonly kind: 'token'; readonly from: SecretSource }
  /** Sends no token. */
  | { readonly kind: 'none' };

export type CredentialKind = CredentialConfig['kind'];

export interface RouteConfig {
  /** How people see the route: `/orders`, `shop.localhost`, `shop.localhost/api`. Unique. */
  readonly name: string;
  /** Local path prefix in whole segments: `/`, or `/a/b` without a trailing slash. */
  readonly path: string;
  /** Only for requests to this host name (lower case, no port). */
  readonly host: string | undefined;
  readonly upstream: UpstreamConfig;
  /** Cut the route's path off before the upstream's is put in front. */
  readonly stripPath: boolean;
  /** A key of `Config.credentials`. */
  readonly credentials: string;
  readonly token: TokenConfig;
  /** The methods taken; undefined: all that are relayed. Of a `readOnly` route those alone that change nothing. */
  readonly methods: readonly string[] | undefined;
  /** Nothing that could change something: no other methods, no WebSocket. */
  readonly readOnly: boolean;
  /** The paths taken, behind the route's own: with `*` for a segment, `**` at the end; undefined: all. */
  readonly paths: readonly string[] | undefined;
  readonly limits: RouteLimitsConfig;
  readonly header: HeaderMode;
  readonly timeout: TimeoutConfig;
  readonly headers: HeaderEdits;
  readonly protocol: UpstreamProtocol;
  readonly localize: LocalizeConfig;
  /** Present the upstream's own origin in `Origin` and `Referer`, in place of the client's. */
  readonly presentOrigin: boolean;
  readonly cors: CorsConfig;
  readonly forwarded: ForwardedMode;
  /** Send a request again where that can't make it happen twice. */
  readonly retry: boolean;
}

/** How much a route lets through; each undefined: as much as comes. */
export interface RouteLimitsConfig {
  /** The largest body of a request. */
  readonly bodyBytes: number | undefined;
  readonly rate: RateConfig | undefined;
}

/** So many requests in so much time. */
export interface RateConfig {
  readonly count: number;
  readonly periodMs: number;
}

/** `auto`: gRPC and what else needs it over HTTP/2, the rest over HTTP/1.1. WebSocket goes over HTTP/1.1 always. */
export type UpstreamProtocol = 'auto' | 'http1' | 'http2';

/** What of a response is made to fit the route's address on this proxy. */
export interface LocalizeConfig {
  /** URLs of configured upstreams in `Location`, `Content-Location`, `Refresh` and `Link`. */
  readonly redirects: boolean;
  /** `Domain`, `Path`, `Secure`, `SameSite` and the name's prefix in `Set-Cookie`, and back in `Cookie`. */
  readonly cookies: boolean;
}

/** What pages of other origins may do with a route, once the gate has let them in. */
export type CorsConfig =
  /** The proxy answers preflights, and says on each response who may read it. */
  | {
      readonly kind: 'proxy';
      /** In capitals; undefined: whichever is asked for. */
      readonly methods: readonly string[] | undefined;
      /** Request headers, in lower case; undefined: whichever are asked for. */
      readonly headers: readonly string[] | undefined;
      /** Response headers that pages may read, in lower case; undefined: all there are. */
      readonly exposeHeaders: readonly string[] | undefined;
      /** Cookies are sent, and what was asked for with them may be read. */
      readonly credentials: boolean;
      /** How long browsers may go by the answer to a preflight; 0: they ask each time. */
      readonly maxAgeMs: number;
    }
  /** They may not call at all. */
  | { readonly kind: 'closed' }
  /** The upstream's answers to preflights and its own CORS headers are what counts. */
  | { readonly kind: 'upstream' };

/** What tells the upstream of the client: the `X-Forwarded-*` headers, `Forwarded` (RFC 7239), both or nothing. */
export type ForwardedMode = 'x-forwarded' | 'forwarded' | 'both' | 'none';

export type UpstreamConfig =
  /** `origin` is `https://host[:port]` (or `http:` on loopback); `basePath` is `/` or `/a/b` without a trailing slash. */
  | { readonly kind: 'url'; readonly origin: string; readonly basePath: string }
  /** One of the embedded private services. */
  | { readonly kind: 'emulator'; readonly service: string; readonly basePath: string }
  /** Answers in place of the service at `origin`, where nothing is sent. Never written down: `--emulate` and `--local` make it. */
  | StandInUpstream;

export interface StandInUpstream {
  readonly kind: 'stand-in';
  readonly origin: string;
  readonly basePath: string;
  /** Origin of the user's own server behind the emulated front end; undefined: what reached it comes back. */
  readonly local: string | undefined;
}

export type TokenConfig =
  /** An ID token. `audience` undefined: inferred from the upstream. */
  | { readonly kind: 'id'; readonly audience: string | undefined }
  | {
      readonly kind: 'access';
      readonly scopes: readonly string[];
      /** Project to bill, over what the credential says. */
      readonly quotaProject: string | undefined;
    }
  /** A JWT that the service account signs itself, for services behind IAP that want it. */
  | { readonly kind: 'jwt'; readonly audience: string }
  | { readonly kind: 'none' };

/** Which header carries the token; `auto` is explained in the README. */
export type HeaderMode = 'auto' | 'authorization' | 'x-serverless-authorization' | 'proxy-authorization';

/** All idle times, none a total; 0 means no limit. */
export interface TimeoutConfig {
  readonly connectMs: number;
  /** From the end of the request to the response's head. */
  readonly headersMs: number;
  /** Between two pieces of a body. */
  readonly idleMs: number;
}

/** Edits to the request on its way to the upstream; names in lower case. */
export interface HeaderEdits {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface ConfigWarning {
  /** The route's name, where there is one. */
  readonly route: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}
