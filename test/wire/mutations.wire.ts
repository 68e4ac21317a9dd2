import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playAll, say, tellFaults } from './campaign.ts';
import { NO_CORPORA } from './corpus.ts';
import { CORPORA, createMutations, SEED } from './inputs.ts';

/** WIRE_COUNT, for longer runs by hand. */
const COUNT = Number(process.env.WIRE_COUNT ?? 12_000);

test(`R28: each of ${COUNT} mutations is refused, or goes on as the one request it is, with the one token of its route`, async (t) => {
  if (CORPORA === undefined) t.diagnostic(NO_CORPORA);
  const tally = await playAll(t, createMutations(COUNT));
  t.diagnostic(`WIRE_SEED=${SEED}: ${say(tally)}`);
  assert.equal(tally.faults.length, 0, `WIRE_SEED=${SEED}:\n${tellFaults(tally)}`);
  assert.ok(tally.forwarded > COUNT / 10, 'too few are near enough to a request to try anything');
});
