import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createHttp2Lane, type Http2LaneOptions } from '../../src/relay/upstream/http2-lane.ts';
import type { Lane } from '../../src/relay/upstream/lane.ts';
import type { KeyedCertificate } from './certificates.ts';
import { startRawUpstream } from './sockets.ts';

/** A lane to an upstream; destroyed after the test. */
export function startHttp2Lane(t: TestContext, origin: string, change: Partial<Http2LaneOptions> = {}): Lane {
  const lane = createHttp2Lane({
    origin: new URL(origin),
    connectTimeoutMs: 5_000,
    forwardProxy: undefined,
    clock: systemClock,
    onConnected: () => {},
    ...change,
  });
  t.after(() => lane.destroy());
  return lane;
}

export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[]) => void;

export interface Http2Upstream {
  readonly origin: string;
  readonly port: number;
  readonly server: Http2Server;
  /** Every connection so far. */
  readonly sessions: ServerHttp2Session[];
  /** The streams that are open. */
  readonly streams: ReadonlySet<ServerHttp2Stream>;
}

/** A real HTTP/2 server, over TLS if it is given a certificate; closed after the test. */
export async function startHttp2Upstream(
  t: TestContext,
  onStream: StreamHandler,
  { certificate, ...options }: ServerOptions & { readonly certificate?: KeyedCertificate } = {},
): Promise<Http2Upstream> {
  const server = certificate ? createSecureServer({ ...options, ...certificate }) : createServer(options);
  const sessions: ServerHttp2Session[] = [];
  const streams = new Set<ServerHttp2Stream>();
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      streams.add(stream);
      stream.on('error', () => {});
      stream.on('close', () => streams.delete(stream));
      onStream(stream, headers, raw);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const session of sessions) session.destroy();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  const origin = `${certificate ? 'https://localhost' : 'http://127.0.0.1'}:${port}`;
  return { origin, port, server: server as Http2Server, sessions, streams };
}

/** A frame's type, flags and stream, and its payload (RFC 9113, section 4.1). */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

const PREFACE_BYTES = 24;

/** The other end of a client's connection, that writes frames by hand. */
export interface FramePeer {
  readonly socket: Socket;
  /** Every frame received. */
  readonly frames: readonly Frame[];
  send(...frames: readonly Buffer[]): void;
}

/** An upstream that gets frames and writes what it likes; `onRequest` comes for each HEADERS frame. */
export async function startFrameUpstream(
  t: TestContext,
  onRequest: (peer: FramePeer, streamId: number, count: number) => void,
  { greeting = [settings()] }: { readonly greeting?: readonly Buffer[] } = {},
): Promise<{ readonly origin: string; readonly peers: readonly FramePeer[] }> {
  const peers: FramePeer[] = [];
  let requests = 0;
  const { origin } = await startRawUpstream(t, (socket) => {
    const frames: Frame[] = [];
    const peer = { socket, frames, send: (...out: Buffer[]) => void socket.write(Buffer.concat(out)) };
    peers.push(peer);
    socket.setNoDelay(true);
    peer.send(...greeting);
    let pending = Buffer.alloc(0);
    let isPastPreface = false;
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      if (!isPastPreface && pending.length >= PREFACE_BYTES) {
        isPastPreface = true;
        pending = pending.subarray(PREFACE_BYTES);
      }
      while (isPastPreface && pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
        const end = 9 + pending.readUIntBE(0, 3);
        const frame = {
          type: pending[3] as number,
          flags: pending[4] as number,
          id: pending.readUInt32BE(5),
          payload: Buffer.from(pending.subarray(9, end)),
        };
        pending = pending.subarray(end);
        frames.push(frame);
        if (frame.type === TYPE.settings && frame.flags === 0) peer.send(toFrame(TYPE.settings, 1, 0));
        if (frame.type === TYPE.headers) {
          requests += 1;
          onRequest(peer, frame.id, requests);
        }
      }
    });
  });
  return { origin, peers };
}

export const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;
const END_STREAM = 1;
const END_HEADERS = 4;

export function toFrame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

const uint32 = (...values: readonly number[]): Buffer => {
  const buffer = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) buffer.writeUInt32BE(value, 4 * i);
  return buffer;
};

/** SETTINGS with a limit to streams at a time, or none. */
export function settings(maxStreams?: number): Buffer {
  const payload =
    maxStreams === undefined ? undefined : Buffer.concat([Buffer.from([0, 3]), uint32(maxStreams)]);
  return toFrame(TYPE.settings, 0, 0, payload);
}

/** A field as a literal without indexing (RFC 7541, section 6.2.2); both parts shorter than 127 bytes. */
function toField(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name, 'latin1'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ]);
}

/** HEADERS with these names and values in turn. */
export function headers(id: number, fields: readonly string[], isEnd = false): Buffer {
  const block = [];
  for (let i = 0; i + 1 < fields.length; i += 2) block.push(toField(fields[i] ?? '', fields[i + 1] ?? ''));
  return toFrame(TYPE.headers, END_HEADERS | (isEnd ? END_STREAM : 0), id, Buffer.concat(block));
}

export function data(id: number, text: string, isEnd = false): Buffer {
  return toFrame(TYPE.data, isEnd ? END_STREAM : 0, id, Buffer.from(text));
}

export function reset(id: number, code: number): Buffer {
  return toFrame(TYPE.reset, 0, id, uint32(code));
}

export function goaway(lastId: number, code = 0): Buffer {
  return toFrame(TYPE.goaway, 0, 0, uint32(lastId, code));
}
