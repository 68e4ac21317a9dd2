import type { DraftFile } from './draft.ts';
import { explainKey } from './elsewhere.ts';
import { toCredentialKind } from './google-file.ts';
import type { Path } from './issues.ts';
import { quote } from './issues.ts';
import { nearest } from './nearest.ts';
import { findShapeIssues } from './schema.ts';

/** One thing of the wrong shape. */
export interface ShapeMistake {
  readonly path: Path;
  /** Whether the key itself is what is wrong. */
  readonly part: 'key' | 'value';
  readonly message: string;
  readonly hint: string | undefined;
}

/** The part of a Zod issue that is used here. */
interface ShapeIssue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  /** What would be right: see `schema.ts`. */
  readonly message: string;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly discriminator?: string | undefined;
  readonly errors?: readonly (readonly ShapeIssue[])[];
}

/** Finds everything of the wrong shape, and gives what is left when it is taken out, so that the rest can be checked, too. */
export function checkShape(value: unknown): { draft: DraftFile; mistakes: readonly ShapeMistake[] } {
  const issues = findShapeIssues(value).flatMap((issue) => innermost(issue));
  if (issues.length === 0 || issues.some((issue) => issue.path.length === 0 && issue.keys === undefined)) {
    const usable = issues.length === 0 ? value : {};
    return { draft: usable as DraftFile, mistakes: issues.flatMap((issue) => describeIssue(issue, value)) };
  }
  const left = structuredClone(value);
  for (const issue of issues) cutOut(left, issue);
  const mistakes = issues.flatMap((issue) => describeIssue(issue, value));
  // Zod has looked at all that is left and found nothing wrong with it.
  return {
    draft: left as DraftFile,
    mistakes: mistakes.filter((mistake) => !isExplained(mistake, mistakes)),
  };
}

/** Of a union's failures, those of the one alternative that was meant, if that can be told. */
function innermost(issue: ShapeIssue): readonly ShapeIssue[] {
  const meant = (issue.errors ?? []).filter((failures) =>
    // An unknown key is found by looking into a map, so a map is what was meant.
    failures.every((failure) => failure.path.length > 0 || failure.keys !== undefined),
  );
  if (meant.length !== 1 || meant[0] === undefined) return [issue];
  return meant[0].flatMap((inner) => innermost({ ...inner, path: [...issue.path, ...inner.path] }));
}

function cutOut(root: unknown, issue: ShapeIssue): void {
  if (issue.keys !== undefined) {
    for (const key of issue.keys) remove(root, [...issue.path, key]);
  } else {
    // Without a known kind nothing is known about the rest of the map.
    remove(root, issue.discriminator === undefined ? issue.path : issue.path.slice(0, -1));
  }
}

function remove(root: unknown, path: readonly PropertyKey[]): void {
  const parent = valueAt(root, path.slice(0, -1));
  const last = path.at(-1);
  if (typeof parent !== 'object' || parent === null || last === undefined) return;
  if (Array.isArray(parent)) parent[Number(last)] = undefined;
  else Reflect.set(parent, last, undefined);
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? Reflect.get(value, key)
        : undefined,
    root,
  );
}

function describeIssue(issue: ShapeIssue, root: unknown): readonly ShapeMistake[] {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  if (issue.keys !== undefined) return issue.keys.map((key) => describeUnknownKey(path, key, issue.message));
  return [{ path, part: 'value', ...describeValue(issue, path, valueAt(root, path)) }];
}

function describeUnknownKey(path: Path, key: string, allowed: string): ShapeMistake {
  const names = allowed.split(', ');
  const meant = nearest(key, names);
  const advice = meant === undefined ? explainKey(path, key, names) : `Did you mean \`${meant}\`?`;
  return {
    path: [...path, key],
    part: 'key',
    message: `There is no setting ${quote(key)} here.`,
    hint: [advice, `There are: ${allowed}.`].filter((part) => part !== undefined).join(' '),
  };
}

function describeValue(
  issue: ShapeIssue,
  path: Path,
  value: unknown,
): { message: string; hint: string | undefined } {
  const name = nameOf(path);
  const expected = issue.options === undefined ? issue.message : `one of ${issue.options.join(', ')}`;
  if (path.length === 0 && (value === null || value === undefined)) {
    return {
      message: 'The file is empty.',
      hint: 'The least it needs: `routes: [{ path: /, upstream: https://… }]`.',
    };
  }
  if (value === undefined) return { message: `${name} is missing.`, hint: `It is ${expected}.` };
  if (value === null) return { message: `${name} has no value.`, hint: `It is ${expected}.` };
  const meant = typeof value === 'string' ? findMeant(value, issue) : undefined;
  return {
    message: `${name} has to be ${expected}; this is ${isSecretPlace(path) ? `a ${typeof value}` : describe(value)}.`,
    hint: meant === undefined ? undefined : `Did you mean \`${meant}\`?`,
  };
}

/** Whether a number there may be the secret itself, which is not to be shown. */
function isSecretPlace(path: Path): boolean {
  return path.at(-1) === 'clientSecret';
}

function nameOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return 'The file';
  return typeof last === 'number' ? `Item ${last + 1} of \`${path.at(-2)}\`` : `\`${printableKey(last)}\``;
}

function printableKey(key: string): string {
  return quote(key).slice(1, -1);
}

/** The value that a word stands for: the nearest, one that the word goes on from, or what Google calls so. */
function findMeant(word: string, issue: ShapeIssue): string | undefined {
  const nested = (issue.errors ?? []).flat().flatMap((inner) => inner.values ?? []);
  const values = [...(issue.values ?? issue.options ?? []), ...nested].filter(
    (value) => typeof value === 'string',
  );
  const meant = nearest(word, values) ?? values.find((value) => word.startsWith(value));
  return meant ?? values.find((value) => value === toCredentialKind(word));
}

function describe(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty text' : quote(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'object' ? 'a map' : String(value);
}

/** A setting isn't missing where it is only mistyped. */
function isExplained(mistake: ShapeMistake, all: readonly ShapeMistake[]): boolean {
  if (!mistake.message.endsWith(' is missing.')) return false;
  const setting = mistake.path.at(-1);
  const parent = JSON.stringify(mistake.path.slice(0, -1));
  return all.some(
    (other) =>
      other.part === 'key' &&
      JSON.stringify(other.path.slice(0, -1)) === parent &&
      (other.hint?.startsWith(`Did you mean \`${setting}\``) ||
        other.hint?.startsWith(`It is called \`${setting}\``)),
  );
}
