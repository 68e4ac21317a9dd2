import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../support/cli.ts';

// What comes along with this package, and what goes out in it.

interface LockedPackage {
  readonly license?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;
const locked = Object.entries(
  (JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }).packages,
).filter(([path]) => path !== '');
/** What users get: everything that isn't for development alone. */
const production = locked.filter(([, { dev }]) => dev !== true);

const pathsOf = (packages: typeof locked): readonly string[] => packages.map(([path]) => path);

test('nothing of what users install runs a script when it is installed', () => {
  assert.ok(production.length > 20);
  assert.deepEqual(pathsOf(production.filter(([, one]) => one.hasInstallScript === true)), []);
  const installing = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'];
  assert.deepEqual(
    installing.filter((name) => name in manifest.scripts),
    [],
  );
});

test('what users install may be used by anybody for anything', () => {
  const permissive = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD'];
  const others = production.filter(([, { license = '' }]) => !permissive.includes(license));
  assert.deepEqual(
    others.map(([path, { license }]) => `${path}: ${license}`),
    [],
  );
});

test('users install few packages', () => {
  // A new one is a decision: docs/decisions/0006-dependencies.md says what each is for.
  assert.ok(production.length <= 75, `${production.length} packages`);
});

test('the lock file says what each package consists of, and not whose registry it comes from', () => {
  assert.deepEqual(pathsOf(locked.filter(([, one]) => one.link === true || one.resolved !== undefined)), []);
  assert.deepEqual(pathsOf(locked.filter(([, one]) => !one.integrity?.startsWith('sha512-'))), []);
  assert.match(read('.npmrc'), /^omit-lockfile-registry-resolved=true$/m);
});

test('each dependency is explained in decision 6, and comes from a registry', () => {
  const decision = read('docs/decisions/0006-dependencies.md');
  const names = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)];
  const unexplained = names.filter(
    (name) => !name.startsWith('@types/') && !decision.includes(`\`${name}\``),
  );
  assert.deepEqual(unexplained, []);
  const sources = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
  assert.deepEqual(
    sources.filter((source) => !/^(?:npm:[\w@/-]+@)?[~^]?\d/.test(source)),
    [],
  );
});

test('workflows run what was looked at, with no more rights than they need', () => {
  const folder = join('.github', 'workflows');
  for (const name of readdirSync(join(ROOT, folder))) {
    const text = read(join(folder, name));
    const uses = [...text.matchAll(/uses: *(\S+)/g)].map(([, action]) => action);
    assert.deepEqual(
      uses.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/.test(action ?? '')),
      [],
      name,
    );
    assert.match(text, /^permissions: \{\}$/m, name);
    assert.doesNotMatch(text, /: write-all|pull_request_target|secrets\./, name);
    const writes = [...text.matchAll(/^ *([\w-]+): write$/gm)].map(([, right]) => right);
    assert.deepEqual(writes, name === 'release.yml' ? ['id-token'] : [], name);
  }
});

test('the tarball holds the program, its schema, examples and papers, and nothing else', () => {
  const files = listTarball();
  for (const needed of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json', 'config/proxy.schema.json']) {
    assert.ok(files.includes(needed), needed);
  }
  const expected =
    /^(?:dist\/[\w/-]+\.(?:js|d\.ts)|config\/proxy\.schema\.json|(?:config\/examples\/[\w-]+|proxy\.example)\.yaml|README\.md|LICENSE|CHANGELOG\.md|package\.json)$/;
  assert.deepEqual(
    files.filter((file) => !expected.test(file)),
    [],
  );
});

/** What would be published now; `dist/` is in it only if it was built. */
function listTarball(): readonly string[] {
  // npm is a .cmd file on Windows, which only a shell starts.
  const shell = process.platform === 'win32';
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'];
  const said = execFileSync('npm', args, {
    cwd: ROOT,
    shell,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = Object.values(JSON.parse(said) as Record<string, { files: { path: string }[] }>);
  return (packed?.files ?? []).map(({ path }) => path);
}
