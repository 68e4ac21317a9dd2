import { parseArgs } from 'node:util';
import { holdLevel, holdNothing, say } from '../faults/level.ts';
import { type Arena, openArena, type Place } from './arena.ts';
import { createInput, formatInput, type Input } from './inputs.ts';

const USAGE = `npm run fuzz -- [options]

Sends mutated bytes to the proxy from both sides at once, and holds that it lives, is silent, serves proper requests,
adds just its token to what it relays, shows that to no client, and keeps nothing.

  --seconds <n>      how long, 60 if left out
  --seed <n>         begins with this input; those that follow count up from it
  --only <n>:<kind>  plays one input again, as it was named with a finding; with --seconds again and again`;

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Inputs between two looks at whether proper requests are still served. */
const CONTROL_EVERY = 500;
/** Findings after which a run ends; one bug tends to make many. */
const MOST_FINDINGS = 10;
const USUAL_SECONDS = 60;

/** What a run found, and how much it tried. */
interface Tally {
  inputs: number;
  /** Requests that reached an upstream, and were judged there. */
  requests: number;
  readonly findings: string[];
  /** The process under test is of no more use. */
  isLost: boolean;
}

/** The input for a lane; undefined when there is none left. */
type Next = (place: Place) => Input | undefined;

let nextSeed = Number(flags.seed);

if (flags.help) console.log(USAGE);
else await run();

async function run(): Promise<void> {
  const arena = await openArena();
  const tally: Tally = { inputs: 0, requests: 0, findings: [], isLost: false };
  const startMs = performance.now();
  try {
    await fuzz(arena, tally);
  } catch (error) {
    tally.findings.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    arena.relays.kill();
    await arena.close();
  }
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  for (const finding of tally.findings) console.log(`FINDING: ${finding}\n`);
  const { inputs, requests, findings } = tally;
  console.log(
    `fuzz: seed ${flags.seed}, ${inputs} inputs, ${requests} requests judged upstream, ${seconds} s, ${findings.length} findings`,
  );
  process.exitCode = findings.length === 0 ? 0 : 1;
}

async function fuzz(arena: Arena, tally: Tally): Promise<void> {
  const { relays } = arena;
  const before = await relays.measure();
  const wrong = await arena.control();
  if (wrong !== undefined) throw new Error(wrong);
  const halfMs = (Number(flags.seconds ?? USUAL_SECONDS) * 1_000) / 2;
  await playAll(arena, tally, toNext(halfMs));
  arena.hangUp();
  const halfway = await relays.settle(before);
  if (flags.only === undefined || flags.seconds !== undefined) await playAll(arena, tally, toNext(halfMs));
  const last = [arena.control(), ...arena.places.map((place) => arena.revisit(place))];
  for (const fault of await Promise.all(last)) if (fault !== undefined) tally.findings.push(fault);
  arena.hangUp();
  const after = await relays.settle(before, halfway);
  console.log(`before:  ${say(before)}\nhalfway: ${say(halfway)}\nafter:   ${say(after)}`);
  holdNothing(before, after);
  holdLevel(halfway, after);
  await relays.stop();
}

/** Inputs of new seeds for so long; with `--only` that one, again and again if a time was named. */
function toNext(lastingMs: number): Next {
  const endMs = performance.now() + lastingMs;
  if (flags.only === undefined) {
    return (place) => {
      if (performance.now() > endMs) return undefined;
      nextSeed += 1;
      return createInput(nextSeed - 1, place);
    };
  }
  const [seed, kind] = flags.only.split(':');
  let wasPlayed = false;
  return (place) => {
    if (place.kind !== kind || performance.now() > endMs) return undefined;
    if (wasPlayed && flags.seconds === undefined) return undefined;
    wasPlayed = true;
    return createInput(Number(seed), place);
  };
}

/** Plays inputs on all lanes as long as there are any. */
async function playAll(arena: Arena, tally: Tally, next: Next): Promise<void> {
  const underWay = new Map<Place, Input>();
  const find = (what: string, about: Iterable<readonly [Place, Input]>): void => {
    const inputs = [...about].map(
      ([{ kind }, input]) => `  --only ${input.seed}:${kind}\n${formatInput(input)}`,
    );
    tally.findings.push([what, ...inputs].join('\n'));
  };
  const goOn = async (place: Place): Promise<void> => {
    while (!tally.isLost && tally.findings.length < MOST_FINDINGS) {
      const input = next(place);
      if (input === undefined) return;
      underWay.set(place, input);
      const { requests, fault } = await place.lane.play(place.url, input);
      tally.inputs += 1;
      tally.requests += requests;
      if (fault !== undefined) find(fault, [[place, input]]);
      if (tally.isLost) return;
      const isControlDue = tally.inputs % CONTROL_EVERY === 0;
      const complaint = arena.relays.complaint() || (isControlDue ? ((await arena.control()) ?? '') : '');
      if (complaint === '' || tally.isLost) continue;
      tally.isLost = true;
      find(`${complaint}\nwith these under way:`, underWay);
    }
  };
  await Promise.all(arena.places.map(goOn));
}
