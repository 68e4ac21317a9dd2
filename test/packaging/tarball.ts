/**
 * Packs this package, installs the tarball into an empty project, and uses it there as a stranger would. Run it as
 * `node test/packaging/tarball.ts`; everything runs on that same Node. It isn't part of `npm test`, because the install
 * needs a package registry.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const NAME = 'gcp-bearer-proxy';
const root = join(import.meta.dirname, '..', '..');
const workFolder = mkdtempSync(join(tmpdir(), 'tarball-'));
const project = join(workFolder, 'project');
const installed = join(project, 'node_modules', NAME);

try {
  step('packs', pack);
  step('installs into an empty project', install);
  step('holds everything its manifest points at, and no TypeScript sources', checkFiles);
  step('can be imported', checkImport);
  step('can be type-checked against', checkTypes);
  step('prints its version through npx', checkVersion);
  await checkStart();
  await checkStart('--workers', '2');
  console.log(
    `ok: starts and answers, with workers too\nThe package works on Node ${process.versions.node}.`,
  );
} finally {
  rmSync(workFolder, { recursive: true, maxRetries: 5 });
}

function step(sentence: string, run: () => void): void {
  run();
  console.log(`ok: ${sentence}`);
}

function pack(): void {
  npm(root, 'pack', '--pack-destination', workFolder);
}

function install(): void {
  mkdirSync(project);
  npm(project, 'init', '--yes');
  const [tarball = ''] = globSync('*.tgz', { cwd: workFolder });
  npm(project, 'install', '--no-audit', '--no-fund', join(workFolder, tarball));
}

function checkFiles(): void {
  const { bin, exports } = readManifest();
  const targets = [bin, exports].flatMap(toStrings);
  assert.ok(targets.length > 0);
  for (const target of targets) assert.ok(existsSync(join(installed, target)), `${target} is missing`);
  const sources = globSync('**/*.ts', { cwd: installed, exclude: ['node_modules/**', '**/*.d.ts'] });
  assert.deepEqual(sources, []);
}

function checkImport(): void {
  const program = `console.log(Object.keys(await import('${NAME}')).length)`;
  assert.ok(Number(node('--input-type=module', '--eval', program)) > 0);
}

function checkTypes(): void {
  writeFileSync(
    join(project, 'program.mts'),
    `import * as proxy from '${NAME}';\nexport type Names = keyof typeof proxy;\n`,
  );
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node'];
  node(compiler, '--noEmit', '--strict', '--module', 'nodenext', ...types, 'program.mts');
}

function checkVersion(): void {
  assert.match(run('npx', project, NAME, '--version'), new RegExp(`^${readManifest().version}$`, 'm'));
}

async function checkStart(...flags: readonly string[]): Promise<void> {
  writeFileSync(join(project, 'proxy.yaml'), 'routes:\n  - path: /hello\n    upstream: emulator:hello\n');
  const args = ['start', '--config', 'proxy.yaml', '--port', '0', '--json-ready', ...flags];
  const proxy = spawn(process.execPath, [join(installed, toStrings(readManifest().bin)[0] ?? ''), ...args], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const ended = once(proxy, 'exit').then(([code]) => Promise.reject(new Error(`start ended with ${code}`)));
    const [line] = await Promise.race([once(createInterface({ input: proxy.stdout }), 'line'), ended]);
    const { url } = JSON.parse(line);
    const hello = await fetch(`${url}/hello`);
    assert.equal(hello.status, 200, await hello.text());
    const nowhere = await fetch(`${url}/nowhere`);
    assert.equal(nowhere.status, 404, await nowhere.text());
  } finally {
    proxy.kill();
    if (proxy.exitCode === null && proxy.signalCode === null) await once(proxy, 'exit');
  }
}

function readManifest() {
  return JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
}

/** Every string at the leaves of a JSON value. */
function toStrings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(toStrings) : [];
}

function node(...args: string[]): string {
  return run(process.execPath, project, ...args);
}

function npm(folder: string, ...args: string[]): void {
  run('npm', folder, ...args);
}

/** Runs a command with this Node first in the path; its output is shown only when it fails. */
function run(command: string, cwd: string, ...args: string[]): string {
  // npm and npx are .cmd files on Windows, which only a shell starts.
  const shell = process.platform === 'win32' && !command.endsWith('.exe');
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
  try {
    return execFileSync(command, args, {
      cwd,
      env,
      shell,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    if (error instanceof Error && 'stdout' in error) console.error(`${error.stdout}`);
    throw error;
  }
}
