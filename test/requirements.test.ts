import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './support/cli.ts';

// What has to be true is numbered, R1 to R70; tests name what they hold: 'R17: …', 'R5 R6: …'.

const MOST = 70;

/** Every file under `test/` with the requirements that texts in it begin with, as `test/gate/gate.test.ts`. */
const NAMED: ReadonlyMap<string, ReadonlySet<number>> = new Map(
  readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const text = readFileSync(join(ROOT, 'test', file), 'utf8');
      const begins = [...text.matchAll(/['"`]((?:R\d+(?:, | ))*R\d+)\b/g)];
      const numbers = begins.flatMap(([, names = '']) =>
        names.split(/, | /).map((name) => Number(name.slice(1))),
      );
      return [`test/${file.split(sep).join('/')}`, new Set(numbers)];
    }),
);

interface Row {
  readonly requirement: number;
  /** Files and folders (with a slash at the end) as they are written. */
  readonly heldBy: readonly string[];
}

const SECURITY = readFileSync(join(ROOT, 'docs', 'security.md'), 'utf8');
const ROWS: readonly Row[] = [...SECURITY.matchAll(/^\| R(\d+) \|.*\|([^|]*)\|$/gm)].map(
  ([, number, cell = '']) => ({
    requirement: Number(number),
    heldBy: [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path),
  }),
);

test('every requirement is named by a test, and no other is', () => {
  const named = new Set([...NAMED.values()].flatMap((numbers) => [...numbers]));
  const all = Array.from({ length: MOST }, (_, index) => index + 1);
  assert.deepEqual(
    all.filter((one) => !named.has(one)).map((one) => `R${one}`),
    [],
    'named by no test',
  );
  assert.deepEqual(
    [...named].filter((one) => !all.includes(one)).map((one) => `R${one}`),
    [],
    'named, and not there',
  );
});

test('docs/security.md has R1 to R39 once each, in order', () => {
  assert.deepEqual(
    ROWS.map(({ requirement }) => requirement),
    Array.from({ length: 39 }, (_, index) => index + 1),
  );
});

test('what docs/security.md says holds a requirement is there and names it', () => {
  const wrong = ROWS.flatMap(({ requirement, heldBy }) => {
    if (heldBy.length === 0) return [`R${requirement}: held by nothing`];
    const names = (path: string): boolean =>
      [...NAMED].some(
        ([file, numbers]) =>
          (path.endsWith('/') ? file.startsWith(path) : file === path) && numbers.has(requirement),
      );
    return heldBy.filter((path) => !names(path)).map((path) => `R${requirement}: ${path}`);
  });
  assert.deepEqual(wrong, []);
});

test('every path in docs/security.md is there', () => {
  const paths = [...SECURITY.matchAll(/`((?:test|src|docs|\.github)\/[\w./-]*|[A-Z]+\.md)`/g)];
  assert.ok(paths.length > 80);
  const missing = paths.flatMap(([, path = '']) => {
    const full = join(ROOT, path);
    return existsSync(full) && statSync(full).isDirectory() === path.endsWith('/') ? [] : [path];
  });
  assert.deepEqual([...new Set(missing)], []);
});
