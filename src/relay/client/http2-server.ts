import {
  createServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { sendLastWords } from './last-words.ts';

/** Called for each request. */
export type Http2Handler = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
) => void;

export interface Http2ServerOptions {
  readonly handle: Http2Handler;
  /** How long a connection may go without a first request. */
  readonly headTimeoutMs: number;
  /** How long a connection without requests is kept. */
  readonly keepAliveMs: number;
}

/** Serves HTTP/2 on connections that others accepted. */
export interface Http2Endpoint {
  /** Takes a connection over; its preface is still to be read. */
  serve(socket: Socket): void;
  /** Takes no new requests (GOAWAY), and closes each connection once its last response is sent. */
  drain(): void;
  close(): void;
}

/** Requests at once on one connection; Google's front end allows as many. */
const MAX_STREAMS = 100;
/** What may be under way to us unread, per request: enough for a fast upload, little for a stalled one. */
const STREAM_WINDOW_BYTES = 524_288;
const CONNECTION_WINDOW_BYTES = MAX_STREAMS * STREAM_WINDOW_BYTES;
/** A little above what `decide` takes, so that what is too much can be said. */
const MAX_FIELDS = 300;
const MAX_FIELD_BYTES = 49_152;
/** How often idle connections are looked at, at most. */
const CHECK_MS = 2_000;

/**
 * Makes an endpoint for HTTP/2 (RFC 9113), with limits on what a hostile client can ask for: streams, the size of a head, streams
 * opened only to be reset (CVE-2023-44487), frames that are invalid or refused, memory.
 */
export function createHttp2Endpoint({
  handle,
  headTimeoutMs,
  keepAliveMs,
}: Http2ServerOptions): Http2Endpoint {
  const connections = new Map<Http2Session, Connection>();
  let isDraining = false;
  /** The connection whose session is being made. */
  let arriving: Socket | undefined;
  const server: Http2Server = createServer({
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: MAX_FIELD_BYTES,
      enablePush: false,
    },
    maxHeaderListPairs: MAX_FIELDS,
    // An upstream that says `X-Content-Type-Options` twice is relayed as it is.
    strictSingleValueFields: false,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    streamResetBurst: 200,
    streamResetRate: 20,
  });
  server.on('session', (session: ServerHttp2Session) => {
    const connection = {
      socket: arriving,
      hadRequest: false,
      idleSinceMs: performance.now(),
      streams: 0,
      isLost: false,
    };
    connections.set(session, connection);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on('error', () => {});
    session.on('close', () => connections.delete(session));
    if (isDraining) session.close();
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, rawHeaders?: readonly string[]) => {
    const connection = stream.session === undefined ? undefined : connections.get(stream.session);
    if (connection !== undefined) count(connection, stream);
    handle(stream, headers, rawHeaders ?? []);
  });
  const sweep = setInterval(
    () => {
      const nowMs = performance.now();
      for (const [session, connection] of connections) {
        if (session.destroyed) closeLost(connection);
        if (session.destroyed || connection.streams > 0) continue;
        const limitMs = connection.hadRequest ? keepAliveMs : headTimeoutMs;
        if (nowMs - connection.idleSinceMs >= limitMs) closeIdle(session);
      }
    },
    Math.min(CHECK_MS, headTimeoutMs),
  );
  sweep.unref();

  return {
    serve(socket) {
      // A server for HTTP/1.1 lets its clients close their side and wait; in HTTP/2 that is the end, of all streams (R41).
      socket.allowHalfOpen = false;
      arriving = socket;
      server.emit('connection', socket);
      arriving = undefined;
    },
    drain() {
      isDraining = true;
      for (const session of connections.keys()) session.close();
    },
    close() {
      clearInterval(sweep);
      for (const session of connections.keys()) session.destroy();
    },
  };
}

/** SETTINGS without any, and GOAWAY with ENHANCE_YOUR_CALM before the first stream (RFC 9113, sections 6.5 and 6.8). */
const REFUSAL = Buffer.from('00000004000000000000000807000000000000000000' + '0000000b', 'hex');

/** Tells a client of HTTP/2 that there is no place for its connection, and closes it. */
export function refuseHttp2(socket: Socket, lingerMs: number): void {
  sendLastWords(socket, REFUSAL, lingerMs);
}

interface Connection {
  readonly socket: Socket | undefined;
  hadRequest: boolean;
  idleSinceMs: number;
  streams: number;
  /** Its session was over at the look before. */
  isLost: boolean;
}

function count(connection: Connection, stream: ServerHttp2Stream): void {
  connection.hadRequest = true;
  connection.streams += 1;
  stream.on('close', () => {
    connection.streams -= 1;
    connection.idleSinceMs = performance.now();
  });
}

/**
 * A session that is destroyed closes its connection once its last frames are written. Over TLS to a client that reset, Node waits for
 * that for ever, and the connection would keep its place: what is still there at the second look is closed.
 */
function closeLost(connection: Connection): void {
  if (connection.isLost) connection.socket?.destroy();
  connection.isLost = true;
}

/** Says goodbye first; whoever doesn't answer that in time is cut off by the next look. */
function closeIdle(session: Http2Session): void {
  if (session.closed) session.destroy();
  else session.close();
}
