import type { Refuser } from '../auth/refusal.ts';
import type { ProxyError } from '../errors.ts';
import { toGrpcMessage, toGrpcStatus } from './grpc.ts';

/** A complete response made by the proxy itself. */
export interface Answer {
  readonly status: number;
  /** What HTTP/1.1 says beside the status; undefined: the usual. */
  readonly reason?: string | undefined;
  /** Field lines: name, value, name, value. `Content-Length` is among them. */
  readonly lines: string[];
  readonly body: string;
  /** Nothing behind the request is served: who knows where it ends, or what is meant by what follows. */
  readonly isLast?: boolean;
}

/** Statuses of what is no proper request. */
const NO_REQUEST = new Set([400, 414, 431, 501, 505]);

/** What an answer may say about the request it answers. */
export interface AnswerContext {
  /** The route's name; undefined when none was found. */
  readonly route: string | undefined;
  readonly requestId: string;
  /** The content type for whoever reads `grpc-status` instead of the status; undefined for everybody else. */
  readonly grpcType?: string | undefined;
}

/**
 * The JSON answer for a failure: `{"error":{"code","message","hint","route","requestId"}}`, with a `Proxy-Status` header
 * (RFC 9209) by which a client can tell it from an upstream's answer.
 */
export function toErrorAnswer(error: ProxyError, context: AnswerContext): Answer {
  if (context.grpcType !== undefined) return toGrpcAnswer(error, context.grpcType, context);
  const { code, message, hint } = error;
  const body = `${JSON.stringify({ error: { code, message, hint, route: context.route, requestId: context.requestId } }, null, 2)}\n`;
  const lines = ['Content-Type', 'application/json; charset=utf-8', ...ownLines(error, body)];
  lines.push(...retryLines(error));
  const allow = error.allow ?? (code === 'method_not_allowed' ? RELAYED_METHODS : undefined);
  if (allow !== undefined) lines.push('Allow', allow);
  lines.push(...challengeLines(error));
  return { status: error.status, lines, body, isLast: NO_REQUEST.has(error.status) };
}

/** A failure as gRPC has it: status 200, and all that there is to say in the head ("Trailers-Only"). */
function toGrpcAnswer(error: ProxyError, contentType: string, { requestId }: AnswerContext): Answer {
  const text = error.hint === undefined ? error.message : `${error.message} ${error.hint}`;
  const lines = [
    'Content-Type',
    contentType,
    'grpc-status',
    String(toGrpcStatus(error)),
    'grpc-message',
    toGrpcMessage(text),
    'X-Request-Id',
    requestId,
    ...ownLines(error, ''),
    ...retryLines(error),
  ];
  return { status: 200, lines, body: '', isLast: NO_REQUEST.has(error.status) };
}

/** Methods named in `Allow`; any other but CONNECT and TRACE is relayed as well. */
const RELAYED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** The answer to `OPTIONS *`: what the proxy takes at all. */
export function toServerOptionsAnswer(): Answer {
  return { status: 204, lines: ['Allow', RELAYED_METHODS, 'Cache-Control', 'no-store'], body: '' };
}

/** Yes to a preflight; `lines` say to what. */
export function toPreflightAnswer(lines: readonly string[]): Answer {
  return { status: 204, lines: [...lines], body: '' };
}

/**
 * The page for somebody who followed a link from another site (R6): one link to go on, which the browser then sends as
 * a same-origin navigation. It can't be framed, runs no script and loads nothing.
 * @param url where the link leads: this proxy, same target
 * @param from the `Referer` the visitor came with, if any
 */
export function toAskAnswer(error: ProxyError, url: string, from: string | undefined): Answer {
  const origin = from === undefined ? undefined : originOf(from);
  const where = origin === undefined ? 'another site' : `<code>${escapeHtml(origin)}</code>`;
  return toPage(
    error,
    'Continue to this private service?',
    `<p>You came here from ${where}. This address is a local proxy that calls private Google Cloud services <em>with your identity</em>, so it asks before it follows a link from elsewhere.</p>
<p><a href="${escapeHtml(url)}" rel="noreferrer">Continue to <code>${escapeHtml(url)}</code></a></p>`,
  );
}

/**
 * A page of the proxy's own. It can't be framed, runs no script, loads nothing, is stored nowhere, and its links don't say where they were.
 * @param error what the page is about; undefined when all is well
 * @param title a text; `body` is HTML
 * @param more field lines besides
 */
export function toPage(
  error: ProxyError | undefined,
  title: string,
  body: string,
  more: readonly string[] = [],
): Answer {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escapeHtml(title)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:38em;margin:15vh auto;padding:0 1em}a{font-weight:600}code{word-break:break-all}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
  const lines = [
    'Content-Type',
    'text/html; charset=utf-8',
    'Content-Security-Policy',
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'X-Frame-Options',
    'DENY',
    'Referrer-Policy',
    'no-referrer',
    ...ownLines(error, html),
    ...(error === undefined ? [] : challengeLines(error)),
    ...more,
  ];
  return { status: error?.status ?? 200, lines, body: html };
}

/** The answer as bytes, for connections that have no response object: a failed parse, CONNECT. Always the last one. */
export function toRawResponse(answer: Answer, reason: string): string {
  let head = `HTTP/1.1 ${answer.status} ${reason}\r\n`;
  for (let i = 0; i + 1 < answer.lines.length; i += 2)
    head += `${answer.lines[i]}: ${answer.lines[i + 1]}\r\n`;
  return `${head}Connection: close\r\n\r\n${answer.body}`;
}

/**
 * The `Proxy-Status` line (RFC 9209) for a refusal that is relayed: whose answer it is, and why where that is known.
 * Without an `error` parameter, as the answer is not the proxy's own.
 */
export function toReceivedLine(status: number, by: Refuser, cause: string | undefined): readonly string[] {
  const details = cause === undefined ? by : `${by}: ${cause}`;
  return ['Proxy-Status', `gcp-bearer-proxy; received-status=${status}; details="${details}"`];
}

function retryLines({ retryAfterMs }: ProxyError): string[] {
  if (retryAfterMs === undefined) return [];
  return ['Retry-After', String(Math.max(1, Math.ceil(retryAfterMs / 1_000)))];
}

/** A 401 has to say how to do better (RFC 9110, section 15.5.2). */
function challengeLines({ code }: ProxyError): string[] {
  return code === 'client_not_authenticated' ? ['WWW-Authenticate', 'Bearer realm="gcp-bearer-proxy"'] : [];
}

function ownLines(error: ProxyError | undefined, body: string): string[] {
  const status = error === undefined ? '' : `; error=${error.proxyStatus}; details="${error.code}"`;
  return [
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Proxy-Status',
    `gcp-bearer-proxy${status}`,
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
  ];
}

function originOf(referer: string): string | undefined {
  const url = URL.parse(referer);
  return url === null || url.origin === 'null' ? undefined : url.origin;
}

/** A text as it stands in HTML, within quotes as well. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
