import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ResponseReader, type SeenResponse } from '../faults/response-reader.ts';
import { connectedRoute, startSite } from '../support/relays.ts';
import { site, staticTokens } from '../support/sites.ts';
import { connectTo } from '../support/sockets.ts';
import { type Sighting, startRecordingUpstream } from './recording-upstream.ts';
import { type Reading, readRequests } from './strict-reader.ts';

/** Bytes that a client sends, one piece after another. */
export interface WireInput {
  readonly name: string;
  /** Latin1: a character is a byte. */
  readonly segments: readonly string[];
  /** What has to become of it; undefined where both will do. */
  readonly outcome?: 'refused' | 'forwarded' | undefined;
}

export type RouteName = 'a' | 'b';

/** A route as a judge knows it. */
export interface StageRoute {
  readonly path: '' | '/b';
  readonly base: string;
  readonly token: string;
  readonly host: string;
}

export type StageRoutes = Readonly<Record<RouteName, StageRoute>>;

/** What became of an input. */
export interface Outcome {
  /** What a strict reader finds in the input. */
  readonly reading: Reading;
  readonly responses: readonly SeenResponse[];
  readonly seen: Readonly<Record<RouteName, Sighting>>;
  /** What went wrong with the connections themselves. */
  readonly complaints: readonly string[];
}

/** A relay with two routes of different audiences, each with an upstream of its own. One input at a time. */
export interface Lane {
  readonly url: string;
  readonly routes: StageRoutes;
  play(input: WireInput): Promise<Outcome>;
  /** Asks both upstreams something through the relay. Once that is answered, all that was sent to it before has been read. */
  ping(): Promise<string | undefined>;
  take(): Promise<Outcome['seen']>;
}

/** Nothing takes this long that comes at all. */
export const DEADLINE_MS = 60_000;

const isPing = (target: string): boolean => /^\/(?:base\/one|two)\/ping-\d+$/.test(target);

export async function startLane(t: Pick<TestContext, 'after'>): Promise<Lane> {
  const upstreams = {
    a: await startRecordingUpstream(t, 'a', isPing),
    b: await startRecordingUpstream(t, 'b', isPing),
  };
  const routes: StageRoutes = {
    a: { path: '', base: '/base/one', token: 'token-of-a', host: upstreams.a.host },
    b: { path: '/b', base: '/two', token: 'token-of-b', host: upstreams.b.host },
  };
  const relay = await startSite(
    t,
    site(
      connectedRoute(t, upstreams.a.origin, {
        basePath: routes.a.base,
        header: 'authorization',
        tokens: staticTokens(routes.a.token, upstreams.a.origin),
      }),
      connectedRoute(t, upstreams.b.origin, {
        name: '/b',
        path: '/b',
        basePath: routes.b.base,
        tokens: staticTokens(routes.b.token, upstreams.b.origin),
      }),
    ),
  );
  const ping = createPing(t, () => connectTo(relay.url), [routes.a.base, routes.b.base]);
  const take = async (): Promise<Outcome['seen']> => ({
    a: await upstreams.a.take(),
    b: await upstreams.b.take(),
  });
  const door: Door = { connect: () => connectTo(relay.url), take, ping };
  return { url: relay.url, routes, ping, take, play: (input) => play(door, input) };
}

/** What inputs are played against: the relay, or another proxy. */
export interface Door {
  connect(): Socket;
  ping(): Promise<string | undefined>;
  take(): Promise<Outcome['seen']>;
}

/** Sends an input over a connection of its own, and waits until all that comes of it has come. */
export async function play({ connect, ping, take }: Door, { segments }: WireInput): Promise<Outcome> {
  const reading = readRequests(segments.join(''), { side: 'client' });
  const complaints: string[] = [];
  let received = '';
  const reader = new ResponseReader((index) => reading.requests[index]?.method === 'HEAD');
  const socket = connect();
  const closed = whenClosed(socket, reader, complaints);
  const answeredAll = new Promise<void>((resolve) => {
    const look = (): void => {
      if (reader.responses.length >= reading.requests.length) resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      reader.read(chunk.toString('latin1'));
      look();
    });
    look();
  });
  const deadline = setTimeout(() => {
    complaints.push('neither an answer nor an end');
    socket.destroy();
  }, DEADLINE_MS);
  await sendSegments(socket, segments);
  await Promise.race([answeredAll, closed]);
  complaints.push(...[await ping()].filter((text) => text !== undefined));
  socket.end();
  await closed;
  clearTimeout(deadline);
  complaints.push(...[await ping()].filter((text) => text !== undefined));
  // What can't be read is not known to be HEAD, and its refusal has content.
  const hasRefused = reader.responses.at(-1)?.status === 400 && received.endsWith('}\n');
  const isHeadRefused = hasRefused && reading.requests[reader.responses.length - 1]?.method === 'HEAD';
  if (reader.complaint !== undefined && !isHeadRefused)
    complaints.push(`the client received ${reader.complaint}: ${JSON.stringify(received)}`);
  return { reading, responses: reader.responses, seen: await take(), complaints };
}

/** Each piece in a read of its own, on the other side of the same event loop. */
export async function sendSegments(socket: Socket, segments: readonly string[]): Promise<void> {
  socket.setNoDelay(true);
  if (socket.connecting) await once(socket, 'connect');
  for (const [i, segment] of segments.entries()) {
    if (!socket.writable) return;
    socket.write(segment, 'latin1');
    if (i + 1 < segments.length) await nextTurn();
  }
}

async function whenClosed(socket: Socket, reader: ResponseReader, complaints: string[]): Promise<void> {
  let wasReset = false;
  socket.on('error', () => {
    wasReset = true;
  });
  await new Promise((resolve) => socket.on('close', resolve));
  try {
    reader.finish(wasReset);
  } catch (error) {
    complaints.push(String(error));
  }
}

/**
 * Asks for both routes in one go, over a connection that is kept.
 * @param bases what each route's targets begin with upstream
 */
export function createPing(
  t: Pick<TestContext, 'after'>,
  connect: () => Socket,
  bases: readonly [string, string],
): Door['ping'] {
  let socket: Socket | undefined;
  let count = 0;
  t.after(() => socket?.destroy());
  return async () => {
    if (socket === undefined || socket.destroyed) {
      socket = connect();
      socket.setNoDelay(true);
      socket.on('error', () => {});
    }
    const line = socket;
    count += 1;
    const request = (path: string): string => `GET ${path}/ping-${count} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const ends = bases.map((base) => `${base}/ping-${count}`);
    let text = '';
    line.write(request('') + request('/b'));
    const isAnswered = await new Promise<boolean>((resolve) => {
      const settle = (isWell: boolean): void => {
        line.off('data', onData).off('close', onClose);
        clearTimeout(deadline);
        resolve(isWell);
      };
      const onData = (chunk: Buffer): void => {
        text += chunk.toString('latin1');
        if (text.split('HTTP/1.1 200 OK').length === 3 && text.endsWith(ends[1] ?? ''))
          settle(text.includes(ends[0] ?? ''));
      };
      const onClose = (): void => settle(false);
      const deadline = setTimeout(onClose, DEADLINE_MS);
      line.on('data', onData).on('close', onClose);
    });
    if (isAnswered) return undefined;
    line.destroy();
    return `the next request got an answer that is not its own: ${JSON.stringify(text.slice(0, 300))}`;
  };
}
