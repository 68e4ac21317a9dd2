import { createRandom } from '../faults/random.ts';
import { toInputs } from './attack.ts';
import { readCorpora } from './corpus.ts';
import { FRAMING_ATTACKS } from './framing-attacks.ts';
import { HEAD_ATTACKS } from './head-attacks.ts';
import { mutate, PROPER } from './mutations.ts';
import type { WireInput } from './stage.ts';

/** The same mutations each time, unless WIRE_SEED says otherwise. */
export const SEED = Number(process.env.WIRE_SEED ?? 20_261_127);

/** Our own attacks, by the requirements they are about. */
export const ATTACK_GROUPS: readonly (readonly [title: string, inputs: readonly WireInput[]])[] =
  Object.entries({
    ...FRAMING_ATTACKS,
    ...HEAD_ATTACKS,
  }).map(([title, attacks]) => [title, toInputs(attacks)]);

/** All of them. */
export const ATTACKS: readonly WireInput[] = ATTACK_GROUPS.flatMap(([, inputs]) => inputs);

/** Those of others; undefined where there are none. */
export const CORPORA: readonly WireInput[] | undefined = readCorpora();

/** So many mutations of all there is; proper requests have a third of them. */
export function* createMutations(count: number, seed = SEED): Generator<WireInput> {
  const random = createRandom(seed);
  const others = [...ATTACKS, ...(CORPORA ?? [])];
  for (let i = 0; i < count; i += 1) yield mutate(random.pick(i % 3 === 0 ? PROPER : others), random);
}
