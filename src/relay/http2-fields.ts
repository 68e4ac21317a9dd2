import type { OutgoingHttpHeaders } from 'node:http2';
import type { FieldLines } from './field-lines.ts';

/** Fields that are about one connection of HTTP/1.1 and have no place in HTTP/2 (RFC 9113, section 8.2.2). */
export const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Field lines as `node:http2` takes them: names in lower case, in order, repeated ones as a list. What is about a connection of
 * HTTP/1.1 is left out, and so are pseudo-header fields: those are not for others to say.
 */
export function toHttp2Fields(lines: FieldLines): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = Object.create(null);
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase();
    const value = lines[i + 1] as string;
    if (CONNECTION_SPECIFIC.has(name) || name.startsWith(':')) continue;
    const seen = fields[name];
    if (seen === undefined) fields[name] = value;
    else if (Array.isArray(seen)) seen.push(value);
    else fields[name] = [String(seen), value];
  }
  return fields;
}

/** Field lines of what `node:http2` received, without the pseudo-header fields. */
export function fromHttp2Fields(rawHeaders: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!name.startsWith(':')) lines.push(name, rawHeaders[i + 1] as string);
  }
  return lines;
}

/** A request's cookies as one field again: HTTP/2 may have split them, HTTP/1.1 must not (RFC 9113, section 8.2.3). */
export function joinCookies(lines: string[]): string[] {
  const cookies = lines.filter((_, i) => i % 2 === 1 && lines[i - 1] === 'cookie');
  if (cookies.length < 2) return lines;
  const joined: string[] = [];
  let isFirst = true;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    if (name !== 'cookie') joined.push(name, lines[i + 1] as string);
    else if (isFirst) {
      isFirst = false;
      joined.push(name, cookies.join('; '));
    }
  }
  return joined;
}
