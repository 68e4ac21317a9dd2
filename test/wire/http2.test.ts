import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../faults/random.ts';
import { playAllHttp2, say, tellFaults } from './campaign.ts';
import { HTTP2_ATTACKS } from './http2-attacks.ts';
import { createHttp2Mutations } from './http2-mutations.ts';
import { SEED } from './inputs.ts';

/** `npm run test:wire` plays many more. */
const MUTATIONS = 300;

test('R13, R17, R18, R28, R39: over HTTP/2, too, each attack is refused, or becomes the one request of HTTP/1.1 that it says', async (t) => {
  const tally = await playAllHttp2(t, HTTP2_ATTACKS);
  t.diagnostic(say(tally));
  assert.equal(tally.faults.length, 0, tellFaults(tally));
});

test(`R28: so does each of ${MUTATIONS} mutations`, async (t) => {
  const tally = await playAllHttp2(t, createHttp2Mutations(MUTATIONS, createRandom(SEED)));
  t.diagnostic(`WIRE_SEED=${SEED}: ${say(tally)}`);
  assert.equal(tally.faults.length, 0, `WIRE_SEED=${SEED}:\n${tellFaults(tally)}`);
});
