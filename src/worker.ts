import { type Clock, systemClock } from './clock.ts';
import { ProxyError } from './errors.ts';
import { toClientSecret } from './gate/client-secret.ts';
import { createLog, type Log } from './observe/log.ts';
import { readProcessFamilies } from './observe/metrics.ts';
import { joinObservers } from './observe/observers.ts';
import { createTally, type Tally } from './observe/tally.ts';
import { type Attendant, attend } from './relay/client/listen.ts';
import type { ExchangeContext } from './relay/exchange.ts';
import { createLoad, type Load } from './relay/load.ts';
import { setRequestIdPrefix } from './relay/request-id.ts';
import type { Site } from './relay/site.ts';
import { createOpenSockets } from './relay/upstream/open-sockets.ts';
import { createSiteCompiler, type SiteCompiler } from './site-compiler.ts';
import { createTracing, type Tracing } from './tracing.ts';
import { trustMore } from './trust.ts';
import { countClosed } from './workers/connection-count.ts';
import { createLink, type Link, type Port } from './workers/link.ts';
import type { SiteOrder, SourceOrder, StartOrder, ToPrimary, ToWorker } from './workers/protocol.ts';
import { createRemoteRate, createRemoteSignIns } from './workers/remote-counts.ts';
import { RemoteTokenSource } from './workers/remote-source.ts';

/** A site, and what it was made by. */
interface Prepared {
  readonly order: SiteOrder;
  readonly site: Site;
}

/** Everything there is from the start order on. */
interface Parts {
  readonly count: number;
  readonly log: Log;
  readonly tracing: Tracing;
  readonly tally: Tally;
  readonly compiler: SiteCompiler;
  readonly attendant: Attendant;
  readonly load: Load;
  inForce: Prepared;
  /** Not in force yet, by number. */
  readonly prepared: Map<number, Prepared>;
}

/**
 * Takes requests as the primary at the other end of the channel says: its site, its tokens, its connections.
 * @returns to be called at the end: writes out what the log still holds
 */
export function runWorker(port: Port, clock: Clock = systemClock): () => void {
  const sources = new Map<number, RemoteTokenSource>();
  let parts: Parts | undefined;
  let isDraining = false;
  const started = (): Parts => {
    if (parts !== undefined) return parts;
    throw new ProxyError('internal', 'The worker has not been started.');
  };
  const link: Link<ToPrimary> = createLink<ToWorker, ToPrimary>(
    port,
    {
      async start(order) {
        parts = await createParts(order, { link, clock, sourceOf, isDraining: () => isDraining, site });
      },
      prepare({ number, site: order }) {
        const { compiler, prepared } = started();
        prepared.set(number, { order, site: compile(compiler, order, sourceOf) });
      },
      apply(number) {
        const now = started();
        const { prepared, inForce: before, attendant, load, count, compiler } = now;
        const next = prepared.get(number);
        if (next === undefined) throw new ProxyError('internal', 'The worker has no such configuration.');
        prepared.delete(number);
        const { materials, config } = next.order;
        attendant.change(materials, share(config.limits.connections, count));
        load.setLimit(share(config.limits.requests, count));
        now.inForce = next;
        compiler.keepOnly(next.site);
        // What is in flight may still ask for a token of the site before.
        const known = [before, next, ...prepared.values()];
        forgetSources(
          sources,
          known.map(({ order }) => order),
        );
      },
      drop(number) {
        const { prepared, compiler, inForce } = started();
        prepared.delete(number);
        compiler.keepOnly(inForce.site);
      },
      token: ({ source, snapshot }) => sources.get(source)?.take(snapshot),
      connection(listener, socket) {
        link.tell('taken', undefined);
        watch(socket);
        if (socket !== undefined) started().attendant.take(listener, socket);
      },
      ending() {
        isDraining = true;
      },
      async close(deadlineMs) {
        isDraining = true;
        const { attendant, compiler, log, tracing } = started();
        await attendant.close(deadlineMs);
        compiler.close();
        await tracing.close();
        log.flush();
      },
      async report(isFull) {
        const { load, attendant, compiler, tally } = started();
        return {
          requests: { count: load.count, limit: load.limit },
          connections: { count: attendant.connections.count, limit: attendant.connections.limit },
          upstreams: compiler.transports().map((transport) => transport.state()),
          counts: isFull ? { counted: tally.families(), process: await readProcessFamilies() } : undefined,
        };
      },
    },
    clock,
  );
  const watch = countClosed((count) => link.tell('closed', count));
  const site = (): Site => started().inForce.site;
  const sourceOf = (source: SourceOrder) => takeSource(sources, source, link, clock);
  return () => parts?.log.flush();
}

