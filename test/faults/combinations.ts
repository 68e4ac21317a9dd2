import type { ClientConduct } from './client-conduct.ts';
import { createRandom, type Random } from './random.ts';
import type { Combination } from './stage.ts';
import type { UpstreamConduct } from './upstream-conduct.ts';

type Pair = readonly [ClientConduct, UpstreamConduct];

/** The share of pairs in which megabytes are moved: enough for each such pair among all pairs. */
const MOST_HEAVY = 1 / 80;

/**
 * So many combinations, always the same for a seed: first each conduct at least once, then every pair once, in an order left to
 * chance, then pairs at random. Only a few of them move much.
 */
export function chooseCombinations(
  clients: readonly ClientConduct[],
  upstreams: readonly UpstreamConduct[],
  { seed, count }: { readonly seed: number; readonly count: number },
): readonly Combination[] {
  const random = createRandom(seed);
  const longer = Math.max(clients.length, upstreams.length);
  const shuffledClients = shuffle(clients, random);
  const shuffledUpstreams = shuffle(upstreams, random);
  const pairs: Pair[] = [];
  const rest: Pair[] = [];
  for (let at = 0; at < longer; at += 1) {
    const client = shuffledClients[at % clients.length];
    const upstream = shuffledUpstreams[at % upstreams.length];
    if (client !== undefined && upstream !== undefined) pairs.push([client, upstream]);
  }
  const chosen = new Set(pairs.map(([client, upstream]) => toName(client, upstream)));
  for (const client of clients)
    for (const upstream of upstreams)
      if (!chosen.has(toName(client, upstream))) rest.push([client, upstream]);
  pairs.push(...shuffle(rest, random));
  let heavy = 0;
  const chosenPairs = pairs.filter((pair) => {
    if (isHeavy(pair)) heavy += 1;
    return !isHeavy(pair) || heavy <= count * MOST_HEAVY;
  });
  while (chosenPairs.length < count) {
    const pair = [random.pick(clients), random.pick(upstreams)] as const;
    if (!isHeavy(pair)) chosenPairs.push(pair);
  }
  return chosenPairs
    .slice(0, count)
    .map(([client, upstream]) => ({ client, upstream, seed: random.between(0, 2 ** 31) }));
}

function isHeavy([client, upstream]: Pair): boolean {
  return client.isHeavy === true || upstream.isHeavy === true;
}

function toName(client: ClientConduct, upstream: UpstreamConduct): string {
  return `${client.name} / ${upstream.name}`;
}

/** Fisher and Yates'. */
function shuffle<T>(things: readonly T[], random: Random): T[] {
  const shuffled = [...things];
  for (let at = shuffled.length - 1; at > 0; at -= 1) {
    const other = random.between(0, at);
    [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
  }
  return shuffled;
}
