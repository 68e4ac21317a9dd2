/*
 * Regular expressions for Envoy (RE2, always of the whole text): no lookarounds, and a program for each costs memory.
 */

/** A text as itself, in an expression. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Any of several expressions. */
export function oneOf(patterns: readonly string[]): string {
  return `(?:${patterns.join('|')})`;
}

/** A digit of an escape: itself, or escaped once more. */
function digit(hex: string): string {
  const spellings = hex === hex.toUpperCase() ? [hex] : [hex, hex.toUpperCase()];
  const escaped = spellings.map((spelling) => `%${spelling.charCodeAt(0).toString(16)}`);
  return oneOf([...spellings, ...escaped]);
}

/** An ASCII byte with this code as an escape that is there after decoding once or twice (`%2e`, `%252e`, `%2%65`). */
function escapeOf(high: string, low: string): string {
  return `%(?:25)?${high}${low}`;
}

const DOT = oneOf(['\\.', escapeOf(digit('2'), digit('e'))]);
const SLASH = oneOf(['/', escapeOf(digit('2'), digit('f'))]);
/** A parameter behind a dot segment, or a query or fragment that shows once decoded: `..;x` */
const CUT = oneOf([
  ';',
  escapeOf(digit('3'), oneOf([digit('b'), digit('f')])),
  escapeOf(digit('2'), digit('3')),
]);
const CONTROL = escapeOf(oneOf([digit('0'), digit('1')]), oneOf(['[0-9a-fA-F]', '%[346][0-9]']));
const DELETE = escapeOf(digit('7'), digit('f'));
const BACKSLASH = oneOf(['\\\\', escapeOf(digit('5'), digit('c'))]);

/** Paths that could lead out of their route once somebody decodes them, once or twice; see `parseTarget` of `routing`. */
export const HAZARDOUS_PATH = `(?s).*${oneOf([
  `${SLASH}${DOT}${DOT}?(?:${CUT}.*|${SLASH}.*)?`,
  `${oneOf([BACKSLASH, CONTROL, DELETE, '#'])}.*`,
])}`;

/** A segment without anything that a reader could take for its end, or would decode. */
const SEGMENT = '[^/%;\\\\?#]+';
/** Whatever lies below, with whole escapes. */
const BELOW = '(?:/(?:[^%]|%[0-9A-Fa-f]{2})*)?';

/**
 * The paths of a route that its `paths` let through.
 * @param path the route's own: `/`, or `/a/b`
 */
export function toPathsPattern(path: string, lines: readonly string[]): string {
  const base = path === '/' ? '' : escapePattern(path);
  return oneOf(
    lines.map((line) => {
      // What begins behind the route's own path may be nothing, which is `/`.
      if (line === '/') return path === '/' ? '/' : `${base}/?`;
      const segments = line.slice(1).split('/');
      const isOpen = segments.at(-1) === '**';
      const fixed = isOpen ? segments.slice(0, -1) : segments;
      const text = fixed.map((segment) => `/${segment === '*' ? SEGMENT : escapePattern(segment)}`).join('');
      return `${base}${text}${isOpen ? BELOW : ''}`;
    }),
  );
}

/** Any port, or none. */
export const PORT = '(?::[0-9]{1,5})?';
const OCTET = '[0-9]{1,3}';
export const LOOPBACK_IPV4 = `127\\.${OCTET}\\.${OCTET}\\.${OCTET}`;
export const ANY_IP = oneOf([`${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}`, '\\[[0-9a-fA-F:.]+\\]']);
/** Names that can only mean this machine; below localhost as DNS writes them. */
export const LOOPBACK_NAME = oneOf(['(?:[a-z0-9_-]+\\.)*localhost\\.?', LOOPBACK_IPV4, '\\[::1\\]']);
