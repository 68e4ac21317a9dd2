import type { TestContext } from 'node:test';
import type { ListenerTls, UpstreamProtocol } from '../../src/config/config.ts';
import { takeOrders } from '../support/orders.ts';
import { type Measure, watchProcess } from '../support/process-measure.ts';
import { type Relay, startRelay } from '../support/relays.ts';
import { staticTokens } from '../support/sites.ts';
import { type StallWatch, watchStalls } from './stalls.ts';

/** The relays under test, in a process of their own: what it holds is theirs. */

/** One relay to start. */
export interface RelayPlan {
  readonly name: string;
  readonly upstreamOrigin: string;
  /** Longest silence it bears, in ms; 0 for any. */
  readonly limitMs: number;
  readonly protocol?: UpstreamProtocol;
  /** TLS on its listener. */
  readonly tls?: ListenerTls;
  /** The token it adds, where a test looks for it. */
  readonly token?: string;
}

/** How long a client's head may take; a drain may take as long as what is left over from answered requests. */
const HEAD_TIMEOUT_MS = 500;
const KEEP_ALIVE_MS = 300;
/** How long a client that was answered early may go on sending. */
const LINGER_MS = 300;
const DRAIN_MS = 10_000;
/** Low enough for a slot that is not given back to be missed soon. */
const MAX_REQUESTS = 700;

const look = watchProcess();
let stalls: StallWatch | undefined;
const relays = new Map<string, Relay>();
const endings: (() => unknown)[] = [];
const context: Pick<TestContext, 'after'> = {
  after(end) {
    if (end !== undefined) endings.push(end as () => unknown);
  },
};

interface Start {
  readonly plans: readonly RelayPlan[];
  readonly stallMs: number;
}

/** @returns where each relay listens, by name */
async function start({ plans, stallMs }: Start): Promise<Readonly<Record<string, string>>> {
  stalls = watchStalls(stallMs);
  const urls: Record<string, string> = {};
  for (const { name, upstreamOrigin, limitMs, protocol, tls, token } of plans) {
    const timeout = { connectMs: limitMs, headersMs: limitMs, idleMs: limitMs };
    const relay = await startRelay(
      context,
      upstreamOrigin,
      { timeout, ...(token !== undefined && { tokens: staticTokens(token) }) },
      {
        headTimeoutMs: HEAD_TIMEOUT_MS,
        keepAliveMs: KEEP_ALIVE_MS,
        lingerMs: LINGER_MS,
        protocol: protocol ?? 'auto',
        ...(tls !== undefined && { tls }),
        maxRequests: MAX_REQUESTS,
        maxConnections: MAX_REQUESTS,
      },
    );
    relays.set(name, relay);
    urls[name] = relay.url;
  }
  return urls;
}

function measure(): Measure {
  for (const { records } of relays.values()) records.length = 0;
  return look();
}

/** Resolves once every listener has drained. */
async function stop(): Promise<void> {
  stalls?.stop();
  await Promise.all([...relays.values()].map((relay) => relay.drain(DRAIN_MS)));
  for (const end of endings) await end();
  // Once that is told. After a drain the process has to end by itself.
  setImmediate(release);
}

const orders = { start, measure, lastStallMs: (): number => stalls?.lastMs() ?? 0, stop };
const release = takeOrders(orders);

export type RelayOrders = typeof orders;
