import { ProxyError } from '../../errors.ts';
import { type FieldLines, rememberByName } from '../field-lines.ts';
import { CONNECTION_SPECIFIC } from '../http2-fields.ts';
import { ConnectionError } from './connection-error.ts';
import { METHODS_WITH_CONTENT } from './http1-connection.ts';
import { codeOf } from './http2-failure.ts';
import { BadResponseError } from './response-parser.ts';
import type { UpstreamRequest } from './transport.ts';

/** Most bytes of a response's head, and of its trailer section, as field lines of HTTP/1.1. */
const MAX_HEAD_BYTES = 65_536;
const MAX_TRAILER_BYTES = 16_384;

/** Fields that speak of an HTTP/1.1 connection, which HTTP/2 forbids (RFC 9113, section 8.2.2), and those made here. */
const NOT_SENT = new Set([...CONNECTION_SPECIFIC, 'content-length', 'expect']);

const requestName = rememberByName((name) => (NOT_SENT.has(name) ? undefined : name));

/** What ends a field line early in HTTP/1.1, or a value in what Node hands to its HTTP/2 library. */
const LINE_BREAKS = /[\0\r\n]/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * The header section of a request (RFC 9113, section 8.3.1), as names and values in turn: `Host` becomes `:authority`, the others keep
 * their order.
 * @throws ProxyError `bad_request` for a line end inside of a value: Node's own parsers let none through
 */
export function toRequestHeaders(request: UpstreamRequest, origin: URL): string[] {
  const { method, target, lines, body, expectsContinue } = request;
  const headers: string[] = [];
  let authority = origin.host;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = requestName(lines[i] as string);
    const value = lines[i + 1] as string;
    if (name === undefined) continue;
    if (LINE_BREAKS.test(value))
      throw new ProxyError('bad_request', `The header ${name} has a line end in it.`);
    if (name === 'host') authority = value;
    else if (name !== 'te') headers.push(name, value);
    else if (/(?:^|[\s,])trailers(?:$|[\s,;])/i.test(value)) headers.push(name, 'trailers');
  }
  if (body?.length !== undefined) headers.push('content-length', `${body.length}`);
  else if (body === null && METHODS_WITH_CONTENT.has(method)) headers.push('content-length', '0');
  if (expectsContinue) headers.push('expect', '100-continue');
  const scheme = origin.protocol.slice(0, -1);
  return [':method', method, ':authority', authority, ':scheme', scheme, ':path', target, ...headers];
}

/** Names what Node's HTTP/2 has against a request before it sends anything. */
export function toRequestError(cause: unknown): unknown {
  const code = codeOf(cause);
  if (code === 'ERR_HTTP2_INVALID_SESSION' || code === 'ERR_HTTP2_GOAWAY_SESSION')
    return new ConnectionError('CONNECTION_CLOSED', 'the connection was closed before the request');
  if (code !== 'ERR_HTTP2_HEADER_SINGLE_VALUE') return cause;
  // Node 22 can't be told to send these all the same.
  const name = /"([\w-]+)"/.exec((cause as Error).message)?.[1] ?? '';
  const message = `The header ${name} came more than once, which can't be sent on over HTTP/2.`;
  return new ProxyError('bad_request', message, { cause });
}

/** The trailer section of a request, as Node takes it. Fields that a trailer can't have are left out. */
export function toRequestTrailers(lines: FieldLines): Record<string, string[]> {
  const trailers: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = requestName(lines[i] as string);
    const value = lines[i + 1] as string;
    if (name === undefined || name === 'te' || name === 'host' || !TOKEN.test(name)) continue;
    if (LINE_BREAKS.test(value)) continue;
    trailers[name] ??= [];
    trailers[name].push(value);
  }
  return trailers;
}

/**
 * The status of a response's header section.
 * @throws BadResponseError when it isn't a final or interim one
 */
export function parseStatus(headers: FieldLines): number {
  const text = headers[0] === ':status' ? (headers[1] ?? '') : '';
  if (!/^[1-9][0-9]{2}$/.test(text)) throw new BadResponseError('its status is malformed');
  const status = Number(text);
  if (status === 101) throw new BadResponseError('it switches protocols, which nobody asked for');
  return status;
}

const isName = rememberByName((name) => TOKEN.test(name));

/**
 * The field lines of a response's header section, without pseudo-header fields.
 * @throws BadResponseError for one that HTTP/1.1 could not carry, or too many
 */
export function parseHead(headers: FieldLines): string[] {
  return parseLines(headers, MAX_HEAD_BYTES, 'head');
}

/** As `parseHead`, for a trailer section. */
export function parseTrailers(headers: FieldLines): string[] {
  return parseLines(headers, MAX_TRAILER_BYTES, 'trailer section');
}

function parseLines(headers: FieldLines, maxBytes: number, section: string): string[] {
  const lines: string[] = [];
  let bytes = 0;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name.startsWith(':')) continue;
    if (!isName(name)) throw new BadResponseError('it has a malformed header name');
    if (LINE_BREAKS.test(value)) throw new BadResponseError('it has a line end in a header');
    bytes += name.length + value.length + 4;
    if (bytes > maxBytes) throw new BadResponseError(`its ${section} is larger than ${maxBytes} bytes`);
    lines.push(name, value);
  }
  return lines;
}
