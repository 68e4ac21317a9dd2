import { type Clock, systemClock } from '../../clock.ts';
import type { TimeoutConfig, UpstreamProtocol } from '../../config/config.ts';
import type { ProxyError } from '../../errors.ts';
import { isLoopbackHost } from '../../loopback.ts';
import type { UpstreamEvent, UpstreamEventDetail } from '../../observe/events.ts';
import type { UpstreamState } from '../../observe/state.ts';
import type { RequestBody } from '../request-body.ts';
import { Breaker } from './breaker.ts';
import { Carriage, type CarriageContext } from './carriage.ts';
import { createHttp1Lane } from './http1-lane.ts';
import { createHttp2Lane } from './http2-lane.ts';
import type { Lane, LaneOptions } from './lane.ts';
import { RetryBudget } from './retry.ts';

/** Carries requests to one upstream origin. */
export interface Transport {
  /** Sends a request; what comes of it is told to the receiver, which gets `onEnd` or `onError` unless it aborts. */
  send(request: UpstreamRequest, receiver: Receiver): Sending;
  /** How it is now. */
  state(): UpstreamState;
  /** Keeps no connection any more: what is in flight goes on, and what is sent all the same is carried. A reload does this to what it drops. */
  retire(): void;
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
  readonly protocol?: UpstreamProtocol;
  readonly clock?: Clock;
  /** As `Math.random`, for jitter. */
  readonly random?: () => number;
  readonly lanes?: Partial<Lanes>;
  /** Told what happens on the way there. Must not throw. */
  readonly onEvent?: ((event: UpstreamEvent) => void) | undefined;
}

/** What makes the lanes; each is made when the first request needs it. */
export interface Lanes {
  readonly http1: (options: LaneOptions) => Lane;
  readonly http2: (options: LaneOptions) => Lane;
}

const LANES: Lanes = { http1: createHttp1Lane, http2: createHttp2Lane };

/**
 * A transport to one origin: chooses the lane of each request, and shares among all of them what is known of the upstream. Routes
 * that may share connections share a transport; there is nothing else to tell their TLS identities apart by (R57), as trust is the
 * whole process's and clients have no certificates.
 */
export function createTransport(options: TransportOptions): Transport {
  const { forwardProxy, protocol = 'auto', clock = systemClock, random = Math.random, lanes } = options;
  const origin = new URL(options.origin);
  const makeLane = { ...LANES, ...lanes };
  const isLoopback = isLoopbackHost(origin.hostname);
  const notify = (event: UpstreamEventDetail): void =>
    options.onEvent?.({ ...event, origin: options.origin });
  const breaker = new Breaker({
    origin: options.origin,
    clock,
    random,
    isLoopback,
    onOpen: (failures) => notify({ type: 'breaker-opened', failures }),
  });
  const laneOptions: LaneOptions = {
    origin,
    connectTimeoutMs: options.connectTimeoutMs,
    forwardProxy,
    clock,
    onConnected: () => {
      breaker.onUp();
      notify({ type: 'connected' });
    },
  };
  let http1: Lane | undefined;
  let http2: Lane | undefined;
  let isDestroyed = false;
  let isRetired = false;
  const open = (make: Lanes[keyof Lanes]): Lane => {
    const lane = make(laneOptions);
    if (isRetired) lane.retire();
    return lane;
  };
  const context: CarriageContext = {
    origin: options.origin,
    forwardProxy,
    clock,
    random,
    breaker,
    budget: new RetryBudget(clock),
    onRetry: (reason) => notify({ type: 'retried', reason }),
    laneFor({ wantsHttp2 }) {
      if (isDestroyed) return undefined;
      if (protocol === 'http2' || (protocol === 'auto' && wantsHttp2)) {
        http2 ??= open(makeLane.http2);
        return http2;
      }
      http1 ??= open(makeLane.http1);
      return http1;
    },
  };
  return {
    send(request, receiver) {
      const carriage = new Carriage(request, receiver, context);
      carriage.start();
      return carriage;
    },
    state: () => ({
      origin: options.origin,
      isBreakerOpen: !breaker.isClosed,
      connections: [http1, http2].flatMap((lane) => (lane === undefined ? [] : [lane.state()])),
    }),
    retire() {
      isRetired = true;
      http1?.retire();
      http2?.retire();
    },
    destroy() {
      isDestroyed = true;
      http1?.destroy();
      http2?.destroy();
    },
  };
}
