import { type Clock, systemClock } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { ConnectionError } from './connect.ts';
import type { SessionSlot } from './dial.ts';
import { Http2Carriage } from './http2-carriage.ts';
import { Http2Connection } from './http2-connection.ts';
import type { Lane } from './lane.ts';
import { createTicker } from './ticker.ts';

export interface Http2LaneOptions {
  /** `https://host[:port]`, or `http:` on loopback: that speaks HTTP/2 without asking (RFC 9113, section 3.3). */
  readonly origin: string;
  /** Until the upstream has begun to speak HTTP/2: through the forward proxy and TLS, too. 0 for no limit. */
  readonly connectTimeoutMs: number;
  /** Where the connections go through, as `findForwardProxy` gives it; only for an `https:` origin. */
  readonly forwardProxy?: URL | undefined;
  /** How long an idle connection is kept; a minute unless told otherwise. */
  readonly keepAliveMs?: number;
  /** A request that would need one more fails with `overloaded`. */
  readonly maxConnections?: number;
  /** A connection is replaced when it has carried so many; its stream ids run out at 2^30. */
  readonly maxRequestsPerConnection?: number;
  readonly clock?: Clock;
  /** Called whenever a new connection stands, before anything of an attempt on it. */
  readonly onConnected?: () => void;
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
  const { connectTimeoutMs, forwardProxy, keepAliveMs = KEEP_ALIVE_MS, clock = systemClock } = options;
  const { maxConnections = MAX_CONNECTIONS, onConnected = () => {} } = options;
  const { maxRequestsPerConnection: maxRequests = MAX_REQUESTS_PER_CONNECTION } = options;
  const origin = new URL(options.origin);
  const session: SessionSlot = { current: undefined };
  /** The oldest first, so that the others run dry and close. */
  const connections = new Set<Http2Connection>();
  const ticker = createTicker(clock, (passedMs) => {
    for (const connection of connections) connection.tick(passedMs);
  });
  let isDestroyed = false;

  const open = (): Http2Connection => {
    const connection = new Http2Connection({
      origin,
      forwardProxy,
      connectTimeoutMs,
      keepAliveMs,
      maxRequests,
      session,
      clock,
      onConnected,
      onClosed: (closed) => {
        connections.delete(closed);
        if (connections.size === 0) ticker.stop();
      },
    });
    connections.add(connection);
    return connection;
  };
  const find = (): Http2Connection | Error => {
    if (isDestroyed) return new ConnectionError('CONNECTION_CLOSED', 'the proxy stops');
    for (const connection of connections) if (connection.hasRoom) return connection;
    if (connections.size < maxConnections) return open();
    const message = `All ${maxConnections} HTTP/2 connections to ${options.origin} are full.`;
    return new ProxyError('overloaded', message, { retryAfterMs: 1_000 });
  };

  return {
    carry(attempt) {
      const carriage = new Http2Carriage(attempt, clock);
      const found = find();
      if (found instanceof Error) {
        process.nextTick(() => carriage.fail(found, 'unsent'));
        return carriage;
      }
      const { headersMs, idleMs } = attempt.request.timeout;
      ticker.keep(headersMs);
      ticker.keep(idleMs);
      found.carry(carriage);
      return carriage;
    },
    destroy() {
      isDestroyed = true;
      ticker.stop();
      for (const connection of [...connections])
        connection.close(new ConnectionError('CONNECTION_CLOSED', 'the proxy stops'));
    },
  };
}
