import type { Fields } from '../support/http2-frames.ts';
import type { Reading, WireRequest } from './strict-reader.ts';

/** A request over HTTP/2, whatever is wrong with it. */
export interface Http2Input {
  readonly name: string;
  /** In order, pseudo-header fields among them. */
  readonly fields: Fields;
  /** Content, a piece a frame; undefined: the head ends the stream. */
  readonly data?: readonly string[];
  readonly trailers?: Fields;
  /** The field block comes in pieces of so many bytes. */
  readonly blockBytes?: number;
  readonly outcome?: 'refused' | 'forwarded' | undefined;
}

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])$/;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PATH = /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/;
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::[0-9]*)?$/;
const CONNECTION_SPECIFIC = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/**
 * The request that an input is by the letter of RFC 9113, section 8: as a head of HTTP/1.1 that says the same. But for one thing: fields that
 * can't be written in HTTP/1.1 are taken for not sent, as the library that Node reads HTTP/2 with doesn't tell of them.
 */
export function readHttp2Input({ fields: sent, data, trailers: sentTrailers }: Http2Input): Reading {
  const fields = sent.filter(isTold);
  const trailers = sentTrailers?.filter(isTold);
  const body = (data ?? []).join('');
  const violation =
    findFault(fields, data === undefined ? undefined : body.length) ?? findFaultyTrailer(trailers);
  const request = toRequest(fields, data === undefined ? undefined : body, trailers ?? []);
  if (violation === undefined) return { requests: [request], end: 'clean', violation, part: undefined };
  // Content that is not as long as it was said to be, or has malformed trailers, may have begun its way.
  const isLate = findFault(fields, undefined) === undefined;
  return { requests: [], end: 'violation', violation, part: isLate ? { head: request, body } : undefined };
}

function isTold([name, value]: readonly [string, string]): boolean {
  if (name.startsWith(':')) return true;
  return NAME.test(name) && VALUE.test(value) && (name !== 'host' || AUTHORITY.test(value));
}

/** @param bytes of content; undefined: not looked at */
function findFault(fields: Fields, bytes: number | undefined): string | undefined {
  const pseudo = new Map<string, string>();
  let isBehind = false;
  for (const [name, value] of fields) {
    if (name.startsWith(':')) {
      if (isBehind) return 'a pseudo-header field behind others';
      if (![':method', ':scheme', ':path', ':authority'].includes(name))
        return 'an unknown pseudo-header field';
      if (pseudo.has(name)) return 'a pseudo-header field twice';
      pseudo.set(name, value);
    } else {
      isBehind = true;
      const fault = findFieldFault(name, value);
      if (fault !== undefined) return fault;
    }
  }
  return findPseudoFault(pseudo, fields) ?? findLengthFault(fields, bytes);
}

function findFieldFault(name: string, value: string): string | undefined {
  if (CONNECTION_SPECIFIC.has(name)) return 'a field of HTTP/1.1 connections';
  return name === 'te' && value !== 'trailers' ? 'a TE other than trailers' : undefined;
}

function findPseudoFault(pseudo: ReadonlyMap<string, string>, fields: Fields): string | undefined {
  if (!METHOD.test(pseudo.get(':method') ?? '')) return 'a malformed method';
  if (!/^[A-Za-z][A-Za-z0-9+.-]*$/.test(pseudo.get(':scheme') ?? '')) return 'a malformed scheme';
  const path = pseudo.get(':path') ?? '';
  if (!PATH.test(path) || (path === '*' && pseudo.get(':method') !== 'OPTIONS')) return 'a malformed path';
  const hosts = fields.filter(([name]) => name === 'host').map(([, value]) => value);
  const authority = pseudo.get(':authority');
  if (hosts.length > 1 || !AUTHORITY.test(authority ?? hosts[0] ?? '')) return 'not one authority';
  return authority !== undefined && hosts.some((host) => host !== authority) ? 'two authorities' : undefined;
}

function findLengthFault(fields: Fields, bytes: number | undefined): string | undefined {
  const lengths = fields.filter(([name]) => name === 'content-length').map(([, value]) => value);
  if (lengths.length === 0) return undefined;
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0] ?? '')) return 'not one length';
  return bytes !== undefined && Number(lengths[0]) !== bytes ? 'another length' : undefined;
}

function findFaultyTrailer(trailers: Fields = []): string | undefined {
  for (const [name, value] of trailers) {
    const fault = findFieldFault(name, value);
    if (fault !== undefined) return `a trailer: ${fault}`;
  }
  return undefined;
}

function toRequest(fields: Fields, body: string | undefined, trailers: Fields): WireRequest {
  const first = (wanted: string): string | undefined => fields.find(([name]) => name === wanted)?.[1];
  const cookies = fields.filter(([name]) => name === 'cookie').map(([, value]) => value);
  const lines: string[] = [];
  const authority = first(':authority');
  if (authority !== undefined) lines.push('host', authority);
  for (const [name, value] of fields) {
    if (name.startsWith(':') || (name === 'host' && authority !== undefined)) continue;
    // A cookie may come in pieces (RFC 9113, section 8.2.3).
    if (name !== 'cookie') lines.push(name, value);
    else if (!lines.includes('cookie')) lines.push(name, cookies.join('; '));
  }
  // With nothing announced, only the end of the stream says that nothing comes.
  const hasLength = Number(first('content-length') ?? 0) > 0;
  return {
    method: first(':method') ?? '',
    target: first(':path') ?? '',
    version: '1.1',
    lines,
    framing: body === undefined ? 'none' : hasLength ? 'length' : 'chunked',
    length: hasLength ? Number(first('content-length')) : (body ?? '').length,
    body: body ?? '',
    trailers: trailers.flat(),
  };
}
