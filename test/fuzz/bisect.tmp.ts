import { openArena } from './arena.ts';
import { createInput, formatInput } from './inputs.ts';
const arena = await openArena();
const { relays } = arena;
const base = Number(process.argv[2] ?? 1);
const N = Number(process.argv[3] ?? 3000);
const kinds = new Set(arena.places.map((p) => p.kind));
let last = await relays.measure();
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
async function batch(seeds: number[], kind: string) {
  const places = arena.places.filter((p) => p.kind === kind);
  let i = 0;
  await Promise.all(places.map(async (place) => { while (i < seeds.length) { const s = seeds[i++]!; await place.lane.play(place.url, createInput(s, place)); } }));
  arena.hangUp();
  let m = await relays.measure();
  for (let k = 0; k < 15 && (m.files ?? 0) > (last.files ?? 0); k++) { await sleep(200); m = await relays.measure(); }
  const leaked = (m.files ?? 0) - (last.files ?? 0);
  last = m;
  return leaked;
}
async function find(seeds: number[], kind: string): Promise<void> {
  const leaked = await batch(seeds, kind);
  if (leaked <= 0) return;
  if (seeds.length === 1) { console.log(`LEAK ${leaked} --only ${seeds[0]}:${kind}`); console.log(formatInput(createInput(seeds[0]!, arena.places.find((p) => p.kind === kind)!)).slice(0, 3000)); return; }
  console.log(`batch of ${seeds.length} ${kind} leaks ${leaked}`);
  const half = seeds.length >> 1;
  await find(seeds.slice(0, half), kind); await find(seeds.slice(half), kind);
}
for (const kind of kinds) await find(Array.from({ length: N }, (_, i) => base + i), kind);
relays.kill();
await arena.close();
process.exit();
