import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { ResponseReader, type SeenResponse } from '../faults/response-reader.ts';
import { startRelay } from '../support/relays.ts';
import { connectTo, exchangeBytes, startRawUpstream } from '../support/sockets.ts';
import { DEADLINE_MS } from './stage.ts';

/** What an upstream says, and what has to come of it. */
export interface ResponseInput {
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly bytes: string;
  /** Refused as a whole; relayed as one whole message; broken off behind its head. Undefined: any of them. */
  readonly outcome?: 'refused' | 'relayed' | 'broken' | undefined;
  /** What the client must not see of it. */
  readonly hides?: RegExp | undefined;
}

/** What a client and an upstream saw of it. */
interface ResponseOutcome {
  readonly responses: readonly SeenResponse[];
  readonly received: string;
  /** The relay closed the upstream's connection of itself. */
  readonly wasClosed: boolean;
  readonly complaints: readonly string[];
}

/** A relay whose upstream says what it is told to. One input at a time. */
export interface ResponseLane {
  play(input: ResponseInput): Promise<ResponseOutcome>;
}

export async function startResponseLane(t: TestContext): Promise<ResponseLane> {
  let script = '';
  let told: ((socket: Socket) => void) | undefined;
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      const [, target = ''] = /^\S+ (\S+)/.exec(chunk.toString('latin1')) ?? [];
      if (target.startsWith('/ping-')) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
        return;
      }
      socket.write(script, 'latin1');
      told?.(socket);
    });
  });
  const { url } = await startRelay(t, origin);
  let pings = 0;
  const ping = async (): Promise<string[]> => {
    pings += 1;
    const text = await exchangeBytes(
      url,
      `GET /ping-${pings} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    const isOwn = text.startsWith('HTTP/1.1 200 ') && text.endsWith(`\r\n\r\n/ping-${pings}`);
    return isOwn ? [] : [`the next request got ${JSON.stringify(text.slice(0, 300))}`];
  };
  return {
    async play({ method, bytes }) {
      script = bytes;
      const complaints: string[] = [];
      const reader = new ResponseReader((index) => index === 0 && method === 'HEAD');
      const client = connectTo(url);
      const seen = watch(client, reader);
      const reached = new Promise<Socket>((resolve) => {
        told = resolve;
      });
      client.write(`${method} /x HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      const upstream = await reached;
      const deadline = setTimeout(() => {
        complaints.push('neither a response nor an end');
        client.destroy();
      }, DEADLINE_MS);
      complaints.push(...(await ping()));
      const wasClosed = upstream.destroyed || upstream.readableEnded;
      // Only the end says that there is no more.
      if (reader.responses.length === 0) upstream.end();
      await Promise.race([seen.answered, seen.closed]);
      complaints.push(...(await ping()));
      client.end();
      await seen.closed;
      clearTimeout(deadline);
      upstream.destroy();
      if (reader.complaint !== undefined) complaints.push(`the client received ${reader.complaint}`);
      return { responses: reader.responses, received: seen.text(), wasClosed, complaints };
    },
  };
}

function watch(client: Socket, reader: ResponseReader) {
  let text = '';
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  client.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    reader.read(chunk.toString('latin1'));
    if (reader.responses.length > 0) resolve();
  });
  let wasReset = false;
  client.on('error', () => {
    wasReset = true;
  });
  const closed = once(client, 'close').then(() => reader.finish(wasReset));
  return { answered, closed, text: () => text };
}

/** What of an outcome must not be. */
export function judgeResponse(input: ResponseInput, outcome: ResponseOutcome): string[] {
  const { responses, received, wasClosed } = outcome;
  const faults = [...outcome.complaints];
  const [response] = responses;
  if (response === undefined || responses.length > 1) return [...faults, `${responses.length} responses`];
  const isOurs = response.code !== undefined;
  if (
    isOurs &&
    !['bad_upstream_response', 'upstream_reset', 'upstream_protocol'].includes(response.code ?? '')
  )
    faults.push(`answered with ${response.code}`);
  if (isOurs && response.status !== 502) faults.push(`answered with ${response.status}`);
  const became = isOurs ? 'refused' : response.isComplete ? 'relayed' : 'broken';
  if (input.outcome !== undefined && became !== input.outcome) faults.push(`it was ${became}`);
  if (input.outcome === 'refused' && !wasClosed) faults.push('its connection was kept');
  if (input.hides?.test(received)) faults.push(`the client saw ${input.hides}`);
  return faults;
}
