import type { Socket } from 'node:net';
import { connectTo } from './sockets.ts';

/** Frame types and flags (RFC 9113, section 6). */
export const Frame = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const Flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** What a frame says. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** One frame (RFC 9113, section 4.1). */
export function toFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A field block without indexing or Huffman (RFC 7541, section 6.2.2), so that anything can be said in it. */
export function toFieldBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), toText(name), toText(value)]));
}

function toText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([toInteger(bytes.length), bytes]);
}

/** With a prefix of seven bits (RFC 7541, section 5.1). */
function toInteger(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

export type Fields = readonly (readonly [string, string])[];

/** The pseudo-header fields of a request to the relay, and more fields behind them. */
export function requestFields(method: string, ...more: Fields): Fields {
  return [[':method', method], [':scheme', 'http'], [':path', '/'], [':authority', 'localhost'], ...more];
}

export function toHeaders(
  streamId: number,
  fields: Fields,
  flags: number = Flag.endStream | Flag.endHeaders,
): Buffer {
  return toFrame(Frame.headers, flags, streamId, toFieldBlock(fields));
}

/** Four bytes as a payload: an error code, or a window's growth. */
export function toUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Pairs of identifier and value (RFC 9113, section 6.5.1). */
export type Settings = readonly (readonly [number, number])[];

/** A client that sends just the bytes it is told to, and acknowledges the server's settings. */
export interface RawHttp2Client {
  readonly socket: Socket;
  /** Frames received so far. */
  readonly frames: readonly ReceivedFrame[];
  send(...frames: readonly Buffer[]): void;
  /** Resolves with the first frame, received or to come, of which this is true; rejects when the connection is closed before. */
  find(isWanted: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame>;
  /** Resolves once the connection is closed. */
  readonly closed: Promise<void>;
}

/** Connects, and sends the preface with these settings. */
export function connectRawHttp2(url: string, settings: Settings = []): RawHttp2Client {
  return speakRawHttp2(connectTo(url), settings);
}

/** Speaks HTTP/2 on a socket that is there, or will be. */
export function speakRawHttp2(socket: Socket, settings: Settings = []): RawHttp2Client {
  const frames: ReceivedFrame[] = [];
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let size = nextSize(rest); size <= rest.length; size = nextSize(rest)) {
      const frame = readFrame(rest.subarray(0, size));
      rest = rest.subarray(size);
      frames.push(frame);
      if (frame.type === Frame.settings && (frame.flags & Flag.ack) === 0 && socket.writable)
        socket.write(toFrame(Frame.settings, Flag.ack, 0));
    }
    tell();
  });
  socket.setNoDelay(true);
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('close', tell);
  const payload = Buffer.concat(
    settings.map(([id, value]) => {
      const entry = Buffer.alloc(6);
      entry.writeUInt16BE(id);
      entry.writeUInt32BE(value, 2);
      return entry;
    }),
  );
  socket.write(Buffer.concat([Buffer.from(PREFACE), toFrame(Frame.settings, 0, 0, payload)]));
  return {
    socket,
    frames,
    closed,
    send: (...sent) => socket.write(Buffer.concat(sent)),
    find: (isWanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = frames.find(isWanted);
          if (found === undefined && !socket.destroyed) return;
          listeners.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`closed after ${frames.map(describe).join(', ')}`));
        };
        listeners.add(look);
        look();
      }),
  };
}

function nextSize(bytes: Buffer): number {
  return bytes.length < 9 ? Number.POSITIVE_INFINITY : 9 + bytes.readUIntBE(0, 3);
}

function readFrame(bytes: Buffer): ReceivedFrame {
  return {
    type: bytes[3] ?? 0,
    flags: bytes[4] ?? 0,
    streamId: bytes.readUInt32BE(5) & 0x7f_ff_ff_ff,
    payload: Buffer.from(bytes.subarray(9)),
  };
}

/** A frame in words, for messages of tests. */
export function describe({ type, flags, streamId, payload }: ReceivedFrame): string {
  const name = Object.entries(Frame).find(([, value]) => value === type)?.[0] ?? String(type);
  return `${name}(${streamId}, flags ${flags}, ${payload.length} bytes)`;
}

/** Whether a frame ends a stream, or the connection, as a fault. */
export function isRefusal({ type }: ReceivedFrame): boolean {
  return type === Frame.rstStream || type === Frame.goAway;
}
