import type { TestContext } from 'node:test';
import type { Http2Input } from './http2-reader.ts';
import { playHttp2 } from './http2-stage.ts';
import { judge, type Verdict } from './judge.ts';
import { judgeResponse, type ResponseInput, type ResponseLane, startResponseLane } from './responses.ts';
import { type Lane, startLane, type WireInput } from './stage.ts';

/** Inputs at once. */
const LANES = 24;
/** Faults that are told; one bug tends to show in many inputs. */
const MOST_TOLD = 12;

/** What became of many inputs. */
export interface Tally {
  readonly inputs: number;
  /** Requests that reached an upstream. */
  readonly forwarded: number;
  /** How often each status was an answer of the proxy's own. */
  readonly refusals: ReadonlyMap<number, number>;
  readonly faults: readonly string[];
}

/** Plays all inputs, each against a relay of its own while it lasts, and judges them. */
export function playAll(t: Pick<TestContext, 'after'>, inputs: Iterable<WireInput>): Promise<Tally> {
  const show = ({ segments }: WireInput): string =>
    segments.map((segment) => JSON.stringify(segment.slice(0, 700))).join(' + ');
  const play = async (lane: Lane, input: WireInput) => judge(input, await lane.play(input), lane.routes);
  return runCampaign(t, inputs, play, show);
}

/** The same for requests over HTTP/2. */
export function playAllHttp2(t: Pick<TestContext, 'after'>, inputs: Iterable<Http2Input>): Promise<Tally> {
  const show = ({ name: _, ...input }: Http2Input): string => JSON.stringify(input).slice(0, 900);
  return runCampaign(t, inputs, playHttp2, show);
}

/** The same for what upstreams say. */
export function playAllResponses(t: TestContext, inputs: Iterable<ResponseInput>): Promise<Tally> {
  const play = async (lane: ResponseLane, input: ResponseInput): Promise<Verdict> => {
    const outcome = await lane.play(input);
    const [response] = outcome.responses;
    const isRefused = response?.code !== undefined;
    const refusals = isRefused ? [response.status] : [];
    return { forwarded: isRefused ? 0 : 1, refusals, faults: judgeResponse(input, outcome) };
  };
  return runLanes(
    inputs,
    () => startResponseLane(t),
    play,
    ({ bytes }) => JSON.stringify(bytes.slice(0, 700)),
  );
}

function runCampaign<T extends { readonly name: string }>(
  t: Pick<TestContext, 'after'>,
  inputs: Iterable<T>,
  play: (lane: Lane, input: T) => Promise<Verdict>,
  show: (input: T) => string,
): Promise<Tally> {
  return runLanes(inputs, () => startLane(t), play, show);
}

async function runLanes<T extends { readonly name: string }, L>(
  inputs: Iterable<T>,
  start: () => Promise<L>,
  play: (lane: L, input: T) => Promise<Verdict>,
  show: (input: T) => string,
): Promise<Tally> {
  const lanes = await Promise.all(Array.from({ length: LANES }, start));
  const iterator = inputs[Symbol.iterator]();
  const refusals = new Map<number, number>();
  const faults: string[] = [];
  let [count, forwarded] = [0, 0];
  const goOn = async (lane: L): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      const input = next.value;
      count += 1;
      const verdict = await play(lane, input);
      forwarded += verdict.forwarded;
      for (const status of verdict.refusals) refusals.set(status, (refusals.get(status) ?? 0) + 1);
      if (verdict.faults.length > 0)
        faults.push(`${input.name}: ${verdict.faults.join('; ')}\n    ${show(input)}`);
    }
  };
  await Promise.all(lanes.map(goOn));
  return { inputs: count, forwarded, refusals, faults };
}

/** A tally in a line. */
export function say({ inputs, forwarded, refusals, faults }: Tally): string {
  const statuses = [...refusals].sort(([a], [b]) => a - b).map(([status, count]) => `${count} × ${status}`);
  return `${inputs} inputs: ${forwarded} requests forwarded; refused: ${statuses.join(', ') || 'none with a status'}; violations: ${faults.length}`;
}

/** The faults as a message; empty where there are none. */
export function tellFaults({ faults }: Tally): string {
  return faults.slice(0, MOST_TOLD).join('\n');
}
