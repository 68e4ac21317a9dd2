import { ProxyError } from '../errors.ts';

/** A request target taken apart (RFC 9112, section 3.2), byte for byte as it was sent. */
export interface Target {
  /** Starts with `/`; or `*` for the server itself. */
  readonly path: string;
  /** From the `?` on, included; empty when there is none. */
  readonly query: string;
  /** Of an absolute-form target; undefined for origin-form. */
  readonly authority: string | undefined;
}

/** Longest request target taken, in bytes. Google's front end takes 16 KiB. */
export const MAX_TARGET_BYTES = 16_384;

const ABSOLUTE_FORM = /^http:\/\/([^/?#]*)(.*)$/i;
/** Anything that needs a closer look: an escape, a backslash, a fragment, a control or non-ASCII byte, a dot segment. */
const SUSPECT = /[%\\#]|[^\x21-\x7e]|\/\./;
const FORBIDDEN_RAW = /[\\#]|[^\x21-\x7e\x80-\xff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what this looks for
const FORBIDDEN_DECODED = /[\\\x00-\x1f\x7f]/;
/** `.` and `..`, also with a path parameter behind (`..;x` is `..` to Java servers), or a query that shows once decoded. */
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:[;?#][^/]*)?(?:\/|$)/;
const ESCAPE = /%([0-9a-f]{2})/gi;
/** UTF-8 sequences longer than they need to be, each a way to write `/` or `.` that some decoder takes. */
const OVERLONG = /[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]|\xf8[\x80-\x87]|\xfc[\x80-\x83]/;

/**
 * Takes a request target apart and refuses every path that could climb out of an upstream's base path once somebody
 * decodes it, once or twice. Refuses, never rewrites: what passes goes on byte for byte.
 * @throws ProxyError `bad_path`, `bad_request`, `target_too_long`
 */
export function parseTarget(raw: string): Target {
  if (raw.length > MAX_TARGET_BYTES) {
    throw new ProxyError('target_too_long', `The request target is longer than ${MAX_TARGET_BYTES} bytes.`);
  }
  if (raw.charCodeAt(0) === 0x2f) return splitTarget(raw, undefined);
  if (raw === '*') return { path: '*', query: '', authority: undefined };
  const absolute = ABSOLUTE_FORM.exec(raw);
  if (absolute?.[1] !== undefined && absolute[2] !== undefined) {
    const rest = absolute[2];
    return splitTarget(rest.startsWith('/') ? rest : `/${rest}`, absolute[1]);
  }
  throw new ProxyError('bad_request', 'The request target is neither a path nor an http:// URL.');
}

function splitTarget(target: string, authority: string | undefined): Target {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? '' : target.slice(mark);
  if (SUSPECT.test(path)) checkPath(path);
  if (query !== '' && FORBIDDEN_IN_QUERY.test(query)) throw badPath('a fragment or a control character');
  return { path, query, authority };
}

const FORBIDDEN_IN_QUERY = /#|[^\x21-\x7e\x80-\xff]/;

function checkPath(path: string): void {
  if (FORBIDDEN_RAW.test(path)) throw badPath('a backslash, a fragment, white space or a control character');
  if (DOT_SEGMENT.test(path)) throw badPath('a "." or ".." segment');
  if (OVERLONG.test(path)) throw badPath('an overlong UTF-8 sequence');
  let decoded = path;
  for (let round = 0; round < 2; round += 1) {
    if (!decoded.includes('%')) return;
    decoded = decoded.replace(ESCAPE, (_escape, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (FORBIDDEN_DECODED.test(decoded)) throw badPath('an escaped backslash or control character');
    if (OVERLONG.test(decoded)) throw badPath('an overlong UTF-8 sequence');
    if (DOT_SEGMENT.test(decoded)) throw badPath('an escaped "." or ".." segment');
  }
}

function badPath(what: string): ProxyError {
  return new ProxyError('bad_path', `The path holds ${what}, which could lead outside of its route.`);
}

/** Where a route's requests go. */
export interface PathMapping {
  /** The route's local path: `/`, or `/a/b`. */
  readonly path: string;
  readonly stripPath: boolean;
  /** The upstream's own path, put in front: `/`, or `/a/b`. */
  readonly basePath: string;
}

/**
 * The origin-form target for the upstream: the route's path cut off (if it is to be), the upstream's base put in front,
 * everything else untouched. The result always has the base as a prefix in whole segments.
 */
export function toUpstreamTarget(mapping: PathMapping, path: string, query: string): string {
  const base = mapping.basePath === '/' ? '' : mapping.basePath;
  const rest = mapping.stripPath && mapping.path !== '/' ? path.slice(mapping.path.length) : path;
  // A route at `/` has no way to ask for the base without a slash behind it, and the base alone is what is meant.
  if (rest === '/' && mapping.path === '/' && base !== '') return base + query;
  return rest === '' && base === '' ? `/${query}` : base + rest + query;
}
