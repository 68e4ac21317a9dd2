import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isSupportedNode } from '../src/node-version.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Every source file, as `src/relay/decide.ts`. */
const FILES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `src/${file.split(sep).join('/')}`);

interface Import {
  readonly from: string;
  /** A path such as `src/errors.ts`, or a package's name. */
  readonly to: string;
  readonly isTypeOnly: boolean;
}

const IMPORTS: readonly Import[] = FILES.flatMap((from) => {
  const text = readFileSync(join(ROOT, from), 'utf8');
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)|^import\s+'([^']+)'/gm,
  );
  return [...statements].map((match) => {
    const specifier = match[2] ?? match[3] ?? match[4] ?? '';
    const to = specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier;
    return { from, to, isTypeOnly: match[1] !== undefined };
  });
});

/** The files every room may build on. */
const GROUND = ['errors.ts', 'clock.ts', 'loopback.ts', 'forward-proxy.ts', 'own-path.ts', 'trust.ts'];

/** The room a source file is in: its folder under `src`, or `top` for the files beside the folders. */
function roomOf(file: string): string {
  const [, room = '', inside] = file.split('/');
  return inside === undefined ? (GROUND.includes(room) ? 'ground' : 'top') : room;
}

/** For each room, the rooms it may import from. `types` may be imported by `import type` only. */
const MAY_IMPORT: Readonly<
  Record<string, { readonly code: readonly string[]; readonly types: readonly string[] }>
> = {
  ground: { code: [], types: [] },
  config: { code: ['ground'], types: [] },
  gate: { code: ['ground'], types: ['config'] },
  routing: { code: ['ground'], types: [] },
  auth: { code: ['ground'], types: ['config'] },
  observe: { code: ['ground'], types: [] },
  emulator: { code: ['ground'], types: [] },
  relay: { code: ['ground', 'gate', 'routing', 'auth', 'observe'], types: ['config'] },
  check: { code: ['ground', 'routing', 'auth', 'relay'], types: [] },
  discovery: { code: ['ground', 'auth', 'relay'], types: [] },
  export: { code: ['ground'], types: ['config'] },
  workers: { code: ['ground', 'auth', 'relay'], types: ['config', 'gate', 'observe'] },
  admin: { code: ['ground', 'relay', 'observe'], types: ['auth', 'config', 'gate'] },
  commands: {
    code: ['ground', 'config', 'auth', 'observe', 'emulator', 'check', 'discovery', 'export', 'top'],
    types: ['workers'],
  },
  'command-line': { code: ['ground', 'config', 'observe', 'commands', 'workers', 'top'], types: [] },
};

test('rooms import only from the rooms below them', () => {
  const wrong = IMPORTS.filter(({ from, to, isTypeOnly }) => {
    if (!to.startsWith('src/')) return false;
    const [room, target] = [roomOf(from), roomOf(to)];
    if (room === target || room === 'top') return false;
    const allowed = MAY_IMPORT[room];
    assert.ok(allowed, `${from} is in a room this test doesn't know: ${room}`);
    return !allowed.code.includes(target) && !(isTypeOnly && allowed.types.includes(target));
  });
  assert.deepEqual(wrong, []);
});

test('every import leads to a file that is there', () => {
  const missing = IMPORTS.filter(({ to }) => to.startsWith('src/') && !FILES.includes(to));
  assert.deepEqual(missing, []);
});

test('each third-party package is imported by exactly one file', () => {
  const importers = new Map<string, Set<string>>();
  for (const { from, to, isTypeOnly } of IMPORTS) {
    if (to.startsWith('src/') || to.startsWith('node:') || isTypeOnly) continue;
    const name = to
      .split('/')
      .slice(0, to.startsWith('@') ? 2 : 1)
      .join('/');
    importers.set(name, (importers.get(name) ?? new Set()).add(from));
  }
  for (const [name, files] of importers)
    assert.equal(files.size, 1, `${name} is imported by ${[...files].join(', ')}`);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const named = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  assert.deepEqual([...importers.keys()].sort(), named.sort());
});

test('only the command line ends the process', () => {
  const callers = FILES.filter((file) => readFileSync(join(ROOT, file), 'utf8').includes('process.exit('));
  assert.deepEqual(callers.sort(), [
    'src/command-line/guard.ts',
    'src/command-line/main.ts',
    'src/command-line/worker.ts',
  ]);
});

test('the Node versions taken at run time are those of engines', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.equal(manifest.engines.node, '^22.19.0 || ^24.11.0 || >=26.0.0');
  for (const version of ['22.19.0', 'v22.30.1', '24.11.0', '24.99.0', '26.0.0', '27.1.0', '100.0.0']) {
    assert.equal(isSupportedNode(version), true, version);
  }
  for (const version of ['18.20.0', '20.20.2', '22.18.9', '23.11.0', '24.10.9', '25.0.0']) {
    assert.equal(isSupportedNode(version), false, version);
  }
});

test('paths named in the documents are there', () => {
  for (const document of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/architecture.md']) {
    const text = readFileSync(join(ROOT, document), 'utf8');
    for (const [, path = ''] of text.matchAll(
      /`((?:src|test|docs|config|bench|\.ci|\.github)\/[\w./-]*)`/g,
    )) {
      const parent = readdirSync(join(ROOT, dirname(path)));
      assert.ok(
        parent.includes(path.replace(/\/$/, '').split('/').at(-1) ?? ''),
        `${document} names ${path}`,
      );
    }
  }
});
