import { type FieldLines, holdsToken, rememberByName, trim } from './field-lines.ts';

/**
 * Fields that mean something else, or something dangerous, when they come behind the content: framing, routing, credentials,
 * request modifiers, response control, and what says how to read the content (RFC 9110, section 6.5.1).
 */
const FORBIDDEN = new Set([
  'age',
  'alt-svc',
  'authentication-info',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expect',
  'expires',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'location',
  'max-forwards',
  'origin',
  'pragma',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'set-cookie',
  'strict-transport-security',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'warning',
  'www-authenticate',
  'x-goog-user-project',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
  'x-serverless-authorization',
]);
const FORBIDDEN_PREFIXES = ['access-control-', 'if-', 'proxy-', 'sec-', 'x-forwarded-', ':'];

const isForbidden = rememberByName((lowerName) => {
  // CGI-style servers read `_` and `-` as one.
  const name = lowerName.replaceAll('_', '-');
  return name === '' || FORBIDDEN.has(name) || FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix));
});

/**
 * A trailer section as it may go on, either way.
 * @param token the token's own text: a field that holds it goes no further; undefined when there is none
 */
export function toTrailers(lines: FieldLines, token?: string): readonly string[] {
  if (lines.length === 0) return lines;
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [name, value] = [lines[i] as string, lines[i + 1] as string];
    if ((token !== undefined && holdsToken(name, value, token)) || isForbidden(name)) continue;
    kept.push(name, value);
  }
  return kept;
}

/** A `Trailer` value without the names that don't go on; undefined when none is left. */
export function toTrailerNames(value: string): string | undefined {
  const names = value
    .split(',')
    .map((name) => trim(name))
    .filter((name) => !isForbidden(name));
  return names.length === 0 ? undefined : names.join(', ');
}
