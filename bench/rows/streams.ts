import { runProgram, startProgram } from '../program.ts';
import type { EventDelays, EventTask } from '../programs/event-client.ts';
import { above, own, type Row, takeTurns, toComparison, toEntrants } from '../side-by-side.ts';

const FULL = { rounds: 3, streams: 100, events: 15 };
const QUICK = { rounds: 1, streams: 100, events: 10 };

/** How much later events of 100 open streams arrive through a proxy. */
export const streams: Row = {
  name: 'streams',
  async measure(stage, isQuick) {
    const { rounds, ...size } = isQuick ? QUICK : FULL;
    const core = stage.cores?.load;
    const upstream = await startProgram('event-upstream.ts', {}, { core });
    const ways = [];
    for (const entrant of toEntrants('gcp-bearer-proxy', 'http-proxy-keep-alive', 'node-http', 'nginx')) {
      ways.push({ label: entrant.label, ...(await entrant.start(upstream.url, stage)) });
    }
    const entries = await takeTurns(ways, rounds, ({ url }, isWarmUp) => {
      const task: EventTask = { url, ...size, events: isWarmUp ? 5 : size.events };
      return runProgram<EventDelays>('event-client.ts', task, { core });
    });
    for (const { process } of ways) await process?.stop();
    await upstream.process.stop();
    const title = `${size.streams} event streams`;
    return [
      toComparison(title, entries, [
        own('first p50 ms', 2, ({ firstP50Ms }) => firstP50Ms),
        own('first p99 ms', 2, ({ firstP99Ms }) => firstP99Ms),
        above('above direct', 2, ({ firstP99Ms }) => firstP99Ms),
        own('later p50 ms', 2, ({ laterP50Ms }) => laterP50Ms),
        above('above direct', 2, ({ laterP50Ms }) => laterP50Ms),
        own('later p99 ms', 2, ({ laterP99Ms }) => laterP99Ms),
        above('above direct', 2, ({ laterP99Ms }) => laterP99Ms),
      ]),
    ];
  },
};
