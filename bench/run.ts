import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { contenders } from './contenders/list.ts';
import { checkEquality } from './equality/equality.ts';
import { CONNECTIONS, loadGenerator } from './load.ts';
import { stopAll } from './pinned-process.ts';
import { burst } from './rows/burst.ts';
import { grpc } from './rows/grpc.ts';
import { streams } from './rows/streams.ts';
import { transfer } from './rows/transfer.ts';
import { websockets } from './rows/websockets.ts';
import type { Comparison } from './side-by-side.ts';
import { createStage } from './stage.ts';
import { measureStartUp } from './start-up.ts';
import { toStartUpTable, toThroughputTable } from './table.ts';
import { measureThroughput } from './throughput.ts';
import { startUpstream } from './upstream.ts';

const START_UP = 'start-up';
const SIDE_BY_SIDE = [streams, transfer, websockets, grpc, burst];
const ROWS = [...[...contenders, ...SIDE_BY_SIDE].map(({ name }) => name), START_UP];

const FULL = { warmUpSeconds: 2, rounds: 5, roundSeconds: 2, startUpRuns: 11 };
const QUICK = { warmUpSeconds: 1, rounds: 2, roundSeconds: 1, startUpRuns: 3 };

const USAGE = `npm run bench -- [options]

  --quick        fewer and shorter rounds, smaller sizes: rough figures in two minutes instead of five
  --only <rows>  some rows only, separated by commas: ${ROWS.join(', ')}
  --json         also write the figures of every round to bench/results/`;

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: ROWS.join(',') },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const rows = flags.only.split(',');
const unknown = rows.find((row) => !ROWS.includes(row));

if (flags.help) {
  console.log(USAGE);
} else if (unknown !== undefined) {
  console.error(`There is no row '${unknown}' here.\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  process.once('SIGINT', () => void stopAll().finally(() => process.exit(130)));
  try {
    await run(directory);
  } finally {
    await stopAll();
  }
}

async function run(directory: string): Promise<void> {
  const chosen = contenders.filter(({ name }) => rows.includes(name));
  const effort = flags.quick ? QUICK : FULL;

  const stage = createStage(directory);
  const upstream = await startUpstream(stage);
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: stage.cores ?? 'not pinned',
    load: `${loadGenerator}, ${CONNECTIONS} connections`,
    upstream: upstream.kind,
  };
  console.log(JSON.stringify(machine));

  if (chosen.length > 0) {
    await checkEquality(chosen, stage);
    console.log(`${chosen.map(({ label }) => label).join('; ')}: each relays the same bytes.`);
  }
  const throughput = await measureThroughput(chosen, upstream.url, stage, effort);
  if (throughput.length > 0) console.log(`\n${toThroughputTable(throughput)}`);
  const startUp = rows.includes(START_UP)
    ? await measureStartUp(stage, upstream.url, effort.startUpRuns)
    : [];
  if (startUp.length > 0) console.log(`\n${toStartUpTable(startUp)}`);
  const sideBySide: Record<string, readonly Comparison[]> = {};
  for (const { name, measure } of SIDE_BY_SIDE.filter((row) => rows.includes(row.name))) {
    sideBySide[name] = await measure(stage, flags.quick);
    for (const { table } of sideBySide[name]) console.log(`\n${table}`);
  }
  if (flags.json) writeResults({ machine, throughput, startUp, sideBySide });
}

function writeResults(results: object): void {
  const folder = join(import.meta.dirname, 'results');
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`\n${file}`);
}
