import { runProgram, startProgram } from '../program.ts';
import type { SocketResult, SocketTask } from '../programs/socket-client.ts';
import {
  above,
  type Entrant,
  own,
  type Row,
  takeTurns,
  times,
  toComparison,
  toEntrants,
} from '../side-by-side.ts';
import type { Stage } from '../stage.ts';

const FULL = { rounds: 3, sockets: 1_000, talkers: 100, messages: 30 };
const WARM_UP = { sockets: 50, talkers: 10, messages: 5 };
const QUICK = { rounds: 1, sockets: 200, talkers: 50, messages: 20 };

type Size = Pick<SocketTask, 'sockets' | 'talkers' | 'messages'>;

/** What open WebSockets cost, and how fast they are while many are open. */
export const websockets: Row = {
  name: 'websockets',
  async measure(stage, isQuick) {
    const { rounds, ...size } = isQuick ? QUICK : FULL;
    const upstream = await startProgram('echo-upstream.ts', {}, { core: stage.cores?.load });
    const entries = await takeTurns(
      toEntrants('gcp-bearer-proxy', 'http-proxy'),
      rounds,
      (entrant, isWarmUp) => measure(entrant, upstream.url, isWarmUp ? WARM_UP : size, stage),
    );
    await upstream.process.stop();
    const toKilobytes = (bytes: number | null): number => (bytes ?? Number.NaN) / 1000;
    return [
      toComparison(`${size.sockets} WebSockets`, entries, [
        own('RSS KB each', 1, ({ rssPerSocketBytes }) => toKilobytes(rssPerSocketBytes)),
        own('after talk', 1, ({ rssAfterTalkPerSocketBytes }) => toKilobytes(rssAfterTalkPerSocketBytes)),
        own('opened/s', 0, ({ openPerSecond }) => openPerSecond),
        times('x direct', ({ openPerSecond }) => openPerSecond),
        own('echo p50 ms', 2, ({ echoP50Ms }) => echoP50Ms),
        above('above direct', 2, ({ echoP50Ms }) => echoP50Ms),
        own('echo p99 ms', 2, ({ echoP99Ms }) => echoP99Ms),
        above('above direct', 2, ({ echoP99Ms }) => echoP99Ms),
      ]),
    ];
  },
};

/** A new process each time: memory that was needed once is not given back, and would hide what the next thousand need. */
async function measure(
  entrant: Entrant,
  upstreamUrl: string,
  size: Size,
  stage: Stage,
): Promise<SocketResult> {
  const { url, process } = await entrant.start(upstreamUrl, stage);
  try {
    const task: SocketTask = { url, pid: process?.pid ?? null, ...size };
    return await runProgram<SocketResult>('socket-client.ts', task, { core: stage.cores?.load });
  } finally {
    await process?.stop();
  }
}