interface Surroundings {
  readonly link: Link<ToPrimary>;
  readonly clock: Clock;
  readonly sourceOf: (order: SourceOrder) => RemoteTokenSource;
  readonly isDraining: () => boolean;
  /** The one in force. */
  readonly site: () => Site;
}

async function createParts(
  order: StartOrder,
  { link, clock, sourceOf, isDraining, site }: Surroundings,
): Promise<Parts> {
  const { worker, idPrefix, count, isCounting, env, site: first } = order;
  const { limits, log: logConfig } = first.config;
  setRequestIdPrefix(idPrefix);
  const log = await createLog({ stream: undefined, ...order.log, ...logConfig, worker });
  const tally = createTally();
  const tracing = await startTracing(log, env, clock);
  const observer = joinObservers(isCounting ? [tracing.observer, tally] : [tracing.observer]);
  const openSockets = createOpenSockets();
  const compiler = createSiteCompiler({
    clock,
    env,
    onUpstream: observer.onUpstream,
    openSockets,
    createRate: (rate, route) => createRemoteRate(rate, () => link.ask('take', route)),
  });
  const inForce = { order: first, site: compile(compiler, first, sourceOf) };
  const load = createLoad(share(limits.requests, count));
  const context: ExchangeContext = {
    site,
    observer,
    load,
    signIns: createRemoteSignIns((code) => link.ask('redeem', code)),
    isDraining,
    monotonicMs: () => performance.now(),
    wallMs: () => clock.now().wallMs,
  };
  const attendant = attend(first.materials, {
    context,
    maxConnections: share(limits.connections, count),
    leaveOpenSockets: () => openSockets.leaveAll(),
  });
  return { count, log, tracing, tally, compiler, attendant, load, inForce, prepared: new Map() };
}

/** What is wrong with it from the start the primary has said; what goes wrong later is said here. */
async function startTracing({ observer, warn }: Log, env: StartOrder['env'], clock: Clock): Promise<Tracing> {
  let isStarted = false;
  const tracing = await createTracing({
    observer,
    log: {
      info() {},
      warn(message, fields) {
        if (isStarted) warn(message, fields);
      },
    },
    env,
    clock,
  });
  isStarted = true;
  return tracing;
}

/** One worker's part of what the machine may take: connections are spread evenly, so all together take what was configured. */
function share(limit: number, count: number): number {
  return Math.ceil(limit / count);
}

function compile(
  compiler: SiteCompiler,
  { config, routes, secrets, certificates }: SiteOrder,
  sourceOf: Surroundings['sourceOf'],
): Site {
  trustMore(certificates);
  const parts = config.routes.flatMap((route, index) => {
    const order = routes[index];
    if (order === undefined) return [];
    const { origin, spareHeader, source } = order;
    return [{ config: route, origin, spareHeader, tokens: source && sourceOf(source) }];
  });
  return compiler.compile(
    config,
    parts,
    secrets.map((keys) => keys && toClientSecret(keys)),
  );
}

function takeSource(
  sources: Map<number, RemoteTokenSource>,
  { source, request, snapshot }: SourceOrder,
  link: Link<ToPrimary>,
  clock: Clock,
): RemoteTokenSource {
  const known = sources.get(source);
  const found =
    known ??
    new RemoteTokenSource({
      request,
      clock,
      obtain: () => link.ask('obtain', source),
      replace: (serial) => link.ask('replace', { source, serial }),
      onUse: () => link.tell('used', source),
    });
  sources.set(source, found);
  found.take(snapshot);
  return found;
}

function forgetSources(sources: Map<number, RemoteTokenSource>, orders: readonly SiteOrder[]): void {
  const used = new Set(orders.flatMap(({ routes }) => routes.map(({ source }) => source?.source)));
  for (const number of sources.keys()) if (!used.has(number)) sources.delete(number);
}
