import { type Clock, systemClock } from '../clock.ts';
import type { TimeoutConfig } from '../config/config.ts';
import type { ProxyError } from '../errors.ts';
import { Carriage } from './carriage.ts';
import { createHttp1Lane } from './http1-lane.ts';
import type { Lane, LaneOptions } from './lane.ts';
import type { RequestBody } from './request-body.ts';

/** Carries requests to one upstream origin. */
export interface Transport {
  /** Sends a request; what comes of it is told to the receiver, which gets `onEnd` or `onError` unless it aborts. */
  send(request: UpstreamRequest, receiver: Receiver): Sending;
  /** Closes every connection, and breaks off what is in flight. */
  destroy(): void;
}

export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  /** All field lines but those that frame the body: these are added here. */
  readonly lines: readonly string[];
  /** Null for a request without a body. */
  readonly body: RequestBody | null;
  /** The client waits for `100 Continue`: the body is sent once the upstream asks for it, or answers otherwise. */
  readonly expectsContinue: boolean;
  /** It can only be carried over HTTP/2 (gRPC): where the protocol is `auto`, it is. */
  readonly wantsHttp2: boolean;
  /** Whether it may be sent once more where that is safe. */
  readonly mayRetry: boolean;
  readonly timeout: TimeoutConfig;
}

/** A request under way. */
export interface Sending {
  /** Gives up: the upstream connection is closed, and nothing more is told. Harmless when all is over. */
  abort(): void;
  /** Goes on reading after `onData` returned false. */
  resume(): void;
}

/**
 * Called back in this order: `onInterim` any number of times, `onHead` once, `onData` any number of times, then `onEnd`; or
 * at any point `onError`.
 */
export interface Receiver {
  /** `100 Continue`, `103 Early Hints` and others below 200 but 101 (RFC 9110, section 15.2). */
  onInterim(status: number, lines: readonly string[]): void;
  onHead(status: number, reason: string, lines: readonly string[]): void;
  /** @returns false to be sent no more until `resume` */
  onData(chunk: Buffer): boolean;
  /** @param trailers field lines of the trailer section; empty when there is none */
  onEnd(trailers: readonly string[]): void;
  onError(error: ProxyError): void;
}

export interface TransportOptions {
  /** `https://host[:port]`, or `http:` on loopback. */
  readonly origin: string;
  /** Until requests can be sent: through the forward proxy and TLS, too; 0 for no limit. */
  readonly connectTimeoutMs: number;
  /** Where the connections go through, as `findForwardProxy` gives it; only for an `https:` origin. */
  readonly forwardProxy?: URL | undefined;
  /** `auto`, if left out: HTTP/2 for the requests that need it, HTTP/1.1 for the others, which it carries faster. */
  readonly protocol?: Protocol;
  readonly clock?: Clock;
  readonly lanes?: Lanes;
}

export type Protocol = 'auto' | 'http1' | 'http2';

/** What makes the lanes; each is made when the first request needs it. */
export interface Lanes {
  readonly http1: (options: LaneOptions) => Lane;
  /** Where there is none, everything goes over HTTP/1.1. */
  readonly http2?: (options: LaneOptions) => Lane;
}

const LANES: Lanes = { http1: createHttp1Lane };

/** A transport to one origin. */
export function createTransport(options: TransportOptions): Transport {
  const { connectTimeoutMs, forwardProxy, protocol = 'auto', clock = systemClock, lanes = LANES } = options;
  const origin = new URL(options.origin);
  const laneOptions = { origin, connectTimeoutMs, forwardProxy, clock, onConnected: () => {} };
  let http1: Lane | undefined;
  let http2: Lane | undefined;
  const laneFor = ({ wantsHttp2 }: UpstreamRequest): Lane => {
    if (lanes.http2 !== undefined && (protocol === 'http2' || (protocol === 'auto' && wantsHttp2))) {
      http2 ??= lanes.http2(laneOptions);
      return http2;
    }
    http1 ??= lanes.http1(laneOptions);
    return http1;
  };
  return {
    send(request, receiver) {
      const carriage = new Carriage(request, receiver, { origin: options.origin, forwardProxy, laneFor });
      carriage.start();
      return carriage;
    },
    destroy() {
      http1?.destroy();
      http2?.destroy();
    },
  };
}
