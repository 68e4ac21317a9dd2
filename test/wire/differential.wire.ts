import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitTarget } from './compare.ts';
import { NO_CORPORA } from './corpus.ts';
import { ATTACKS, CORPORA, createMutations, SEED } from './inputs.ts';
import { PROPER } from './mutations.ts';
import { startPeers } from './peers.ts';
import { type Door, type Outcome, play, startLane, type WireInput } from './stage.ts';

/** Mutations besides the attacks. */
const MUTATIONS = Number(process.env.WIRE_DIFFERENTIAL_COUNT ?? 1_000);
const DOORS = 12;

/** What the relay may forward though no other proxy does, or not as this. */
const ALLOWED: readonly { readonly reason: string; readonly isMeant: (text: string) => boolean }[] = [
  {
    reason: 'Node reads RTSP/1.0 as HTTP/1.0 and does not say so; what goes on is a request made anew',
    isMeant: (text) => /^[^\r\n]* RTSP\/1\.[01]\r\n/m.test(text),
  },
];

test(`what goes on of each attack and of ${MUTATIONS} mutations is what nginx or HAProxy send on, too`, async (t) => {
  const { peers, missing } = await startPeers(t, DOORS);
  for (const name of missing) t.diagnostic(`*** NOT TRIED: there is no ${name} on this machine.`);
  if (peers.length === 0) return;
  if (CORPORA === undefined) t.diagnostic(NO_CORPORA);
  const lanes = await Promise.all(Array.from({ length: DOORS }, () => startLane(t)));
  const inputs = [...PROPER, ...ATTACKS, ...(CORPORA ?? []), ...createMutations(MUTATIONS, SEED + 1)];
  const iterator = inputs.values();
  const counts = { forwarded: 0, alone: 0, allowed: 0 };
  const differences: string[] = [];
  const compare = async (input: WireInput, i: number): Promise<void> => {
    const lane = lanes[i];
    if (lane === undefined) return;
    const ours = toForwarded((await lane.play(input)).seen);
    const doors = peers.map(({ doors: of }) => of[i]).filter((door): door is Door => door !== undefined);
    const theirs = await Promise.all(doors.map(async (door) => toForwarded((await play(door, input)).seen)));
    counts.forwarded += ours.length;
    const text = input.segments.join('');
    for (const request of ours) {
      if (theirs.some((list) => list.includes(request))) continue;
      counts.alone += 1;
      if (ALLOWED.some(({ isMeant }) => isMeant(text))) counts.allowed += 1;
      else
        differences.push(
          tell(
            input,
            request,
            peers.map(({ name }, k) => `${name} ${JSON.stringify(theirs[k])}`),
          ),
        );
    }
  };
  const goOn = async (i: number): Promise<void> => {
    for (const input of iterator) await compare(input, i);
  };
  await Promise.all(lanes.map((_, i) => goOn(i)));
  for (const { reason } of ALLOWED) t.diagnostic(`allowed: ${reason}`);
  t.diagnostic(
    `${inputs.length} inputs beside ${peers.map(({ name }) => name).join(' and ')}: ${counts.forwarded} requests forwarded, ${counts.alone} of them by none of the others, for ${counts.allowed} of which there is a reason`,
  );
  assert.equal(differences.length, 0, differences.slice(0, 15).join('\n'));
  assert.ok(counts.forwarded > 300, 'next to nothing was compared');
});

/** The requests that went upstream: method, target and content, the routes' own bases taken off. */
function toForwarded({ a, b }: Outcome['seen']): string[] {
  const told = (base: string, route: string) => (request: Outcome['seen']['a']['requests'][number]) => {
    const { path, query } = splitTarget(request.target);
    const own = path.startsWith(base) ? route + path.slice(base.length) : path;
    return JSON.stringify([request.method, (own === '' ? '/' : own) + query, request.body]);
  };
  return [...a.requests.map(told('/base/one', '')), ...b.requests.map(told('/two', '/b'))];
}

function tell({ name, segments }: WireInput, request: string, theirs: readonly string[]): string {
  return `${name}: ${request}; ${theirs.join('; ')}\n    ${JSON.stringify(segments.join('').slice(0, 400))}`;
}
