import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createRandom } from '../faults/random.ts';
import { playAll, playAllHttp2, playAllResponses, say, type Tally, tellFaults } from './campaign.ts';
import { NO_CORPORA } from './corpus.ts';
import { createHttp2Mutations } from './http2-mutations.ts';
import { CORPORA, createMutations, SEED } from './inputs.ts';
import { createResponseMutations } from './response-attacks.ts';

/** WIRE_COUNT, for longer runs by hand; of the others there are a fourth as many. */
const COUNT = Number(process.env.WIRE_COUNT ?? 12_000);
const FEWER = Math.ceil(COUNT / 4);

test(`R28: each of ${COUNT} mutations is refused, or goes on as the one request it is, with the one token of its route`, async (t) => {
  if (CORPORA === undefined) t.diagnostic(NO_CORPORA);
  const tally = await playAll(t, createMutations(COUNT));
  holdAll(t, tally);
  assert.ok(tally.forwarded > COUNT / 10, 'too few are near enough to a request to try anything');
});

test(`R28: so is each of ${FEWER} mutations over HTTP/2`, async (t) => {
  const tally = await playAllHttp2(t, createHttp2Mutations(FEWER, createRandom(SEED)));
  holdAll(t, tally);
  assert.ok(tally.forwarded > FEWER / 10, 'too few are near enough to a request to try anything');
});

test(`R35: none of ${FEWER} mutations of responses is seen as two, or gives the next request an answer`, async (t) => {
  holdAll(t, await playAllResponses(t, createResponseMutations(FEWER, createRandom(SEED))));
});

function holdAll(t: TestContext, tally: Tally): void {
  t.diagnostic(`WIRE_SEED=${SEED}: ${say(tally)}`);
  assert.equal(tally.faults.length, 0, `WIRE_SEED=${SEED}:\n${tellFaults(tally)}`);
}
