/**
 * One process against several: `node bench/workers.ts [workers]`. Nothing is held to a core, so load, upstream and emulated Google share the
 * machine with what is measured: with few cores the figures say what workers cost, not what they bring.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIfStale } from './build.ts';
import { toStartCommand } from './contenders/gcp-bearer-proxy.ts';
import { median } from './figures.ts';
import { sendLoad } from './load.ts';
import { startPinned, stopAll } from './pinned-process.ts';
import { createStage, type Stage } from './stage.ts';
import { startUpstream } from './upstream.ts';
import { readUsage } from './usage.ts';

const ROUNDS = 5;
const SECONDS = 2;

interface Contender {
  readonly workers: string;
  readonly url: string;
  readonly pid: number;
  readonly startUpMs: number;
}

const directory = mkdtempSync(join(tmpdir(), 'bench-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
buildIfStale();
try {
  const stage: Stage = { ...createStage(directory), cores: undefined };
  const { url } = await startUpstream(stage);
  console.log(
    `Node ${process.version}, ${cpus().length} cores, ${ROUNDS} rounds of ${SECONDS} s each, in turn`,
  );
  const contenders: Contender[] = [];
  for (const workers of ['1', process.argv[2] ?? '2'])
    contenders.push({ workers, ...(await start(url, stage, workers)) });
  for (const contender of contenders) await sendLoad(contender.url, 1, undefined);
  const figures = contenders.map(() => ({
    perSecond: [] as number[],
    p50Ms: [] as number[],
    p99Ms: [] as number[],
  }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const { requests, seconds, p50Ms, p99Ms } = await sendLoad(contender.url, SECONDS, undefined);
      figures[index]?.perSecond.push(requests / seconds);
      figures[index]?.p50Ms.push(p50Ms);
      figures[index]?.p99Ms.push(p99Ms);
    }
  }
  for (const [index, { workers, pid, startUpMs }] of contenders.entries()) {
    const { perSecond = [], p50Ms = [], p99Ms = [] } = figures[index] ?? {};
    console.log(
      `--workers ${workers}: ${Math.round(median(perSecond))} requests/s, p50 ${median(p50Ms).toFixed(2)} ms, p99 ${median(p99Ms).toFixed(2)} ms, ready after ${Math.round(startUpMs)} ms, ${Math.round((readUsage(pid)?.rssBytes ?? Number.NaN) / 2 ** 20)} MB in all`,
    );
  }
} finally {
  await stopAll();
}

async function start(
  upstreamUrl: string,
  stage: Stage,
  workers: string,
): Promise<Omit<Contender, 'workers'>> {
  const flags = ['--port', '0', '--json-ready', '--quiet', '--workers', workers];
  const command = await toStartCommand(upstreamUrl, stage, flags);
  const startMs = performance.now();
  const child = startPinned(command);
  const { url } = JSON.parse(await child.firstLine());
  const startUpMs = performance.now() - startMs;
  return { url: `http://127.0.0.1:${new URL(url).port}`, pid: child.pid, startUpMs };
}
