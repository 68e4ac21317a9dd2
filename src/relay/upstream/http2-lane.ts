import { ProxyError } from '../../errors.ts';
import { ConnectionError } from './connection-error.ts';
import type { SessionSlot } from './dial.ts';
import { Http2Carrier } from './http2-carrier.ts';
import { ASSUMED_STREAMS, Http2Connection } from './http2-connection.ts';
import type { Lane, LaneOptions } from './lane.ts';
import { createTicker } from './ticker.ts';

/** An `http:` origin speaks HTTP/2 without asking (RFC 9113, section 3.3). `connectTimeoutMs` is until it has begun to speak it. */
export interface Http2LaneOptions extends LaneOptions {
  /** How long an idle connection is kept; a minute unless told otherwise. */
  readonly keepAliveMs?: number;
  /** A request that would need one more fails with `overloaded`. */
  readonly maxConnections?: number;
  /** A connection is replaced when it has carried so many; its stream ids run out at 2^30. */
  readonly maxRequestsPerConnection?: number;
}

const KEEP_ALIVE_MS = 60_000;
const MAX_CONNECTIONS = 32;
const MAX_REQUESTS_PER_CONNECTION = 2 ** 29;

/**
 * A lane over HTTP/2: one connection that all requests share, and another only when it is full. One that is worn out, or that its
 * upstream takes leave of, gets no more requests and closes after the last. Failures have the causes of `connect` and those of the response
 * parser, `NO_HTTP2`, or are a ProxyError (`overloaded`, `bad_request`).
 */
export function createHttp2Lane(options: Http2LaneOptions): Lane {
  const { clock, keepAliveMs = KEEP_ALIVE_MS, maxConnections = MAX_CONNECTIONS } = options;
  const { maxRequestsPerConnection: maxRequests = MAX_REQUESTS_PER_CONNECTION } = options;
  const session: SessionSlot = { current: undefined };
  /** The oldest first, so that the others run dry and close. */
  const connections = new Set<Http2Connection>();
  const ticker = createTicker(clock, (passedMs) => {
    for (const connection of connections) connection.tick(passedMs);
  });
  let isDestroyed = false;
  let isRetired = false;
  /** What a new connection is thought to take at a time: no more than the ones before. */
  let assumedStreams = ASSUMED_STREAMS;

  const open = (): Http2Connection => {
    const connection = new Http2Connection({
      ...options,
      keepAliveMs,
      maxRequests,
      session,
      assumedStreams,
      onLimit: (maxStreams) => {
        assumedStreams = Math.max(1, Math.min(ASSUMED_STREAMS, maxStreams));
      },
      onOverflow: place,
      onClosed: (closed) => {
        connections.delete(closed);
        if (connections.size === 0) ticker.stop();
      },
    });
    connections.add(connection);
    return connection;
  };
  const find = (): Http2Connection | Error => {
    if (isDestroyed) return toStop();
    for (const connection of connections) if (connection.hasRoom) return connection;
    if (connections.size < maxConnections) return open();
    return new ConnectionError('ALL_BUSY', `all ${maxConnections} HTTP/2 connections are full`);
  };
  const place = (carrier: Http2Carrier): void => {
    const found = find();
    if (found instanceof Error) process.nextTick(() => carrier.fail(found, 'unsent'));
    else {
      found.carry(carrier);
      if (isRetired) found.retire();
    }
  };

  return {
    carry(attempt) {
      const carrier = new Http2Carrier(attempt, clock);
      place(carrier);
      if (connections.size === 0) return carrier;
      const { headersMs, idleMs } = attempt.request.timeout;
      ticker.keep(headersMs);
      ticker.keep(idleMs);
      return carrier;
    },
    state() {
      const idle = [...connections].filter((connection) => connection.isIdle);
      return { protocol: 'http2', open: connections.size, idle: idle.length };
    },
    retire() {
      isRetired = true;
      for (const connection of [...connections]) connection.retire();
    },
    destroy() {
      isDestroyed = true;
      ticker.stop();
      for (const connection of [...connections]) connection.close(toStop());
    },
  };
}

function toStop(): ProxyError {
  return new ProxyError('shutting_down', 'The proxy stops.');
}
