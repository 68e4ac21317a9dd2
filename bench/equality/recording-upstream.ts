import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { probes } from './probes.ts';

/** A message, as far as bytes can be compared. */
export interface Recording {
  /** Request line or status line, without the HTTP version. */
  readonly start: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  /** SHA-256 of the body. */
  readonly body: string;
}

export interface RecordingUpstream {
  readonly url: string;
  /** What arrived since the last call. */
  takeRequests(): readonly Recording[];
  close(): Promise<void>;
}

/** The same date in every answer, so that answers can be compared. */
const DATE = 'Thu, 01 Jan 2026 00:00:00 GMT';

/** A service that answers each probe as the probe says, and remembers what it was sent. */
export async function startRecordingUpstream(): Promise<RecordingUpstream> {
  let recordings: Recording[] = [];
  const server = createServer(async (request, response) => {
    const { method, url, rawHeaders } = request;
    recordings.push({ start: `${method} ${url}`, rawHeaders, body: await hashOf(request) });
    const answer = probes.find((probe) => probe.target === url)?.answer;
    if (answer === undefined) return response.writeHead(500).end();
    response.writeHead(answer.status, answer.reason, ['Date', DATE, ...answer.headers]);
    for (const piece of answer.body) response.write(piece);
    return response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    takeRequests() {
      const taken = recordings;
      recordings = [];
      return taken;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** SHA-256 of everything in a stream. */
export async function hashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}
