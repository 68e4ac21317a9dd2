import { runProgram, startProgram } from '../program.ts';
import type { BulkResult, BulkTask } from '../programs/bulk-client.ts';
import {
  type Comparison,
  direct,
  type Entrant,
  most,
  own,
  type Row,
  takeTurns,
  times,
  toComparison,
  toEntrants,
  type Way,
} from '../side-by-side.ts';
import type { Stage } from '../stage.ts';
import { readPeakBytes, readUsage, resetPeak } from '../usage.ts';

const MIB = 1_048_576;
const GIB = 1024 * MIB;
const FULL = { rounds: 3, bytes: GIB };
const QUICK = { rounds: 1, bytes: 128 * MIB };

/** One body one way. Memory and CPU are NaN for the direct way. */
interface Transfer {
  readonly bytesPerSecond: number;
  /** The most the proxy held meanwhile, above what it held when nothing had been transferred yet. */
  readonly rssGrowthBytes: number;
  readonly cpuSecondsPerGib: number;
}

interface Round {
  readonly down: Transfer;
  readonly up: Transfer;
}

/** Long bodies, down and up. */
export const transfer: Row = {
  name: 'transfer',
  async measure(stage, isQuick) {
    const effort = isQuick ? QUICK : FULL;
    const http1 = toEntrants('gcp-bearer-proxy', 'http-proxy-keep-alive', 'node-http', 'nginx, unbuffered');
    const http2 = toEntrants('gcp-bearer-proxy');
    return [
      await compare(`${effort.bytes / MIB} MiB, HTTP/1.1`, http1, stage, { ...effort, http2: false }),
      await compare(`${effort.bytes / MIB} MiB, client's HTTP/2`, http2, stage, { ...effort, http2: true }),
    ];
  },
};

interface MeasuredWay extends Way {
  readonly label: string;
  readonly restingBytes: number;
}

interface Effort {
  readonly rounds: number;
  readonly bytes: number;
  readonly http2: boolean;
}

async function compare(
  title: string,
  entrants: readonly Entrant[],
  stage: Stage,
  { rounds, bytes, http2 }: Effort,
): Promise<Comparison> {
  const core = stage.cores?.load;
  const upstream = await startProgram('bulk-upstream.ts', {}, { core });
  // Behind a proxy everything is HTTP/1.1; what a client of HTTP/2 is compared with is HTTP/2 all the way.
  const straight = http2 ? await startProgram('bulk-upstream.ts', { http2 }, { core }) : upstream;
  const ways: MeasuredWay[] = [];
  for (const entrant of entrants) {
    const way = await entrant.start(entrant === direct ? straight.url : upstream.url, stage);
    ways.push({ label: entrant.label, ...way, restingBytes: readRssBytes(way) });
  }
  const entries = await takeTurns(ways, rounds, async (way, isWarmUp): Promise<Round> => {
    const task = { url: way.url, bytes: isWarmUp ? bytes / 8 : bytes, http2 };
    return {
      down: await measure(way, { ...task, way: 'down' }, core),
      up: await measure(way, { ...task, way: 'up' }, core),
    };
  });
  for (const { process } of [...ways, straight, upstream]) await process?.stop();
  return toComparison(title, entries, [
    own('down MB/s', 0, ({ down }) => down.bytesPerSecond / 1e6),
    times('x direct', ({ down }) => down.bytesPerSecond),
    own('CPU s/GiB', 2, ({ down }) => down.cpuSecondsPerGib),
    most('RSS + MB', 1, ({ down }) => down.rssGrowthBytes / 1e6),
    own('up MB/s', 0, ({ up }) => up.bytesPerSecond / 1e6),
    times('x direct', ({ up }) => up.bytesPerSecond),
    own('CPU s/GiB', 2, ({ up }) => up.cpuSecondsPerGib),
    most('RSS + MB', 1, ({ up }) => up.rssGrowthBytes / 1e6),
  ]);
}

async function measure(way: MeasuredWay, task: BulkTask, core: number | undefined): Promise<Transfer> {
  const { process, restingBytes } = way;
  if (process !== undefined) resetPeak(process.pid);
  const before = readCpuSeconds(way);
  const { seconds } = await runProgram<BulkResult>('bulk-client.ts', task, { core });
  const peakBytes = process === undefined ? Number.NaN : readPeakBytes(process.pid);
  return {
    bytesPerSecond: task.bytes / seconds,
    rssGrowthBytes: peakBytes - restingBytes,
    cpuSecondsPerGib: ((readCpuSeconds(way) - before) / task.bytes) * GIB,
  };
}

function readRssBytes({ process }: Way): number {
  return (process && readUsage(process.pid))?.rssBytes ?? Number.NaN;
}

function readCpuSeconds({ process }: Way): number {
  return (process && readUsage(process.pid))?.cpuSeconds ?? Number.NaN;
}
