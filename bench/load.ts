import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pin } from './cores.ts';

const run = promisify(execFile);

export const CONNECTIONS = 64;

/** What one round of load saw. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What makes the load here: `wrk` where it is installed. */
export const loadGenerator: 'wrk' | 'built in' =
  spawnSync('wrk', ['-v']).error === undefined ? 'wrk' : 'built in';

/** Sends as many requests as 64 connections carry in whole `seconds`. Throws when any of them isn't answered with 200. */
export async function sendLoad(url: string, seconds: number, core: number | undefined): Promise<LoadResult> {
  return loadGenerator === 'wrk' ? sendWithWrk(url, seconds, core) : sendBuiltIn(url, seconds, core);
}

async function sendBuiltIn(url: string, seconds: number, core: number | undefined): Promise<LoadResult> {
  const program = join(import.meta.dirname, 'programs', 'load.ts');
  const args = [url, String(CONNECTIONS), String(seconds)];
  const [file = '', ...rest] = pin(core, [process.execPath, program, ...args]);
  return JSON.parse((await run(file, rest)).stdout);
}

async function sendWithWrk(url: string, seconds: number, core: number | undefined): Promise<LoadResult> {
  const args = [
    '--threads',
    '1',
    '--connections',
    `${CONNECTIONS}`,
    '--duration',
    `${seconds}s`,
    '--latency',
  ];
  const [file = '', ...rest] = pin(core, ['wrk', ...args, url]);
  const { stdout } = await run(file, rest);
  const trouble = /^\s*(Non-2xx|Socket errors).*$/m.exec(stdout);
  if (trouble !== null) throw new Error(`wrk at ${url}: ${trouble[0].trim()}`);
  const [, requests, duration = ''] = /(\d+) requests in ([\d.]+\w+)/.exec(stdout) ?? [];
  return {
    requests: Number(requests),
    seconds: toMs(duration) / 1000,
    p50Ms: toMs(/^\s*50%\s+(\S+)/m.exec(stdout)?.[1] ?? ''),
    p99Ms: toMs(/^\s*99%\s+(\S+)/m.exec(stdout)?.[1] ?? ''),
  };
}

/** wrk writes `812.00us`, `1.63ms`, `2.10s`, `1.00m`. */
function toMs(text: string): number {
  const [, amount, unit = ''] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  return Number(amount) * ({ us: 0.001, ms: 1, s: 1000, m: 60_000 }[unit] ?? Number.NaN);
}
