import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLError,
} from 'yaml';
import type { DraftFile } from './draft.ts';
import { explainYaml } from './explain-yaml.ts';
import { explainGoogleFile, typeOfGoogleFile } from './google-file.ts';
import { type ConfigIssue, noteInto, type Path, type Place, type RefuseAt } from './issues.ts';
import { checkShape } from './shape.ts';

/** A configuration file read, its shape checked, its values not yet understood. */
export interface ConfigDocument {
  readonly draft: DraftFile;
  /** For what turns out to be wrong with the values. */
  readonly refuseAt: RefuseAt;
}

/** Enough for anchors somebody wrote by hand; stops texts that unfold to gigabytes. */
const MOST_ALIASES = 100;

/**
 * Reads YAML 1.2 (so JSON, too) into a draft and a way to point at each part of it. What is wrong goes into `issues`.
 * @param name the file's name for messages
 */
export function parseConfigText(text: string, name: string, issues: ConfigIssue[]): ConfigDocument {
  const note = noteInto(issues);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    resolveKnownTags: false,
    merge: false,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'error',
    lineCounter: lines,
  });
  const placeOf = (range: Range | undefined): Place =>
    range === undefined
      ? { file: name, line: undefined, column: undefined, excerpt: undefined }
      : toPlace(text, name, lines, range);
  const refuseAt: RefuseAt = (path, part = 'value') => note(placeOf(findRange(document, path, part)));
  const refuseWhole = note(placeOf(undefined));

  let broken = false;
  for (const error of [...firstOfEachLine(document.errors, lines), ...document.warnings]) {
    // What a broken text seems to say is not worth a message; these two leave it readable.
    if (error.code !== 'DUPLICATE_KEY' && error.code !== 'TAG_RESOLVE_FAILED') broken = true;
    const [start] = error.pos;
    const word = /^[^\s:,[\]{}]*/.exec(text.slice(start, start + 100))?.[0] ?? '';
    note(placeOf([start, start + word.length]))(...explainYaml(error, word));
  }
  if (broken) return { draft: {}, refuseAt };

  // Zod looks at no such key in a map with free names, so what it holds would get through unseen.
  const refuseProto = (key: unknown, child: unknown): unknown =>
    key === '__proto__' ? refuseWhole('"__proto__" can\'t be a name here.') : child;
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MOST_ALIASES, reviver: refuseProto });
  } catch (error) {
    refuseWhole(`The aliases (*name) can't be resolved: ${error instanceof Error ? error.message : error}.`);
    return { draft: {}, refuseAt };
  }
  const type = typeOfGoogleFile(value);
  if (type !== undefined) {
    refuseWhole(
      `This is one of Google's credential files (${type}), not a configuration.`,
      explainGoogleFile(type, name),
    );
    return { draft: {}, refuseAt };
  }
  const { draft, mistakes } = checkShape(value);
  for (const { path, part, message, hint } of mistakes) refuseAt(path, part)(message, hint);
  return { draft, refuseAt };
}

/** What follows on the same line is mostly a guess. */
function firstOfEachLine(errors: readonly YAMLError[], lines: LineCounter): readonly YAMLError[] {
  const seen = new Set<number>();
  return errors.filter((error) => {
    const { line } = lines.linePos(error.pos[0]);
    return !seen.has(line) && seen.add(line);
  });
}

/** Offsets into the text. */
type Range = readonly [start: number, end: number];

/** Where a path's key or value stands. For what is missing, the start of the map it is missing from. */
function findRange(document: Document, path: Path, part: 'key' | 'value'): Range | undefined {
  let key: unknown;
  let node: unknown = document.contents;
  for (const segment of path) {
    const parent = isAlias(node) ? node.resolve(document) : node;
    if (isSeq(parent)) {
      key = undefined;
      node = parent.items[Number(segment)];
      continue;
    }
    const pair = isMap(parent) ? parent.items.find((item) => hasKey(item, segment)) : undefined;
    if (pair === undefined) return startOf(parent) ?? rangeOf(key);
    ({ key, value: node } = pair);
  }
  if (part === 'key') return rangeOf(key) ?? startOf(node);
  return startOf(node) ?? rangeOf(key);
}

function hasKey(pair: Pair, segment: string | number): boolean {
  return isScalar(pair.key) && String(pair.key.value ?? '') === String(segment);
}

/** A scalar as a whole; of a map its first key, of a list its first item. */
function startOf(node: unknown): Range | undefined {
  if (isMap(node) && node.items[0] !== undefined && !node.flow) return rangeOf(node.items[0].key);
  return rangeOf(node);
}

/** Undefined for nothing at all, such as the value of `upstream:`. */
function rangeOf(node: unknown): Range | undefined {
  const range = isNode(node) ? node.range : undefined;
  return range && range[1] > range[0] ? [range[0], range[1]] : undefined;
}

function toPlace(text: string, file: string, lines: LineCounter, [start, end]: Range): Place {
  const { line, col: column } = lines.linePos(start);
  const from = column - 1;
  const rest = /^[^\r\n]*/.exec(text.slice(start))?.[0] ?? '';
  const lineText = text.slice(start - from, start) + rest;
  return {
    file,
    line,
    column,
    excerpt: { text: lineText, start: from, length: Math.min(end - start, rest.length) },
  };
}
