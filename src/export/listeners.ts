import { isIP } from 'node:net';
import type { Config, ListenAddress, ListenerConfig, ListenerTls, UnixAddress } from '../config/config.ts';
import type { Setting } from './coverage.ts';
import type { Fields } from './yaml-text.ts';

const TYPE = 'type.googleapis.com/envoy';

/** Why Envoy can't listen there as it is said; undefined: it can. */
export function findListenerObstacle({ address, clientSecret }: ListenerConfig): Setting | undefined {
  if (clientSecret !== undefined) return 'listen.clientSecret';
  if ('path' in address || address.host === 'localhost' || isIP(address.host) !== 0) return undefined;
  return 'listen:name';
}

/**
 * One listener.
 * @param name no other's
 * @param manager the settings of its HTTP connection manager, without what is the same for each
 */
export function toListener(name: string, listener: ListenerConfig, manager: Fields): Fields {
  const { address, tls } = listener;
  const [first, ...more] = toAddresses(address);
  return {
    name,
    address: first ?? {},
    ...(more.length > 0 && { additional_addresses: more.map((other) => ({ address: other })) }),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              ...CONNECTION_MANAGER,
              ...manager,
            },
          },
        ],
        ...(tls && { transport_socket: toTls(tls) }),
      },
    ],
  };
}

/** How messages call a listener. */
export function describeAddress(address: ListenAddress | UnixAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** `localhost` is both families; two free ports would be two ports. */
function toAddresses(address: ListenAddress | UnixAddress): readonly Fields[] {
  if ('path' in address) return [{ pipe: { path: address.path, mode: address.mode ?? 0o600 } }];
  const { host, port } = address;
  if (host !== 'localhost') return [toSocketAddress(host, port)];
  return (port === 0 ? ['127.0.0.1'] : ['127.0.0.1', '::1']).map((each) => toSocketAddress(each, port));
}

function toSocketAddress(host: string, port: number): Fields {
  // Node's :: takes IPv4 as well.
  return { socket_address: { address: host, port_value: port, ...(host === '::' && { ipv4_compat: true }) } };
}

/** The admin port. */
export function toAdmin({ admin }: Config): Fields {
  if (admin === undefined) return {};
  const host = admin.host === 'localhost' ? '127.0.0.1' : admin.host;
  return { admin: { address: toSocketAddress(host, admin.port) } };
}

function toTls({ certFile, keyFile, clientCaFile }: ListenerTls): Fields {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
      ...(clientCaFile !== undefined && { require_client_certificate: true }),
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [{ certificate_chain: { filename: certFile }, private_key: { filename: keyFile } }],
        ...(clientCaFile !== undefined && {
          validation_context: { trusted_ca: { filename: clientCaFile } },
        }),
      },
    },
  };
}

/** What a client may not say of itself: whom it is forwarded for, which token it has, and what Envoy should do. */
const NOT_FOR_CLIENTS = '(?:x-forwarded-|proxy-|x-envoy-).*|forwarded|x-serverless-authorization';

/** Nothing is rewritten on the way but what was asked for; the limits are the proxy's own. */
const CONNECTION_MANAGER: Fields = {
  stat_prefix: 'proxy',
  use_remote_address: true,
  skip_xff_append: true,
  normalize_path: false,
  merge_slashes: false,
  path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
  server_header_transformation: 'PASS_THROUGH',
  generate_request_id: false,
  proxy_100_continue: true,
  max_request_headers_kb: 32,
  request_headers_timeout: '60s',
  common_http_protocol_options: {
    idle_timeout: '75s',
    max_headers_count: 256,
    headers_with_underscores_action: 'DROP_HEADER',
  },
  http_protocol_options: { accept_http_10: true, enable_trailers: true },
  upgrade_configs: [{ upgrade_type: 'websocket' }],
  early_header_mutation_extensions: [
    {
      name: 'envoy.http.early_header_mutation.header_mutation',
      typed_config: {
        '@type': `${TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation`,
        mutations: [{ remove_on_match: { key_matcher: { safe_regex: { regex: NOT_FOR_CLIENTS } } } }],
      },
    },
  ],
  access_log: [
    {
      name: 'envoy.access_loggers.stdout',
      typed_config: {
        '@type': `${TYPE}.extensions.access_loggers.stream.v3.StdoutAccessLog`,
        log_format: {
          json_format: {
            time: '%START_TIME%',
            method: '%REQ(:METHOD)%',
            upstream_path: '%PATH(NQ)%',
            route: '%ROUTE_NAME%',
            status: '%RESPONSE_CODE%',
            why: '%RESPONSE_CODE_DETAILS%',
            milliseconds: '%DURATION%',
          },
        },
      },
    },
  ],
};
