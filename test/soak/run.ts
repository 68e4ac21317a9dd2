import { parseArgs } from 'node:util';
import { SPEED } from './fast-clock.ts';
import { runSoak, type Sample } from './soak.ts';
import { toRow, toSummary, toTitles } from './table.ts';

const USAGE = `npm run soak -- [options]

Runs the program with a configuration file for as many requests as a day may bring, on a clock that goes ${SPEED} times as fast: clients that leave
at any moment, uploads, event streams, WebSockets, HTTP/2 and TLS, tokens that end, and a new configuration every few seconds. Holds
that each request gets its own response with a token that is good, and that memory, descriptors and timers stay level (R69).

  --requests <n>   how many, 1000000 if left out
  --seed <n>       chooses the requests and when clients leave; the time of day if left out
  --seconds <n>    at most so long, 1800 if left out: then there are fewer requests

Exit code 1 if anything isn't held.`;

const { values: flags } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    seconds: { type: 'string', default: '1800' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Rows of the table, about. */
const SAMPLE_EVERY_MS = 15_000;
const RELOAD_EVERY_MS = 3_000;
/** Several tokens are renewed meanwhile. */
const REST_MS = 6_000;

if (flags.help) console.log(USAGE);
else await run();

async function run(): Promise<void> {
  const [requests, seed, seconds] = [toNumber('requests'), toNumber('seed'), toNumber('seconds')];
  console.log(`soak: ${requests.toLocaleString('en')} requests, seed ${seed}\n\n${toTitles()}`);
  let before: Sample | undefined;
  const report = await runSoak({
    requests,
    seed,
    seconds,
    reloadEveryMs: RELOAD_EVERY_MS,
    sampleEveryMs: SAMPLE_EVERY_MS,
    restMs: REST_MS,
    onSample(sample) {
      console.log(toRow(sample, before));
      for (const fault of sample.load.faults.slice(before?.load.faults.length ?? 0))
        console.log(`  ${fault}`);
      before = sample;
    },
  });
  console.log(`\n${toSummary(report, requests)}`);
  process.exitCode = report.findings.length === 0 ? 0 : 1;
}

function toNumber(flag: 'requests' | 'seed' | 'seconds'): number {
  const number = Number(flags[flag]);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`--${flag} takes a whole number above 0, not "${flags[flag]}"`);
  process.exit(2);
}
