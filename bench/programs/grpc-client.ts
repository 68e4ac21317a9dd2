/** Calls the service of `grpc-service.ts` over one channel, and prints how often and how fast it was answered. */
import { randomBytes } from 'node:crypto';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { percentile } from '../figures.ts';
import { readUsage } from '../usage.ts';
import { MESSAGE_BYTES, service, toMessage } from './grpc-service.ts';
import { fail, readArgument, report } from './task.ts';

export interface CallTask {
  readonly url: string;
  /** Whose processor time counts; null where there is no proxy on the way. */
  readonly pid: number | null;
  /** For how long unary calls are made, and then streams. */
  readonly seconds: number;
  /** Unary calls in flight. */
  readonly calls: number;
  /** Streams at once, */
  readonly streams: number;
  /** with so many messages each; a stream that has ended is followed by another one. */
  readonly messages: number;
}

/** Null: not measured. */
export interface CallResult {
  readonly callsPerSecond: number;
  /** Of a call, with all the others in flight. */
  readonly callP50Ms: number;
  readonly callP99Ms: number;
  /** Of a call when there is no other. */
  readonly loneCallP50Ms: number;
  readonly loneCallP99Ms: number;
  readonly cpuSecondsPer10kCalls: number | null;
  readonly messagesPerSecond: number;
  readonly cpuSecondsPer10kMessages: number | null;
  readonly calls: number;
  readonly messages: number;
}

const { url, pid, seconds, calls, streams, messages } = readArgument<CallTask>();
const Client = makeGenericClientConstructor(service, 'Bench');
const client = new Client(new URL(url).host, credentials.createInsecure());
const { Say, Count } = service;

/** Milliseconds until a call was answered. */
function say(): Promise<number> {
  const said = randomBytes(MESSAGE_BYTES);
  const startMs = performance.now();
  return new Promise((resolve) => {
    client.makeUnaryRequest(Say.path, Say.requestSerialize, Say.responseDeserialize, said, (error, heard) => {
      if (error !== null) fail(`${url}: ${error.message}`);
      if (heard === undefined || !said.equals(heard)) fail(`${url}: an answer isn't what was said`);
      resolve(performance.now() - startMs);
    });
  });
}

/** Reads a whole stream, and gives the number of its messages. */
function count(): Promise<number> {
  const wanted = Buffer.alloc(4);
  wanted.writeUInt32BE(messages);
  const call = client.makeServerStreamRequest(
    Count.path,
    Count.requestSerialize,
    Count.responseDeserialize,
    wanted,
  );
  return new Promise((resolve) => {
    let received = 0;
    call.on('data', (message: Buffer) => {
      if (!message.equals(toMessage(received))) fail(`${url}: not message ${received} of a stream`);
      received += 1;
    });
    call.on('error', (error) => fail(`${url}: ${error.message}`));
    call.on('end', () => {
      if (received !== messages) fail(`${url}: ${received} messages instead of ${messages}`);
      resolve(received);
    });
  });
}

interface Work {
  readonly results: readonly number[];
  /** Of the proxy; NaN where there is none. */
  readonly cpuSeconds: number;
  readonly perSecond: number;
}

/** Does something over and over in `places` at once. */
async function repeat(places: number, forSeconds: number, act: () => Promise<number>): Promise<Work> {
  const results: number[] = [];
  const startCpuSeconds = readCpuSeconds();
  const startMs = performance.now();
  const endMs = startMs + forSeconds * 1000;
  const work = async (): Promise<void> => {
    while (performance.now() < endMs) results.push(await act());
  };
  await Promise.all(Array.from({ length: places }, work));
  const perSecond = results.length / ((performance.now() - startMs) / 1000);
  return { results, perSecond, cpuSeconds: readCpuSeconds() - startCpuSeconds };
}

function readCpuSeconds(): number {
  return (pid === null ? undefined : readUsage(pid))?.cpuSeconds ?? Number.NaN;
}

await repeat(calls, seconds / 4, say); // compiles this program
const lone = await repeat(1, seconds / 4, say);
const unary = await repeat(calls, seconds, say);
const streamed = await repeat(streams, seconds, count);
client.close();

report({
  callsPerSecond: unary.perSecond,
  callP50Ms: percentile(unary.results, 0.5),
  callP99Ms: percentile(unary.results, 0.99),
  loneCallP50Ms: percentile(lone.results, 0.5),
  loneCallP99Ms: percentile(lone.results, 0.99),
  // NaN is null in JSON.
  cpuSecondsPer10kCalls: (unary.cpuSeconds / unary.results.length) * 10_000,
  messagesPerSecond: streamed.perSecond * messages,
  cpuSecondsPer10kMessages: (streamed.cpuSeconds / (streamed.results.length * messages)) * 10_000,
  calls: unary.results.length,
  messages: streamed.results.length * messages,
} satisfies CallResult);
