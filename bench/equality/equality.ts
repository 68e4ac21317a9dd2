import { deepStrictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as send } from 'node:http';
import type { Contender } from '../contenders/contender.ts';
import type { Stage } from '../stage.ts';
import { type Probe, probes } from './probes.ts';
import {
  hashOf,
  type Recording,
  type RecordingUpstream,
  startRecordingUpstream,
} from './recording-upstream.ts';

/** What every hop says for itself (RFC 9110 section 7.6.1, RFC 9112 section 6), so it may differ. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding'];

/** What a proxy writes anew, checked on its own; and how long a body is, which its hash tells better. */
const REWRITTEN = ['host', 'authorization', 'content-length'];

/** What a proxy may say about itself. */
const ADDED = /^(x-forwarded-\w+|forwarded|via|x-request-id)$/;

/**
 * Sends every probe through each contender and straight to the same upstream, and compares what arrived on both
 * sides.
 *
 * @throws when a contender's messages differ, or when it didn't put exactly its one token on each request.
 */
export async function checkEquality(contenders: readonly Contender[], stage: Stage): Promise<void> {
  const upstream = await startRecordingUpstream();
  try {
    for (const contender of contenders) {
      const running = await contender.start(upstream.url, stage);
      await check(contender, running.url, upstream);
      await running.process.stop();
    }
  } finally {
    await upstream.close();
  }
}

async function check(contender: Contender, url: string, upstream: RecordingUpstream): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  try {
    for (const probe of probes) {
      const direct = await record(probe, upstream.url, upstream, agent);
      const relayed = await record(probe, url, upstream, agent);
      const name = `${contender.label}: ${probe.name}`;
      deepStrictEqual(relayed.map(toComparable), direct.map(toComparable), `${name}: not the same bytes`);
      const wanted = toWantedHeaders(new URL(url), new URL(upstream.url));
      deepStrictEqual(
        toSetHeaders(relayed[0], contender.authorization),
        wanted,
        `${name}: not the right headers`,
      );
    }
  } finally {
    agent.destroy();
  }
}

/** The requests the upstream got for one probe, and then the answer the client got. */
async function record(
  probe: Probe,
  url: string,
  upstream: RecordingUpstream,
  agent: Agent,
): Promise<Recording[]> {
  upstream.takeRequests();
  const { host, hostname, port } = new URL(url);
  const { method, target: path, headers } = probe;
  const request = send({ agent, hostname, port, method, path, headers: ['Host', host, ...headers] });
  if (probe.chunked) request.flushHeaders();
  request.end(probe.body);
  const [response] = await once(request, 'response');
  const answer = {
    start: `${response.statusCode} ${response.statusMessage}`,
    rawHeaders: response.rawHeaders,
    body: await hashOf(response),
  };
  return [...upstream.takeRequests(), answer];
}

/** Names in lower case and in order, repeated ones as a list: what RFC 9110 section 5.2 says means the same. */
function toComparable({ start, rawHeaders, body }: Recording) {
  const isAnswer = /^\d/.test(start);
  const headers = toFieldLines(rawHeaders)
    .filter(([name]) => !HOP_BY_HOP.includes(name))
    .filter(([name]) => isAnswer || !(REWRITTEN.includes(name) || ADDED.test(name)))
    .map((line) => line.join(': '))
    .sort();
  return { start, headers, body };
}

/** What a proxy has to write itself. */
function toWantedHeaders(local: URL, remote: URL) {
  return {
    authorization: ['the token'],
    host: [remote.host],
    'x-forwarded-for': ['127.0.0.1'],
    'x-forwarded-host': [local.host],
    'x-forwarded-proto': ['http'],
  };
}

function toSetHeaders(request: Recording | undefined, token: RegExp) {
  const lines = toFieldLines(request?.rawHeaders ?? []);
  const valuesOf = (wanted: string) => lines.filter(([name]) => name === wanted).map(([, value]) => value);
  return {
    authorization: valuesOf('authorization').map((value) => (token.test(value) ? 'the token' : value)),
    host: valuesOf('host'),
    'x-forwarded-for': valuesOf('x-forwarded-for'),
    'x-forwarded-host': valuesOf('x-forwarded-host'),
    'x-forwarded-proto': valuesOf('x-forwarded-proto'),
  };
}

function toFieldLines(rawHeaders: readonly string[]): [name: string, value: string][] {
  const lines: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    lines.push([(rawHeaders[index] ?? '').toLowerCase(), rawHeaders[index + 1] ?? '']);
  }
  return lines;
}
