import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toInputs } from './attack.ts';
import { playAll, say, tellFaults } from './campaign.ts';
import { FRAMING_ATTACKS } from './framing-attacks.ts';
import { HEAD_ATTACKS } from './head-attacks.ts';

const ATTACKS = toInputs([...FRAMING_ATTACKS, ...HEAD_ATTACKS]);

test('R11-R19, R24, R26-R32, R39: each attack is refused, or goes on as the one request it is, with the one token of its route', async (t) => {
  const tally = await playAll(t, ATTACKS);
  t.diagnostic(say(tally));
  assert.equal(tally.faults.length, 0, tellFaults(tally));
});
