import { runProgram, startProgram } from '../program.ts';
import type { CallResult, CallTask } from '../programs/grpc-client.ts';
import { own, type Row, takeTurns, times, toComparison, toEntrants } from '../side-by-side.ts';

const FULL = { rounds: 3, seconds: 2 };
const QUICK = { rounds: 1, seconds: 1 };
const LOAD = { calls: 32, streams: 4, messages: 2_000 };

/** Calls of gRPC, unary and streaming. */
export const grpc: Row = {
  name: 'grpc',
  async measure(stage, isQuick) {
    const { rounds, seconds } = isQuick ? QUICK : FULL;
    const core = stage.cores?.load;
    const upstream = await startProgram('grpc-upstream.ts', {}, { core });
    const ways = [];
    for (const entrant of toEntrants('gcp-bearer-proxy', 'node:http2')) {
      ways.push({ label: entrant.label, ...(await entrant.start(upstream.url, stage)) });
    }
    const entries = await takeTurns(ways, rounds, ({ url, process }, isWarmUp) => {
      const pid = process?.pid ?? null;
      const task: CallTask = { url, pid, seconds: isWarmUp ? seconds / 2 : seconds, ...LOAD };
      return runProgram<CallResult>('grpc-client.ts', task, { core });
    });
    for (const { process } of [...ways, upstream]) await process?.stop();
    return [
      toComparison(`gRPC, unary, ${LOAD.calls} in flight`, entries, [
        own('calls/s', 0, ({ callsPerSecond }) => callsPerSecond),
        times('x direct', ({ callsPerSecond }) => callsPerSecond),
        own('p50 ms', 2, ({ callP50Ms }) => callP50Ms),
        own('p99 ms', 2, ({ callP99Ms }) => callP99Ms),
        own('CPU s/10k', 3, ({ cpuSecondsPer10kCalls }) => cpuSecondsPer10kCalls ?? Number.NaN),
        own('alone p50 ms', 2, ({ loneCallP50Ms }) => loneCallP50Ms),
        own('alone p99 ms', 2, ({ loneCallP99Ms }) => loneCallP99Ms),
      ]),
      toComparison(`gRPC, ${LOAD.streams} streams from the server`, entries, [
        own('messages/s', 0, ({ messagesPerSecond }) => messagesPerSecond),
        times('x direct', ({ messagesPerSecond }) => messagesPerSecond),
        own('CPU s/10k', 3, ({ cpuSecondsPer10kMessages }) => cpuSecondsPer10kMessages ?? Number.NaN),
      ]),
    ];
  },
};
