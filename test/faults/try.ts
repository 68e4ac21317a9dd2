import { CLIENT_CONDUCTS } from './clients.ts';
import { createStage } from './stage.ts';
import { UPSTREAM_CONDUCTS } from './upstreams.ts';

const c = process.argv[2] ?? '',
  u = process.argv[3] ?? '';
const stage = await createStage();
const combos = CLIENT_CONDUCTS.filter((x) => new RegExp(c).test(x.name)).flatMap((client) =>
  UPSTREAM_CONDUCTS.filter((x) => new RegExp(u).test(x.name)).map((upstream) => ({
    client,
    upstream,
    seed: 1,
  })),
);
console.log(CLIENT_CONDUCTS.length, UPSTREAM_CONDUCTS.length, combos.length);
const before = await stage.relays.measure();
const start = performance.now();
let at = 0,
  bad = 0;
await Promise.all(
  Array.from({ length: 60 }, async () => {
    while (at < combos.length) {
      const combo = combos[at++]!;
      const s = performance.now();
      const fault = await stage.play(combo);
      const ms = performance.now() - s;
      if (fault || ms > 3000) {
        bad++;
        if (bad < 400)
          console.log((ms | 0) + ' ms', fault ?? `slow ${combo.client.name} / ${combo.upstream.name}`);
      }
    }
  }),
);
console.log('done', performance.now() - start, 'bad', bad);
stage.hangUp();
console.log(before, await stage.relays.settle(before));
await stage.relays.stop();
await stage.close();
