import type { Contender, RunningContender } from './contenders/contender.ts';
import type { Round, Rounds } from './figures.ts';
import { sendLoad } from './load.ts';
import type { Stage } from './stage.ts';
import { readUsage } from './usage.ts';

/** How long to measure. */
export interface Effort {
  /** Rounds that count. */
  readonly rounds: number;
  readonly roundSeconds: number;
  /** The round before them, which doesn't. */
  readonly warmUpSeconds: number;
}

/**
 * Measures all contenders in turn, round after round, so that a slow minute of the machine hits all of them.
 * Those whose turn it isn't are idle.
 *
 * @throws when any request isn't answered with 200, or a contender did less than its label says.
 */
export async function measureThroughput(
  contenders: readonly Contender[],
  upstreamUrl: string,
  stage: Stage,
  effort: Effort,
): Promise<readonly Rounds[]> {
  const entrants: { contender: Contender; running: RunningContender; rounds: Round[] }[] = [];
  for (const contender of contenders) {
    entrants.push({ contender, running: await contender.start(upstreamUrl, stage), rounds: [] });
  }
  for (let round = 0; round <= effort.rounds; round += 1) {
    const seconds = round === 0 ? effort.warmUpSeconds : effort.roundSeconds;
    for (const { running, rounds } of entrants) rounds.push(await measureRound(running, seconds, stage));
  }
  for (const { running, rounds } of entrants) {
    await running.process.stop();
    await running.audit?.(rounds.reduce((sum, round) => sum + round.requests, 0));
  }
  return entrants.map(({ contender: { name, label }, rounds }) => ({ name, label, rounds: rounds.slice(1) }));
}

async function measureRound(
  { url, process }: RunningContender,
  seconds: number,
  stage: Stage,
): Promise<Round> {
  const before = readUsage(process.pid);
  const load = await sendLoad(url, seconds, stage.cores?.load);
  const after = readUsage(process.pid);
  const cpuSeconds = (after?.cpuSeconds ?? Number.NaN) - (before?.cpuSeconds ?? Number.NaN);
  return {
    requests: load.requests,
    requestsPerSecond: load.requests / load.seconds,
    p50Ms: load.p50Ms,
    p99Ms: load.p99Ms,
    cpuSecondsPer10k: (cpuSeconds / load.requests) * 10_000,
    busy: cpuSeconds / load.seconds,
    rssBytes: after?.rssBytes ?? Number.NaN,
  };
}
