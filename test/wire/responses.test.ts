import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../faults/random.ts';
import { playAllResponses, say, tellFaults } from './campaign.ts';
import { SEED } from './inputs.ts';
import { createResponseMutations, RESPONSE_ATTACKS } from './response-attacks.ts';

/** `npm run test:wire` plays many more. */
const MUTATIONS = 300;

test('R26, R35, R36: each response is refused with a 502 and its connection closed, or relayed as one whole message', async (t) => {
  const tally = await playAllResponses(t, RESPONSE_ATTACKS);
  t.diagnostic(say(tally));
  assert.equal(tally.faults.length, 0, tellFaults(tally));
});

test(`R35: none of ${MUTATIONS} mutations is seen as two, or gives the next request an answer`, async (t) => {
  const tally = await playAllResponses(t, createResponseMutations(MUTATIONS, createRandom(SEED)));
  t.diagnostic(`WIRE_SEED=${SEED}: ${say(tally)}`);
  assert.equal(tally.faults.length, 0, `WIRE_SEED=${SEED}:\n${tellFaults(tally)}`);
});
