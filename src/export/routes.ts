import type { CredentialConfig, RouteConfig } from '../config/config.ts';
import type { Clusters } from './clusters.ts';
import { toDuration } from './clusters.ts';
import type { Setting } from './coverage.ts';
import type { EnvoyToken, ExportedRoute, TokenHeader } from './input.ts';
import { escapePattern } from './patterns.ts';
import { toRateMetadata } from './rate.ts';
import { toRouteFilters } from './route-filters.ts';
import type { Fields, Value } from './yaml-text.ts';

export interface RouteContext {
  readonly clusters: Clusters;
  /** The headers that any route's token goes in. */
  readonly tokenHeaders: readonly TokenHeader[];
  /** Requests of a page of the very host they are for. */
  readonly isFromOwnPage: Fields;
  /** Origins that may call, as an expression. */
  readonly corsOrigins: string;
  /** The client's address, as Envoy's variable. */
  readonly peer: string;
}

/** One of the ways a route's requests are treated: by what they are, and by what they have with them. */
export interface Variant {
  readonly headers: readonly Fields[];
  readonly version: 1 | 2;
  /** Undefined where there is no token. */
  readonly tokenHeader: TokenHeader | undefined;
  readonly keepAuthorization: boolean;
}

/** Why Envoy can't serve a route at all; undefined: it can. */
export function findObstacle(
  { config, token }: ExportedRoute,
  credential: CredentialConfig | undefined,
): Setting | undefined {
  if (config.upstream.kind === 'emulator') return 'routes.upstream:emulator';
  if (token === undefined) return undefined;
  if (token.kind === 'jwt') return 'routes.token.kind=jwt';
  if (credential === undefined) return undefined;
  switch (credential.kind) {
    case 'none':
    case 'adc':
      return undefined;
    case 'metadata':
      return credential.account === 'default' ? undefined : 'credentials.account';
    default:
      return `credentials.kind=${credential.kind}`;
  }
}

/** The route in Envoy: an answer where it can't be carried over, so that no other route gets its requests. */
export function toUnserved({ config }: ExportedRoute): Fields {
  return {
    name: config.name,
    match: toMatch(config.path, []),
    direct_response: {
      status: 503,
      body: {
        inline_string:
          'This route could not be carried over to Envoy; the head of its configuration says why.\n',
      },
    },
  };
}

/** The route in Envoy: as many as there are ways to treat its requests, to be tried in their order. */
export function toRoutes(
  route: ExportedRoute,
  token: EnvoyToken | undefined,
  context: RouteContext,
): readonly Fields[] {
  const { config } = route;
  const { upstream } = config;
  if (upstream.kind === 'emulator') return [];
  return toVariants(route, token).map((variant) => ({
    name: config.name,
    ...(config.limits.rate && { metadata: toRateMetadata(config.name) }),
    match: toMatch(config.path, variant.headers),
    route: {
      cluster: context.clusters.find({
        route: config,
        origin: upstream.origin,
        token: variant.tokenHeader === undefined ? undefined : token,
        version: variant.version,
      }),
      ...toRewrites(config, new URL(upstream.origin).host),
      ...toLimits(config),
    },
    ...toHeaderEdits(config, context),
    typed_per_filter_config: toRouteFilters(config, variant, context),
  }));
}

function toMatch(path: string, headers: readonly Fields[]): Fields {
  return {
    ...(path === '/' ? { prefix: '/' } : { path_separated_prefix: path }),
    ...(headers.length > 0 && { headers }),
  };
}

const GRPC = isValue('content-type', '(?i)application/grpc(?:[+;\\s].*)?');
const WEBSOCKET = isValue('upgrade', '(?i)\\s*websocket\\s*');
const AUTHORIZATION: Fields = { name: 'authorization', present_match: true };

function isValue(name: string, regex: string): Fields {
  return { name, string_match: { safe_regex: { regex } } };
}

type Lane = Pick<Variant, 'headers' | 'version'>;
const LANES: Readonly<Record<RouteConfig['protocol'], readonly Lane[]>> = {
  auto: [
    { headers: [GRPC], version: 2 },
    { headers: [], version: 1 },
  ],
  http1: [{ headers: [], version: 1 }],
  http2: [
    { headers: [WEBSOCKET], version: 1 },
    { headers: [], version: 2 },
  ],
};

/** The ways a route's requests are treated, to be tried in their order. */
export function toVariants(
  { config, spareHeader }: ExportedRoute,
  token: EnvoyToken | undefined,
): readonly Variant[] {
  const placements = token === undefined ? [NO_TOKEN] : toPlacements(config, spareHeader);
  return LANES[config.protocol].flatMap(({ headers, version }) =>
    placements.map((placement) => ({ ...placement, headers: [...headers, ...placement.headers], version })),
  );
}

