/** Where in a configuration something is: `['routes', 0, 'upstream']`. */
export type Path = readonly (string | number)[];

/** Notes one mistake at a place fixed beforehand. Gives undefined, so that a parser can `return refuse('…')`. */
export type Refuse = (message: string, hint?: string) => undefined;

/** Makes the `Refuse` for a place. */
export type Note = (place: Place) => Refuse;

/** Gives the `Refuse` for a place: the value at a path, or the key it stands under. */
export type RefuseAt = (path: Path, part?: 'key' | 'value') => Refuse;

/** A line of the user's own text with a part of it marked. */
export interface Excerpt {
  readonly text: string;
  /** Where the marked part starts, from 0. */
  readonly start: number;
  readonly length: number;
}

export interface Place {
  /** A file name as the user gave it, or `--port`, `GBP_PORT`, `argument 1`. */
  readonly file: string;
  /** From 1; undefined outside of files, and for a mistake that is about the file as a whole. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly excerpt: Excerpt | undefined;
}

/** One mistake in a configuration. */
export interface ConfigIssue extends Place {
  /** One sentence: what is wrong. */
  readonly message: string;
  /** What to write instead. */
  readonly hint: string | undefined;
}

/** Mistakes shown at once; nobody reads more. */
const MOST_SHOWN = 50;
const EXCERPT_COLUMNS = 110;

/** Collects mistakes from every source into one list. */
export function noteInto(issues: ConfigIssue[]): Note {
  return (place) => (message, hint) => {
    issues.push({ ...place, message: maskSecrets(message), hint: hint && maskSecrets(hint) });
    return undefined;
  };
}

/** In order of position, without repetitions; what has no line comes last, by its name. */
export function sortIssues(issues: readonly ConfigIssue[]): readonly ConfigIssue[] {
  const seen = new Set<string>();
  return issues
    .filter((issue) => {
      const mark = `${formatPlace(issue)} ${issue.message}`;
      return !seen.has(mark) && seen.add(mark);
    })
    .toSorted((a, b) => order(a.line, b.line) || order(a.column, b.column) || byName.compare(a.file, b.file));
}

/** `argument 9` comes before `argument 10`. */
const byName = new Intl.Collator('en', { numeric: true });

function order(a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  return (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY);
}

/** The mistakes as a text for a terminal, each with its place, its line, a marker under it, and what to do. */
export function formatIssues(issues: readonly ConfigIssue[]): string {
  const count = issues.length === 1 ? 'a mistake' : `${issues.length} mistakes`;
  const shown = issues.slice(0, MOST_SHOWN).map(formatIssue);
  if (issues.length > MOST_SHOWN) shown.push(`… and ${issues.length - MOST_SHOWN} more.`);
  return [`The configuration has ${count}:`, ...shown].join('\n\n');
}

function formatIssue(issue: ConfigIssue): string {
  const lines = [`${printable(formatPlace(issue))}: ${issue.message}`];
  if (issue.excerpt !== undefined) {
    const gutter = issue.line === undefined ? '' : String(issue.line);
    const { text, start, length } = cutToFit(issue.excerpt);
    lines.push(`  ${gutter} | ${text}`.trimEnd());
    lines.push(`  ${' '.repeat(gutter.length)} | ${' '.repeat(start)}${'^'.repeat(Math.max(1, length))}`);
  }
  if (issue.hint !== undefined) lines.push(`  ${issue.hint}`);
  return lines.join('\n');
}

function formatPlace(place: Place): string {
  return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
}

/** A long line is shown from a little before the marked part. Keeps one column a character, so that the marker fits. */
function cutToFit(excerpt: Excerpt): Excerpt {
  const text = printable(maskSecrets(excerpt.text));
  const from = text.length <= EXCERPT_COLUMNS ? 0 : Math.max(0, excerpt.start - EXCERPT_COLUMNS / 2);
  const to = Math.min(text.length, from + EXCERPT_COLUMNS);
  const head = from === 0 ? '' : '…';
  const tail = to === text.length ? '' : '…';
  const start = excerpt.start - from + head.length;
  return {
    text: head + text.slice(from, to) + tail,
    start,
    length: Math.min(excerpt.length, to - from + head.length - start),
  };
}

/** A text of the user's, in quotes, short and harmless enough to stand in a message. */
export function quote(text: string): string {
  return `"${printable(text.length > 60 ? `${text.slice(0, 60)}…` : text)}"`;
}

/** What a terminal would act on instead of show (control characters, direction marks) becomes U+FFFD. */
function printable(text: string): string {
  return text.replaceAll('\t', ' ').replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
}

/** What secrets look like, in a file that should hold none: what comes before, then the secret. */
const SECRETS: readonly RegExp[] = [
  /(:\/\/)([^/@\s]+)(?=@)/g,
  /([?&][^?=&\s#]{0,100}=)([^&\s#'"]+)/g,
  /(\b(?:Bearer|Basic)\s+)(\S+)/gi,
  /()(\beyJ[\w+/=-]+(?:\.[\w-]*)*|\bewog[\w+/=-]+|\bya29\.[\w.-]+|-----BEGIN.*)/g,
  /()(\b1\/\/0[\w-]+|\bAIza[\w-]{30,}|\bGOCSPX-[\w-]+)/g,
  // Where only the place of a secret belongs: anything long that isn't one.
  /(\b(?:key|from)["']?\s{0,20}:\s{0,20}["']?)((?!env:|file:|[$%~./\\]|[a-z]:[/\\])[^\s"',}]{24,})/gi,
  /((?:private_key|secret|password|refresh_token|access_token|id_token|api[-_ ]?key|auth-?token|authorization|cookie)(?:\\?["'])?\s{0,20}[:=]\s{0,20})((?!env:[A-Z][A-Z0-9_]*(?![\w-]))[^\s`].*)/gi,
];

/** A mistake may well be a secret in the wrong place, and messages end up in logs: stars instead, of the same length. */
function maskSecrets(text: string): string {
  return SECRETS.reduce(
    (masked, pattern) =>
      masked.replace(pattern, (_match, before: string, secret: string) => before + '*'.repeat(secret.length)),
    text,
  );
}
