import type { ExchangeRecord } from './events.ts';
import { redactSecrets } from './redact.ts';

/** A piece of a trace, over by the time it is made. */
export interface SpanRecord {
  readonly kind: 'server' | 'client';
  readonly name: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly isError: boolean;
  /** What went wrong, where the attributes don't say it. */
  readonly problem: string | undefined;
}

/** The spans of one request: what the proxy did for its client, and within that what it asked of the upstream. */
export interface RequestSpans {
  readonly server: SpanRecord;
  /** Undefined where nothing was sent upstream. */
  readonly client: SpanRecord | undefined;
}

/**
 * Makes spans of what is told of a request, by OpenTelemetry's conventions for HTTP. No query, no value of a header and no body is in
 * them; a path is as it is in the log.
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/
 * @param endMs when it was told, on the wall clock: its end
 */
export function toSpans(record: ExchangeRecord, endMs: number): RequestSpans {
  const startMs = endMs - record.totalMs;
  return {
    server: toServerSpan(record, startMs, endMs),
    client: toClientSpan(record, startMs, endMs),
  };
}

function toServerSpan(record: ExchangeRecord, startMs: number, endMs: number): SpanRecord {
  const { route, status, error, message, refusal } = record;
  const method = toMethod(record.method);
  // A client's mistake is no failure of the server; a response that broke off is.
  const isError = status >= 500 || (error !== undefined && status < 400);
  return {
    kind: 'server',
    name: route === undefined ? method.name : `${method.name} ${route}`,
    startMs,
    endMs,
    attributes: compact({
      ...method.attributes,
      'url.scheme': record.scheme,
      'url.path': toPath(record.target),
      'http.route': route,
      'http.response.status_code': status === 0 ? undefined : status,
      'error.type': error ?? (status >= 500 ? String(status) : undefined),
      'network.protocol.version': record.httpVersion,
      ...(record.host !== undefined && toServer(`${record.scheme}://${record.host}`)),
      'gcp_bearer_proxy.request_id': record.requestId,
      'gcp_bearer_proxy.refused_by': refusal?.by,
      'gcp_bearer_proxy.refusal_cause': refusal?.cause,
    }),
    isError,
    problem: isError && message !== undefined ? redactSecrets(message) : undefined,
  };
}

/** From sending the request, the last time if it was sent again, to the head of the response. */
function toClientSpan(record: ExchangeRecord, startMs: number, endMs: number): SpanRecord | undefined {
  const { upstream, upstreamTarget, sentMs, upstreamMs, status, error } = record;
  if (upstream === undefined || sentMs === undefined) return undefined;
  const method = toMethod(record.method);
  const sentAtMs = startMs + sentMs;
  // What the client was told is the upstream's word only if the proxy had none of its own.
  const received = upstreamMs === undefined || error !== undefined || status === 0 ? undefined : status;
  const failure = error ?? (received !== undefined && received >= 400 ? String(received) : undefined);
  return {
    kind: 'client',
    name: method.name,
    startMs: sentAtMs,
    endMs: upstreamMs === undefined ? endMs : Math.min(sentAtMs + upstreamMs, endMs),
    attributes: compact({
      ...method.attributes,
      'url.full': `${upstream}${toPath(upstreamTarget ?? '') ?? ''}`,
      'http.response.status_code': received,
      'http.request.resend_count': record.isReplay ? 1 : undefined,
      'error.type': failure,
      ...toServer(upstream),
    }),
    isError: failure !== undefined,
    problem: undefined,
  };
}

/** Methods with a meaning of their own; others are one, so that names stay few. */
const METHODS: ReadonlySet<string> = new Set([
  ...['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'],
]);

function toMethod(method: string): { readonly name: string; readonly attributes: Record<string, string> } {
  if (METHODS.has(method)) return { name: method, attributes: { 'http.request.method': method } };
  return {
    name: 'HTTP',
    attributes: { 'http.request.method': '_OTHER', 'http.request.method_original': method },
  };
}

const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/** The path of a redacted target; undefined for one that has none. */
function toPath(target: string): string | undefined {
  const rest = target.startsWith('/') ? target : target.replace(AUTHORITY, '');
  const end = rest.search(/[?#]/);
  const path = end === -1 ? rest : rest.slice(0, end);
  if (path === '' && rest !== target) return '/';
  return path.startsWith('/') || path === '*' ? path : undefined;
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

type ServerAttributes = Readonly<Record<string, string | number>>;

/** A proxy has a few of them; those of clients are what the gate lets in, which may be all of `*.example.com`. */
const REMEMBERED_ORIGINS = 256;
const servers = new Map<string, ServerAttributes>();

function toServer(origin: string): ServerAttributes {
  const known = servers.get(origin);
  if (known !== undefined) return known;
  const found = parseServer(origin);
  if (servers.size < REMEMBERED_ORIGINS) servers.set(origin, found);
  return found;
}

function parseServer(origin: string): ServerAttributes {
  if (!URL.canParse(origin)) return {};
  const { hostname, port, protocol } = new URL(origin);
  return {
    'server.address': hostname.replace(/^\[|\]$/g, ''),
    'server.port': port === '' ? (PORTS[protocol] ?? 0) : Number(port),
  };
}

function compact(
  attributes: Readonly<Record<string, string | number | undefined>>,
): Readonly<Record<string, string | number>> {
  const kept: Record<string, string | number> = {};
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
