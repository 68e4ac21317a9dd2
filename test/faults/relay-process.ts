import type { TestContext } from 'node:test';
import type { ListenerTls, UpstreamProtocol } from '../../src/config/config.ts';
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

/** What is told to this process. */
export type Order =
  | { readonly kind: 'start'; readonly plans: readonly RelayPlan[]; readonly stallMs: number }
  | { readonly kind: 'measure' }
  | { readonly kind: 'tell stalls' }
  | { readonly kind: 'stop' };

/** What it answers; `stopped` once every listener has drained. */
export type Report =
  | { readonly kind: 'started'; readonly urls: Readonly<Record<string, string>> }
  | { readonly kind: 'measured'; readonly measure: Measure }
  | { readonly kind: 'stalls'; readonly lastMs: number }
  | { readonly kind: 'stopped' };

/** Orders and reports as they are sent: several may be under way. */
export interface Asked {
  readonly id: number;
  readonly order: Order;
}

export interface Answered {
  readonly id: number;
  readonly report: Report;
}

/** How long a client's head may take; a drain may take as long as what is left over from answered requests. */
const HEAD_TIMEOUT_MS = 500;
const KEEP_ALIVE_MS = 300;
/** How long a client that was answered early may go on sending. */
const LINGER_MS = 300;
const DRAIN_MS = 10_000;
/** Low enough for a slot that is not given back to be missed soon. */
const MAX_REQUESTS = 700;

const measure = watchProcess();
let stalls: StallWatch | undefined;
const relays = new Map<string, Relay>();
const endings: (() => unknown)[] = [];
const context: Pick<TestContext, 'after'> = {
  after(end) {
    if (end !== undefined) endings.push(end as () => unknown);
  },
};

async function start(plans: readonly RelayPlan[]): Promise<Report> {
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
  return { kind: 'started', urls };
}

async function stop(): Promise<Report> {
  stalls?.stop();
  await Promise.all([...relays.values()].map((relay) => relay.drain(DRAIN_MS)));
  for (const end of endings) await end();
  return { kind: 'stopped' };
}

async function obey(order: Order): Promise<Report> {
  switch (order.kind) {
    case 'start':
      stalls = watchStalls(order.stallMs);
      return start(order.plans);
    case 'measure':
      for (const { records } of relays.values()) records.length = 0;
      return { kind: 'measured', measure: measure() };
    case 'tell stalls':
      return { kind: 'stalls', lastMs: stalls?.lastMs() ?? 0 };
    case 'stop':
      return stop();
  }
}

/** Without the test there is nothing to do. After a drain the process has to end by itself. */
const exit = (): never => process.exit(1);

process.once('disconnect', exit);
process.on('message', ({ id, order }: Asked) => {
  void obey(order).then((report) => {
    process.send?.({ id, report } satisfies Answered);
    if (report.kind !== 'stopped') return;
    process.off('disconnect', exit);
    process.disconnect?.();
  });
});
