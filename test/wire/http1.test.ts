import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playAll, say, tellFaults } from './campaign.ts';
import { NO_CORPORA } from './corpus.ts';
import { ATTACK_GROUPS, CORPORA, createMutations, SEED } from './inputs.ts';
import { PROPER } from './mutations.ts';

/** `npm run test:wire` plays many more. */
const MUTATIONS = 400;

const proper = PROPER.map((input) => ({ ...input, outcome: 'forwarded' as const }));

for (const [title, attacks] of ATTACK_GROUPS) {
  test(`${title}: each attack is refused, or goes on as the one request it is, with the one token of its route`, async (t) => {
    const tally = await playAll(t, [...proper, ...attacks]);
    t.diagnostic(say(tally));
    assert.equal(tally.faults.length, 0, tellFaults(tally));
  });
}

test('R28: so is each request of the corpora of others, where they are', async (t) => {
  if (CORPORA === undefined) t.diagnostic(NO_CORPORA);
  const tally = await playAll(t, CORPORA ?? []);
  t.diagnostic(say(tally));
  assert.equal(tally.faults.length, 0, tellFaults(tally));
});

test(`R28: so is each of ${MUTATIONS} mutations of them all`, async (t) => {
  const tally = await playAll(t, createMutations(MUTATIONS));
  t.diagnostic(`WIRE_SEED=${SEED}: ${say(tally)}`);
  assert.equal(tally.faults.length, 0, `WIRE_SEED=${SEED}:\n${tellFaults(tally)}`);
});
