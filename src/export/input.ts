import type { ListenAddress, RouteConfig } from '../config/config.ts';

/** The header that a token goes in. */
export type TokenHeader = 'Authorization' | 'X-Serverless-Authorization' | 'Proxy-Authorization';

/** A token that Envoy can get from a metadata server. */
export type EnvoyToken =
  | { readonly kind: 'id'; readonly audience: string }
  | { readonly kind: 'access'; readonly scopes: readonly string[] };

/** A route with what follows from its configuration. */
export interface ExportedRoute {
  readonly config: RouteConfig;
  /** The token it sends; undefined where that is none. */
  readonly token: EnvoyToken | { readonly kind: 'jwt' } | undefined;
  /** Where the upstream looks for its token besides `Authorization`. */
  readonly spareHeader: Exclude<TokenHeader, 'Authorization'> | undefined;
}

export interface ExportOptions {
  /** Where the metadata server is. */
  readonly metadata: ListenAddress;
  /** Certificates that upstreams' have to be signed by: a file on Envoy's machine. */
  readonly caBundle: string;
}
