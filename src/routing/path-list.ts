import { isUtf8 } from 'node:buffer';

/** Whether a path is among those that were listed. */
export type PathList = (path: string) => boolean;

/** One line of a list, taken apart. */
interface Pattern {
  /** What each segment has to be; `*` is any one. */
  readonly segments: readonly string[];
  /** It ends with `**`: whatever lies below counts as well. */
  readonly isOpen: boolean;
}

/**
 * Compiles lines of a list: `/healthz` is itself, `*` is any one segment, and `**` at the end is all that lies below, the thing itself
 * included. They hold no escapes (the configuration's `parsePathPattern` refuses them). A path is taken only where every reader between
 * here and the application sees a path of the list: one that decodes it, once or twice; merges empty segments; cuts off parameters
 * behind a `;`, or what is behind an escaped `?` or `#`; leaves out what isn't UTF-8. It has to be one that `parseTarget` lets through,
 * so that it holds no dot segments. Upper and lower case are two things. Never throws.
 *
 * Paths begin behind the route's own: an empty one is `/`.
 */
export function createPathList(lines: readonly string[]): PathList {
  const patterns = lines.map(toPattern);
  return (path) => {
    if (!isReadable(path)) return false;
    const segments = toSegments(path === '' ? '/' : path);
    return patterns.some((pattern) => fits(pattern, segments));
  };
}

function toSegments(path: string): readonly string[] {
  return path.slice(1).split('/');
}

function toPattern(line: string): Pattern {
  const segments = toSegments(line);
  const isOpen = segments.at(-1) === '**';
  return { segments: isOpen ? segments.slice(0, -1) : segments, isOpen };
}

function fits({ segments, isOpen }: Pattern, given: readonly string[]): boolean {
  if (!isOpen && given.length !== segments.length) return false;
  return segments.every((expected, i) => {
    // Where there are too few, an empty one is what nothing fits.
    const segment = given[i] ?? '';
    return expected === '*' ? isOneSegment(segment) : decodeOnce(segment) === expected;
  });
}

/** What ends a segment, or the path, for somebody who decodes it before taking it apart; a parameter's `;` among them. */
const ENDS_SEGMENT = /[/\\;?#]/;

/** Whether every reader sees one segment here, which isn't empty. */
function isOneSegment(segment: string): boolean {
  if (segment === '') return false;
  const once = decodeOnce(segment);
  return !ENDS_SEGMENT.test(once) && !ENDS_SEGMENT.test(decodeOnce(once));
}

/** A percent sign that begins no escape: readers refuse it, leave it, or leave it out. */
const BROKEN_ESCAPE = /%(?![0-9a-f]{2})/i;
/** An escape that only some servers know. */
const WIDE_ESCAPE = /%u[0-9a-f]{4}/i;

/** Whether readers agree on what its escapes are. */
function isReadable(path: string): boolean {
  if (BROKEN_ESCAPE.test(path)) return false;
  const once = decodeOnce(path);
  if (WIDE_ESCAPE.test(once)) return false;
  return isUtf8(Buffer.from(once, 'latin1')) && isUtf8(Buffer.from(decodeOnce(once), 'latin1'));
}

/** Each escape as the byte it stands for. */
function decodeOnce(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
