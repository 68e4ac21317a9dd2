import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '../support/cli.ts';
import type { ReadyLine } from '../support/stack.ts';
import { readImageCommand, readRepositoryFile, readYaml } from './manifests.ts';

// The Dockerfile, step by step, without Docker: what it copies is copied, what it runs is run, and what comes out is
// started as the image's user, who may write nowhere. What this doesn't see: the two base images, and the engine.

const run = promisify(execFile);
const IMAGE_USER = 65_532;
/** Only root can become somebody else. */
const isRoot = process.getuid?.() === 0;

const work = mkdtempSync(join(tmpdir(), 'gbp-image-'));
const stages = { build: join(work, 'build'), image: join(work, 'image') };
const program = join(stages.image, 'nodejs', 'bin', 'node');
after(() => rm(work));

function rm(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** A place in a stage, as the Dockerfile names it. */
function place(stage: keyof typeof stages, folder: string, name: string): string {
  return join(stages[stage], resolve('/', folder, name));
}

before(
  async () => {
    let stage: keyof typeof stages = 'build';
    let folder = '/';
    const lines = readRepositoryFile('deploy/Dockerfile').replaceAll('\\\n', ' ').split('\n');
    for (const line of lines) {
      const [instruction = '', ...words] = line.split(/\s+/);
      if (instruction === 'FROM') {
        stage = words.includes('AS') ? 'build' : 'image';
        mkdirSync(stages[stage]);
      } else if (instruction === 'WORKDIR') {
        folder = words[0] ?? '';
        mkdirSync(place(stage, folder, ''), { recursive: true });
      } else if (instruction === 'COPY') {
        const isStage = words[0] === '--from=build';
        const [target = '', ...sources] = words.slice(isStage ? 1 : 0).toReversed();
        for (const source of sources) {
          const from = isStage ? place('build', '/', source) : join(ROOT, source);
          // What ends with a slash is a folder to copy into.
          const to = place(stage, folder, target.endsWith('/') ? join(target, source) : target);
          cpSync(from, to, { recursive: true, verbatimSymlinks: true });
        }
      } else if (instruction === 'RUN') {
        const { PATH } = process.env;
        const env = {
          ...process.env,
          npm_config_prefer_offline: 'true',
          PATH: `${dirname(process.execPath)}${delimiter}${PATH}`,
        };
        await run('sh', ['-c', line.slice('RUN '.length)], { cwd: place(stage, folder, ''), env });
      }
    }
    // In place of the base image.
    mkdirSync(dirname(program), { recursive: true });
    cpSync(process.execPath, program);
    for (const path of [work, stages.image]) chmodSync(path, 0o755);
  },
  { timeout: 200_000 },
);

interface StartOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the entrypoint as the image's user, with nothing in its environment and nowhere to write. */
function start({ args, env = {} }: StartOptions): ChildProcess {
  const [entry, ...rest] = readImageCommand('ENTRYPOINT');
  assert.equal(entry, '/nodejs/bin/node');
  return spawn(program, [...rest.map((word) => join(stages.image, word)), ...args], {
    cwd: place('image', '/etc/gcp-bearer-proxy', ''),
    env: {
      NODE_ENV: 'production',
      TMPDIR: '/nonexistent',
      HOME: '/nonexistent',
      GBP_ADMIN: '127.0.0.1:0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(isRoot && { uid: IMAGE_USER, gid: IMAGE_USER }),
  });
}

async function readReady(child: ChildProcess): Promise<ReadyLine> {
  const [lines, ended] = [createInterface({ input: child.stdout ?? process.stdin }), once(child, 'exit')];
  const failed = ended.then(([code]) => Promise.reject(new Error(`it ended with ${code}`)));
  const [line] = await Promise.race([once(lines, 'line'), failed]);
  failed.catch(() => {});
  return JSON.parse(line);
}

test('the image holds the program, what it needs, and nothing of what made it', () => {
  const app = place('image', '/app', '');
  const read = createRequire(import.meta.url);
  const { dependencies, devDependencies } = read(join(ROOT, 'package.json'));
  const { packages } = read(join(ROOT, 'package-lock.json'));
  for (const name of Object.keys(dependencies)) assert.ok(existsSync(join(app, 'node_modules', name)), name);
  for (const name of Object.keys(devDependencies)) {
    // What is tested with may be what something else needs.
    const { dev = false } = packages[`node_modules/${name}`];
    assert.equal(existsSync(join(app, 'node_modules', name)), !dev, name);
  }
  assert.deepEqual(globSync('*', { cwd: app }).toSorted(), [
    'LICENSE',
    'dist',
    'node_modules',
    'package.json',
  ]);
  assert.deepEqual(globSync('dist/**/*.ts', { cwd: app, exclude: ['**/*.d.ts'] }), []);
  assert.deepEqual(globSync('node_modules/**/*.node', { cwd: app }), [], 'nothing made for another system');
});

test('it runs as a user who may write nowhere, answers its health check, and stops when it is told', async () => {
  if (!isRoot) console.error('\n*** NOT TRIED: another user; only root can become one.\n');
  if (isRoot) assert.equal(statSync(place('image', '/app', 'dist/cli.js')).uid, 0);
  const child = start({ args: ['start', '/hello=emulator:hello', '--port', '0', '--json-ready'] });
  const { url, adminUrl } = await readReady(child);
  const health = readImageCommand('HEALTHCHECK').map((word) =>
    word.replace(':9901/', `:${new URL(adminUrl ?? '').port}/`),
  );
  const check = (): Promise<unknown> => run(program, health.slice(1));
  try {
    assert.equal((await fetch(`${url}/hello`)).status, 200);
    await check();
  } finally {
    child.kill();
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, null, 'it ended by itself');
  await assert.rejects(check());
});

test('R1: on 0.0.0.0 it does not start without a client secret, and answers nobody who lacks it', async () => {
  const args = ['start', '/hello=emulator:hello', '--json-ready'];
  const refused = start({ args, env: { GBP_LISTEN: '0.0.0.0:0' } });
  assert.deepEqual((await once(refused, 'exit'))[0], 3);

  const secret = 'a-secret-of-some-length';
  const child = start({ args, env: { GBP_LISTEN: '0.0.0.0:0', GBP_CLIENT_SECRET: secret } });
  try {
    const { addresses } = await readReady(child);
    const url = `http://127.0.0.1:${new URL(addresses[0] ?? '').port}/hello`;
    assert.equal((await fetch(url)).status, 401);
    assert.equal((await fetch(url, { headers: { Authorization: `Bearer ${secret}` } })).status, 200);
  } finally {
    child.kill();
  }
});

interface Action {
  readonly runs: { readonly steps: readonly { readonly run: string }[] };
}

test("the action's scripts run as they are, once npm has installed the package of the action's version", async () => {
  const [folder, bin] = [join(work, 'runner'), join(work, 'bin')];
  const installed = join(folder, 'gcp-bearer-proxy', 'node_modules', 'gcp-bearer-proxy');
  for (const path of [bin, installed]) mkdirSync(path, { recursive: true });
  // In place of npm, which finds no package that isn't published yet.
  cpSync(place('image', '/app', ''), installed, { recursive: true });
  writeFileSync(join(bin, 'npm'), '#!/bin/sh\nprintf "%s\\n" "$@" >"$RUNNER_TEMP/npm"\n', { mode: 0o755 });
  const env = {
    PATH: [bin, dirname(process.execPath), process.env.PATH].join(delimiter),
    RUNNER_TEMP: folder,
    GITHUB_ACTION_PATH: ROOT,
    GITHUB_OUTPUT: join(folder, 'output'),
    GBP_ADMIN: '127.0.0.1:0',
    INPUT_ROUTES: '/hello=emulator:hello',
  };
  const [action] = readYaml<Action>('action.yml');
  for (const { run: script } of action?.runs.steps ?? []) {
    await run('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], { env });
  }
  const outputs = readFileSync(env.GITHUB_OUTPUT, 'utf8');
  const find = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(outputs)?.[1] ?? '';
  try {
    assert.equal((await fetch(`${find('url')}/hello`)).status, 200);
  } finally {
    process.kill(Number(find('pid')));
  }
  const { version } = JSON.parse(readRepositoryFile('package.json'));
  assert.equal(
    readFileSync(join(folder, 'npm'), 'utf8').trimEnd().split('\n').at(-1),
    `gcp-bearer-proxy@${version}`,
  );
});
