import { isIP } from 'node:net';
import type { Config, RouteConfig } from '../config/config.ts';
import type { EnvoyToken, ExportOptions } from './input.ts';
import type { Fields, Value } from './yaml-text.ts';

/** The upstreams as Envoy has them: one for each way to reach them and each token. */
export interface Clusters {
  /** The name of the cluster for this, made unless there is one. */
  find(wanted: WantedCluster): string;
  list(): readonly Fields[];
}

export interface WantedCluster {
  readonly route: RouteConfig;
  /** `https://host[:port]` */
  readonly origin: string;
  readonly token: EnvoyToken | undefined;
  readonly version: 1 | 2;
}

export const METADATA_CLUSTER = 'metadata-server';
const TYPE = 'type.googleapis.com/envoy';
/** As long as ours are kept without use. */
const UPSTREAM_IDLE = '60s';
/** Envoy needs a limit. */
const NO_LIMIT_MS = 86_400_000;

export function createClusters(config: Config, options: ExportOptions): Clusters {
  const made = new Map<string, Fields>();
  const names = new Map<string, number>();
  return {
    find(wanted) {
      const { route, origin, token, version } = wanted;
      const key = JSON.stringify([origin, token, version, route.timeout.connectMs]);
      const known = made.get(key)?.name;
      if (typeof known === 'string') return known;
      const base = `${new URL(origin).host} HTTP/${version}`;
      const count = (names.get(base) ?? 0) + 1;
      names.set(base, count);
      const name = count === 1 ? base : `${base} #${count}`;
      made.set(key, { name, ...toCluster(wanted, config, options) });
      return name;
    },
    list: () => [...made.values()],
  };
}

function toCluster(
  { route, origin, token, version }: WantedCluster,
  { limits }: Config,
  { caBundle }: ExportOptions,
): Fields {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const isTls = protocol === 'https:';
  return {
    ...toEndpoint(host, port === '' ? (isTls ? 443 : 80) : Number(port)),
    connect_timeout: toDuration(route.timeout.connectMs || NO_LIMIT_MS),
    circuit_breakers: {
      thresholds: [
        {
          max_connections: limits.requests,
          max_pending_requests: limits.requests,
          max_requests: limits.requests,
          max_retries: limits.requests,
        },
      ],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        common_http_protocol_options: { idle_timeout: UPSTREAM_IDLE },
        explicit_http_config:
          version === 1
            ? { http_protocol_options: { enable_trailers: true } }
            : { http2_protocol_options: {} },
      },
    },
    ...(token && { metadata: toAudience(token) }),
    ...(isTls && { transport_socket: toTls(host, version, caBundle) }),
  };
}

/** An address as it is, or a name that is looked up again and again. */
function toEndpoint(host: string, port: number): Fields {
  return {
    ...(isIP(host) === 0 ? { type: 'LOGICAL_DNS', dns_lookup_family: 'ALL' } : { type: 'STATIC' }),
    load_assignment: {
      cluster_name: host,
      endpoints: [
        {
          lb_endpoints: [{ endpoint: { address: { socket_address: { address: host, port_value: port } } } }],
        },
      ],
    },
  };
}

function toTls(host: string, version: 1 | 2, caBundle: string): Fields {
  const isAddress = isIP(host) !== 0;
  const name = { san_type: isAddress ? 'IP_ADDRESS' : 'DNS', matcher: { exact: host } };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
      ...(!isAddress && { sni: host, auto_sni_san_validation: true }),
      common_tls_context: {
        alpn_protocols: [version === 1 ? 'http/1.1' : 'h2'],
        validation_context: {
          trusted_ca: { filename: caBundle },
          ...(isAddress && { match_typed_subject_alt_names: [name] }),
        },
      },
    },
  };
}

/** What the token filter looks for: whom the token is for. */
function toAudience(token: EnvoyToken): Fields {
  const asked: Fields =
    token.kind === 'id' ? { url: token.audience } : { access_token: { scopes: token.scopes } };
  return {
    typed_filter_metadata: {
      'envoy.filters.http.gcp_authn': {
        '@type': `${TYPE}.extensions.filters.http.gcp_authn.v3.Audience`,
        ...asked,
      },
    },
  };
}

/** Google's metadata server, which makes the tokens. */
export function toMetadataCluster({ host, port }: ExportOptions['metadata']): Fields {
  return {
    name: METADATA_CLUSTER,
    ...toEndpoint(host, port),
    connect_timeout: '5s',
  };
}

/** Milliseconds as Envoy writes a time. */
export function toDuration(ms: number): Value {
  return `${ms / 1_000}s`;
}
