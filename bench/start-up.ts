import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliFile } from './contenders/gcp-bearer-proxy.ts';
import { pin } from './cores.ts';
import { median } from './figures.ts';
import { startPinned } from './pinned-process.ts';
import { findFreePort, untilAccepting } from './port.ts';
import type { Stage } from './stage.ts';

const GIVE_UP_MS = 20_000;

/** How long our proxy takes to start, next to the runtime alone. */
export interface StartUp {
  readonly label: string;
  /** Process start to the first accepted connection. */
  readonly acceptingMs: number;
  /** Process start to the first whole answer of the service behind. */
  readonly answeredMs: number;
  /** `node -e 0` of the same node: process start to its end. */
  readonly nodeMs: number;
  /** `acceptingMs` as a multiple of `nodeMs`, run by run, then the median. */
  readonly ratio: number;
}

/** Starts our proxy again and again, once without a token to get and once with a service account's key. */
export async function measureStartUp(
  stage: Stage,
  upstreamUrl: string,
  runs: number,
): Promise<readonly StartUp[]> {
  const route = `routes:\n  - path: /\n    upstream: ${upstreamUrl}\n`;
  const variants = [
    { label: 'no token', config: `admin: false\n${route}    token: none\n` },
    { label: 'ADC key file, ID token', config: `admin: false\n${route}` },
  ];
  const keyFile = await stage.keyFile();
  const startUps: StartUp[] = [];
  for (const { label, config } of variants) {
    const configFile = join(stage.createFolder('start-up'), 'proxy.yaml');
    writeFileSync(configFile, config);
    startUps.push({ label, ...(await measure(configFile, keyFile, runs, stage.cores?.contender)) });
  }
  return startUps;
}

async function measure(configFile: string, keyFile: string, runs: number, core: number | undefined) {
  const timed: { acceptingMs: number; answeredMs: number; nodeMs: number }[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const nodeMs = await timeNode(core);
    timed.push({ nodeMs, ...(await timeProxy(configFile, keyFile, core)) });
  }
  timed.shift(); // the first one reads everything from the disk
  return {
    acceptingMs: median(timed.map((run) => run.acceptingMs)),
    answeredMs: median(timed.map((run) => run.answeredMs)),
    nodeMs: median(timed.map((run) => run.nodeMs)),
    ratio: median(timed.map((run) => run.acceptingMs / run.nodeMs)),
  };
}

async function timeNode(core: number | undefined): Promise<number> {
  const [file = '', ...args] = pin(core, [process.execPath, '-e', '0']);
  const startMs = performance.now();
  await once(spawn(file, args, { stdio: 'ignore' }), 'exit');
  return performance.now() - startMs;
}

async function timeProxy(configFile: string, keyFile: string, core: number | undefined) {
  const port = await findFreePort();
  const command = [
    process.execPath,
    cliFile,
    'start',
    '--config',
    configFile,
    '--port',
    `${port}`,
    '--quiet',
  ];
  const startMs = performance.now();
  const proxy = startPinned(command, {
    core,
    env: { GOOGLE_APPLICATION_CREDENTIALS: keyFile },
  });
  try {
    await untilAccepting(port, AbortSignal.timeout(GIVE_UP_MS));
    const acceptingMs = performance.now() - startMs;
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`start-up: the first answer was ${answer.status}`);
    return { acceptingMs, answeredMs: performance.now() - startMs };
  } finally {
    await proxy.stop();
  }
}
