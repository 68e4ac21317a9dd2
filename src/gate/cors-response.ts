import type { CorsConfig } from '../config/config.ts';
import type { Caller } from './caller.ts';

/** Field lines: name, value, name, value. */
type Lines = readonly string[];

/**
 * A response's field lines, as browsers need them to let the right pages have it and no others. What a program asked for comes back
 * as it is.
 */
export function toSharedLines(lines: string[], caller: Caller, cors: CorsConfig): string[] {
  if (cors.kind === 'upstream') return lines;
  if (cors.kind === 'closed') return withoutCors(lines);
  if (caller.kind === 'program') return lines;
  const own = withoutCors(lines);
  varyByOrigin(own);
  if (caller.kind === 'page') grant(own, caller.origin, cors);
  return own;
}

/** The field lines of an answer of the proxy's own, for a page that the gate has let in: it may always read what went wrong. */
export function toReadableLines(lines: Lines, origin: string): string[] {
  const own = [...lines];
  varyByOrigin(own);
  grant(own, origin, { credentials: true, exposeHeaders: undefined });
  return own;
}

/** Field lines without those of CORS. */
export function withoutCors(lines: Lines): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    if (!CORS_NAME.test(name)) kept.push(name, lines[i + 1] as string);
  }
  return kept;
}

const CORS_NAME = /^access-control-/i;
const NAMES_ORIGIN = /(?:^|,)\s*(?:origin|\*)\s*(?:,|$)/i;

/** Has caches keep what one page got from another, and from those without an origin (RFC 9110, section 12.5.5). */
function varyByOrigin(lines: string[]): void {
  let last = -1;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (lines[i]?.toLowerCase() !== 'vary') continue;
    if (NAMES_ORIGIN.test(lines[i + 1] as string)) return;
    last = i + 1;
  }
  const value = last === -1 ? '' : (lines[last] as string).trim();
  if (last === -1) lines.push('Vary', 'Origin');
  else lines[last] = value === '' ? 'Origin' : `${value}, Origin`;
}

/** What pages may read of every response (https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name), and of none. */
const NEVER_EXPOSED = new Set([
  'cache-control',
  'content-language',
  'content-length',
  'content-type',
  'expires',
  'last-modified',
  'pragma',
  'set-cookie',
  'set-cookie2',
]);

interface Grant {
  readonly credentials: boolean;
  readonly exposeHeaders: readonly string[] | undefined;
}

/** Lets a page read a response. With credentials `*` names no header, so each is named. */
function grant(lines: string[], origin: string, { credentials, exposeHeaders }: Grant): void {
  const exposed = exposeHeaders ?? namesOf(lines);
  lines.push('Access-Control-Allow-Origin', origin);
  if (credentials) lines.push('Access-Control-Allow-Credentials', 'true');
  if (exposed.length > 0) lines.push('Access-Control-Expose-Headers', exposed.join(', '));
}

function namesOf(lines: Lines): string[] {
  const names = new Map<string, string>();
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    const lowerName = name.toLowerCase();
    if (!NEVER_EXPOSED.has(lowerName) && !names.has(lowerName)) names.set(lowerName, name);
  }
  return [...names.values()];
}
