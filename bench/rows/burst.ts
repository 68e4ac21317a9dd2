import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestAuthority } from '../../test/support/certificates.ts';
import { startQuiet, toStartCommand } from '../contenders/gcp-bearer-proxy.ts';
import { startPinned } from '../pinned-process.ts';
import { findFreePort } from '../port.ts';
import { runProgram, startProgram } from '../program.ts';
import type { BurstResult, BurstTask } from '../programs/burst-client.ts';
import type { DistantTask } from '../programs/distant-upstream.ts';
import { above, type Comparison, own, type Row, takeTurns, toComparison } from '../side-by-side.ts';
import type { Stage } from '../stage.ts';

const REQUESTS = 200;
const ONEWAY_MS = 50;
const FULL = { rounds: 5 };
const QUICK = { rounds: 2 };

/** Many requests at once to a proxy that has just started, with a distant upstream. */
export const burst: Row = {
  name: 'burst',
  async measure(stage, isQuick) {
    const { rounds } = isQuick ? QUICK : FULL;
    return [await measurePlain(stage, rounds), await measureTls(stage, rounds)];
  },
};

async function measurePlain(stage: Stage, rounds: number): Promise<Comparison> {
  const task: DistantTask = { onewayMs: ONEWAY_MS };
  const core = stage.cores?.load;
  const upstream = await startProgram('distant-upstream.ts', task, { core });
  const comparison = await compare(`${REQUESTS} at once, http`, { url: upstream.url, rounds, stage });
  await upstream.process.stop();
  return comparison;
}

async function measureTls(stage: Stage, rounds: number): Promise<Comparison> {
  const authority = createTestAuthority();
  const task: DistantTask = { onewayMs: ONEWAY_MS, ...authority.issue(['localhost']) };
  const core = stage.cores?.load;
  const upstream = await startProgram('distant-upstream.ts', task, { core });
  const url = `https://localhost:${new URL(upstream.url).port}`;
  const title = `${REQUESTS} at once, https`;
  const comparison = await compare(title, { url, ca: authority.cert, rounds, stage });
  await upstream.process.stop();
  return comparison;
}

interface Distance {
  readonly url: string;
  /** Who vouches for the upstream, in PEM. */
  readonly ca?: string;
  readonly rounds: number;
  readonly stage: Stage;
}

async function compare(title: string, distance: Distance): Promise<Comparison> {
  const { rounds, stage, ca } = distance;
  const flags: string[] = [];
  if (ca !== undefined) {
    const file = join(stage.createFolder('authority'), 'ca.pem');
    writeFileSync(file, ca);
    flags.push('--ca-file', file);
  }
  const ways = [
    { label: 'direct', send: () => send({ url: distance.url, requests: REQUESTS, ca }, stage) },
    { label: 'gcp-bearer-proxy, just started', send: () => sendToReady(distance, flags) },
    { label: 'gcp-bearer-proxy, without a token yet', send: () => sendToStarting(distance, flags) },
  ];
  const entries = await takeTurns(ways, rounds, (way) => way.send());
  return toComparison(title, entries, [
    own('half answered ms', 0, ({ p50Ms }) => p50Ms),
    above('above direct', 0, ({ p50Ms }) => p50Ms),
    own('all answered ms', 0, ({ allMs }) => allMs),
    above('above direct', 0, ({ allMs }) => allMs),
  ]);
}

function send(task: BurstTask, { cores }: Stage): Promise<BurstResult> {
  return runProgram<BurstResult>('burst-client.ts', task, { core: cores?.load });
}

/** The proxy has said that it is ready: it holds its token, but has no connection and has never relayed anything. */
async function sendToReady({ url, stage }: Distance, flags: readonly string[]): Promise<BurstResult> {
  const proxy = await startQuiet(url, stage, flags);
  try {
    return await send({ url: proxy.url, requests: REQUESTS }, stage);
  } finally {
    await proxy.process.stop();
  }
}

/** The client is there before the proxy, and sends as soon as it accepts connections. */
async function sendToStarting({ url, stage }: Distance, flags: readonly string[]): Promise<BurstResult> {
  const port = await findFreePort();
  const command = await toStartCommand(url, stage, ['--port', `${port}`, '--quiet', ...flags]);
  const local = `http://127.0.0.1:${port}`;
  const answered = send({ url: local, requests: REQUESTS, whenAccepting: true }, stage);
  const proxy = startPinned(command, { core: stage.cores?.contender });
  try {
    return await answered;
  } finally {
    await proxy.stop();
  }
}