type Place = Pick<Variant, 'headers' | 'tokenHeader' | 'keepAuthorization'>;
const NO_TOKEN: Place = { headers: [], tokenHeader: undefined, keepAuthorization: true };

/** As `placeToken` of the relay has it. */
function toPlacements({ header }: RouteConfig, spareHeader: ExportedRoute['spareHeader']): readonly Place[] {
  const usual: Place = { headers: [], tokenHeader: 'Authorization', keepAuthorization: false };
  switch (header) {
    case 'authorization':
      return [usual];
    case 'x-serverless-authorization':
      return [{ headers: [], tokenHeader: 'X-Serverless-Authorization', keepAuthorization: true }];
    case 'proxy-authorization':
      return [{ headers: [], tokenHeader: 'Proxy-Authorization', keepAuthorization: true }];
    case 'auto':
      if (spareHeader === undefined) return [usual];
      return [{ headers: [AUTHORIZATION], tokenHeader: spareHeader, keepAuthorization: true }, usual];
  }
}

/** The target and the host that the upstream sees, as `toUpstreamTarget` of the routing has them. */
function toRewrites(
  { path, stripPath, upstream: { basePath }, forwarded }: RouteConfig,
  host: string,
): Fields {
  const rewrite = toPathRewrite(path, stripPath, basePath);
  return {
    ...(rewrite && {
      regex_rewrite: { pattern: { regex: rewrite.regex }, substitution: rewrite.substitution },
    }),
    host_rewrite_literal: host,
    ...((forwarded === 'x-forwarded' || forwarded === 'both') && { append_x_forwarded_host: true }),
  };
}

/** A path's beginning, as an expression, and what is put in its place. */
export interface PathRewrite {
  readonly regex: string;
  readonly substitution: string;
}

/** How the target comes about that `toUpstreamTarget` makes; undefined: it stays as it is. */
export function toPathRewrite(path: string, stripPath: boolean, basePath: string): PathRewrite | undefined {
  const base = basePath === '/' ? '' : basePath;
  if (base === '')
    return stripPath && path !== '/' ? { regex: `^${escapePattern(path)}/?`, substitution: '/' } : undefined;
  // The base alone is what a route at / means by /.
  if (path === '/') return { regex: '^(?:/$)?', substitution: base };
  return { regex: stripPath ? `^${escapePattern(path)}` : '^', substitution: base };
}

function toLimits({ timeout, retry, readOnly }: RouteConfig): Fields {
  const { headersMs, idleMs } = timeout;
  return {
    // Envoy's is for the whole of a response; ours are about silence.
    timeout: '0s',
    idle_timeout: toDuration(headersMs === 0 || idleMs === 0 ? 0 : Math.max(headersMs, idleMs)),
    ...(retry && {
      retry_policy: { retry_on: 'connect-failure,refused-stream,reset-before-request', num_retries: 1 },
    }),
    ...(readOnly && { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] }),
  };
}

const X_FORWARDED = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-prefix'];

/** What Envoy does to the heads at the very end, when the token is there already. */
function toHeaderEdits(
  { path, stripPath, headers, forwarded, cors, token }: RouteConfig,
  { peer }: RouteContext,
): Fields {
  const isForwarding = forwarded === 'x-forwarded' || forwarded === 'both';
  const set = Object.entries(headers.set);
  if (isForwarding && stripPath && path !== '/') set.push(['x-forwarded-prefix', path]);
  if (token.kind === 'access' && token.quotaProject !== undefined)
    set.push(['x-goog-user-project', token.quotaProject]);
  const added = [
    // Of a client on this machine Envoy would say the machine's own address.
    ...(isForwarding ? [toAddition('x-forwarded-for', peer)] : []),
    // % begins one of Envoy's variables.
    ...set.map(([name, value]) => toAddition(name, value.replaceAll('%', '%%'))),
  ];
  const removed = [...headers.remove, ...(isForwarding ? [] : X_FORWARDED)];
  return {
    ...(added.length > 0 && { request_headers_to_add: added }),
    ...(removed.length > 0 && { request_headers_to_remove: removed }),
    ...(cors.kind !== 'upstream' && { response_headers_to_remove: CORS_RESPONSE_HEADERS }),
  };
}

function toAddition(key: string, value: string): Value {
  return {
    header: { key, value },
    append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
    keep_empty_value: true,
  };
}

/** An upstream's own don't count where the proxy does CORS. */
const CORS_RESPONSE_HEADERS = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-max-age',
];
