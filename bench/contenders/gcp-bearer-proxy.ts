import { createReadStream, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPinned } from '../pinned-process.ts';
import type { Stage } from '../stage.ts';
import type { RunningContender } from './contender.ts';

/** The built command line, as it is published. */
export const cliFile: string = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');

/** Starts our proxy without a request log, as its rivals have none. */
export function startQuiet(
  upstreamUrl: string,
  stage: Stage,
  flags: readonly string[] = [],
): Promise<RunningContender> {
  return start(upstreamUrl, stage, ['--quiet', ...flags]);
}

/** Starts our proxy with its JSON access log in a file; afterwards the file must hold a line for every request. */
export async function startLogging(upstreamUrl: string, stage: Stage): Promise<RunningContender> {
  const logFile = join(stage.createFolder('log'), 'access.log');
  return {
    ...(await start(upstreamUrl, stage, [], openSync(logFile, 'w'))),
    async audit(requests) {
      const lines = await countLines(logFile);
      if (lines < requests)
        throw new Error(`${requests} requests, but only ${lines} lines in the access log`);
    },
  };
}

async function start(
  upstreamUrl: string,
  stage: Stage,
  flags: readonly string[],
  stderrFd?: number,
): Promise<RunningContender> {
  const command = await toStartCommand(upstreamUrl, stage, ['--port', '0', '--json-ready', ...flags]);
  const proxy = startPinned(command, { core: stage.cores?.contender, stderrFd });
  const { url } = JSON.parse(await proxy.firstLine());
  // It listens on both loopback families; everyone else here on IPv4 only.
  return { url: `http://127.0.0.1:${new URL(url).port}`, process: proxy };
}

/** The command that starts it with one route and an ID token from a service account's key file. */
export async function toStartCommand(
  upstreamUrl: string,
  stage: Stage,
  flags: readonly string[],
): Promise<readonly string[]> {
  const configFile = join(stage.createFolder('gcp-bearer-proxy'), 'proxy.yaml');
  writeFileSync(configFile, toConfig(upstreamUrl, await stage.keyFile()));
  return [process.execPath, cliFile, 'start', '--config', configFile, ...flags];
}

function toConfig(upstreamUrl: string, keyFile: string): string {
  return `admin: false
credentials:
  default: { kind: key-file, path: ${JSON.stringify(keyFile)} }
routes:
  - path: /
    upstream: ${upstreamUrl}
`;
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const chunk of createReadStream(file, 'latin1')) lines += chunk.split('\n').length - 1;
  return lines;
}
