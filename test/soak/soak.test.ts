import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSoak } from './soak.ts';
import { toRow, toSummary, toTitles } from './table.ts';

/** Fewer where the machine is too slow for them. */
const REQUESTS = 12_000;
const SECONDS = 12;

test(`R69: ${REQUESTS} requests with clients that leave, reloads and tokens that end: none fails that its client didn't cause, and heap, descriptors and timers stay level`, async (t) => {
  t.diagnostic(toTitles());
  const report = await runSoak({
    requests: REQUESTS,
    seed: 69,
    seconds: SECONDS,
    reloadEveryMs: 500,
    sampleEveryMs: 1_000,
    restMs: 1_000,
    onSample: (sample) => t.diagnostic(toRow(sample, undefined)),
  });
  assert.deepEqual(report.findings, [], toSummary(report, REQUESTS));
});
