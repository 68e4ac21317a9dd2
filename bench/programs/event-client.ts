/**
 * Opens event streams at once and prints how long the events were under way. Both stamps are CLOCK_MONOTONIC, which is the same in
 * every process of a machine.
 */
import { request as open } from 'node:http';
import { percentile } from '../figures.ts';
import { PAYLOAD } from './event-upstream.ts';
import { fail, readArgument, report } from './task.ts';

/** From `write` in the upstream to `data` in the client. */
export interface EventDelays {
  readonly firstP50Ms: number;
  readonly firstP99Ms: number;
  readonly laterP50Ms: number;
  readonly laterP99Ms: number;
  readonly laterMaxMs: number;
  readonly events: number;
}

export interface EventTask {
  readonly url: string;
  /** Open at once. */
  readonly streams: number;
  /** In each. */
  readonly events: number;
}

const { url, streams, events } = readArgument<EventTask>();

/** The delays of one stream's events, in order. */
function readStream(count: number): Promise<number[]> {
  return new Promise((resolve) => {
    const delaysMs: number[] = [];
    const request = open(`${url}/?events=${count}`, { agent: false }, (response) => {
      const type = response.headers['content-type'];
      if (response.statusCode !== 200 || type !== 'text/event-stream')
        fail(`${url} answered ${response.statusCode}, ${type}`);
      let rest = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        const now = process.hrtime.bigint();
        const whole = (rest + chunk).split('\n\n');
        rest = whole.pop() ?? '';
        for (const event of whole) delaysMs.push(toDelayMs(event, delaysMs.length, now));
      });
      response.on('end', () => {
        if (rest !== '' || delaysMs.length !== count)
          fail(`${url}: ${delaysMs.length} events instead of ${count}`);
        resolve(delaysMs);
      });
      response.on('error', (error) => fail(`${url}: ${error.message}`));
    });
    request.on('error', (error) => fail(`${url}: ${error.message}`));
    request.end();
  });
}

function toDelayMs(event: string, number: number, now: bigint): number {
  const [field, counted, sent = '0', payload] = event.split(' ');
  if (field !== 'data:' || counted !== String(number) || payload !== PAYLOAD)
    fail(`${url}: not event ${number}: ${event.slice(0, 80)}`);
  return Number(now - BigInt(sent)) / 1e6;
}

const readAll = (count: number): Promise<number[][]> =>
  Promise.all(Array.from({ length: streams }, () => readStream(count)));

await readAll(2); // compiles this program, and the proxy, too
const all = await readAll(events);
const first = all.flatMap((delaysMs) => delaysMs.slice(0, 1));
const later = all.flatMap((delaysMs) => delaysMs.slice(1));
const delays: EventDelays = {
  firstP50Ms: percentile(first, 0.5),
  firstP99Ms: percentile(first, 0.99),
  laterP50Ms: percentile(later, 0.5),
  laterP99Ms: percentile(later, 0.99),
  laterMaxMs: Math.max(...later),
  events: first.length + later.length,
};
report(delays);
