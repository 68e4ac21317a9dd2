import { fileURLToPath } from 'node:url';
import { listSecretVariables, toChildEnvironment } from './auth/credentials/child-environment.ts';
import { isProxyError, type ProxyError } from './errors.ts';
import type { Front, FrontParts, OpenFront } from './front.ts';
import type { MetricFamily } from './observe/instruments.ts';
import type { Fill } from './observe/state.ts';
import { findChangedCertificates } from './relay/client/listen.ts';
import type { RateLimit } from './relay/rate-limit.ts';
import { requestIdPrefix } from './relay/request-id.ts';
import { findSources, type LoadedSite } from './site-loader.ts';
import { type Order, prepareOrder } from './site-order.ts';
import { createCrew, type Worker, type WorkerEvent } from './workers/crew.ts';
import { createHandOver } from './workers/hand-over.ts';
import { createLedger } from './workers/ledger.ts';
import type { LogSettings, Report } from './workers/protocol.ts';
import { openReception } from './workers/reception.ts';
import { spawnWorker } from './workers/spawn.ts';
import { createTokenDesk } from './workers/token-desk.ts';

export interface CrewFrontOptions {
  /** How many workers. */
  readonly count: number;
  /** The environment that the proxy goes by. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: LogSettings;
  readonly onWorker: (event: WorkerEvent) => void;
  /** For jitter. */
  readonly random?: () => number;
}

/** A worker that isn't there by then won't be. */
const START_MS = 30_000;
/** A worker that doesn't answer for so long is ended, and started again with the configuration in force. */
const PREPARE_MS = 10_000;
/** Whoever asks for metrics or readiness waits no longer than this for a worker that does something else. */
const REPORT_MS = 500;
/** One that takes no connection, and doesn't answer then either, is ended as well. */
const STUCK_MS = 1_000;
/** What a worker may take beyond its deadline: WebSockets have half a second to answer, and its last spans two to be sent. */
const CLOSE_GRACE_MS = 3_000;

/** The worker's program, as it is beside this file: source or built. */
const PROGRAM = fileURLToPath(
  new URL(`./command-line/worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);

/**
 * Lets other processes of this program take the requests. This one owns the addresses and the tokens, gives away each connection,
 * and starts a worker again that has ended.
 */
export function createCrewFront(options: CrewFrontOptions): OpenFront {
  return (parts) => openCrewFront(options, parts);
}

async function openCrewFront(options: CrewFrontOptions, parts: FrontParts): Promise<Front> {
  const { count, env, log, onWorker, random = Math.random } = options;
  const { loaded, inForce, clock, signIns, isDraining } = parts;
  const desk = createTokenDesk(clock);
  const ledger = createLedger();
  const handOver = createHandOver({
    clock,
    most: () => inForce().config.limits.connections,
    onStuck(worker) {
      worker.link.ask('report', false, STUCK_MS).catch(worker.kill);
    },
  });
  const reports = new Map<Worker, Report>();
  const processes = new Map<Worker, readonly MetricFamily[]>();
  let orderCount = 1;
  let order = await prepareOrder(orderCount, loaded, desk);
  /** What each worker goes by. */
  const orders = new WeakMap<Worker, Order>();
  let starts = 0;
  const reception = await openReception(loaded.config.listen, handOver.give);
  // While workers start there is time for it.
  void loaded.mintAll();

  /** There may have been a reload meanwhile. */
  const catchUp = async (worker: Worker): Promise<void> => {
    while (orders.get(worker) !== order) {
      const next = order;
      await worker.link.ask('prepare', { number: next.number, site: next.make() }, PREPARE_MS);
      await worker.link.ask('apply', next.number, PREPARE_MS);
      orders.set(worker, next);
    }
  };
  const begin = async (worker: Worker): Promise<void> => {
    starts += 1;
    const first = order;
    await worker.link.ask(
      'start',
      {
        worker: worker.number,
        idPrefix: `${requestIdPrefix()}${starts.toString(36)}`,
        count,
        isCounting: loaded.config.admin !== undefined,
        env: find(WORKER_VARIABLE, env),
        log,
        site: first.make(),
      },
      START_MS,
    );
    orders.set(worker, first);
    await catchUp(worker);
    if (isDraining()) worker.link.tell('ending', undefined);
  };
  const tellTokens = (workers: readonly Worker[], sources: readonly number[]): void => {
    for (const source of sources) {
      const news = { source, snapshot: desk.snapshot(source) };
      for (const { link } of workers) link.tell('token', news);
    }
  };
  const crew = createCrew({
    count,
    clock,
    random,
    spawn: () => spawnWorker(PROGRAM, toWorkerEnvironment(inForce())),
    begin,
    handlers: (worker) => ({
      obtain: (source) => desk.obtain(source),
      replace: ({ source, serial }) => desk.replace(source, serial),
      used: (source) => desk.use(source),
      redeem: (code) => signIns.use(code, clock.now().wallMs),
      take: (route) => findRate(inForce(), route)?.take(performance.now()) ?? 0,
      taken: () => handOver.onTaken(worker()),
      closed: (count) => handOver.onClosed(worker(), count),
    }),
    onUp(worker) {
      // What came while it was starting it has not heard.
      tellTokens([worker], desk.numbers());
      const add = (): void => {
        if (crew.running().includes(worker)) handOver.add(worker);
      };
      if (orders.get(worker) === order) add();
      else catchUp(worker).then(add, worker.kill);
    },
    onGone(worker) {
      handOver.remove(worker);
      ledger.close(worker);
      reports.delete(worker);
      processes.delete(worker);
    },
    onEvent: onWorker,
  });
  try {
    await crew.start();
  } catch (error) {
    reception.close();
    handOver.close();
    throw error;
  }

  const report = async (worker: Worker, isFull: boolean): Promise<void> => {
    const told = await worker.link.ask('report', isFull, REPORT_MS).catch(() => undefined);
    if (told === undefined || !crew.running().includes(worker)) return;
    reports.set(worker, told);
    if (told.counts === undefined) return;
    ledger.enter(worker, told.counts.counted);
    processes.set(worker, told.counts.process);
  };
  const toFill = (what: 'requests' | 'connections'): Fill => ({
    count: [...reports.values()].reduce((total, told) => total + told[what].count, 0),
    limit: inForce().config.limits[what],
  });
  return {
    addresses: reception.addresses,
    fills: () => ({ requests: toFill('requests'), connections: toFill('connections') }),
    upstreams: () => [...reports.values()].flatMap(({ upstreams }) => upstreams),
    crew: () => ({
      count,
      running: crew.running().length,
      restarts: crew.restarts,
      counted: ledger.all(),
      processes: new Map([...processes].map(([{ number }, families]) => [String(number), families])),
    }),
    async look(isFull) {
      await Promise.all(crew.running().map((worker) => report(worker, isFull)));
    },
    onToken(event) {
      tellTokens(crew.running(), desk.affected(event));
    },
    onEnding() {
      for (const { link } of crew.running()) link.tell('ending', undefined);
    },
    async prepare(next) {
      orderCount += 1;
      const nextOrder = await prepareOrder(orderCount, next, desk);
      const ready = crew.running();
      const answers = await Promise.all(ready.map((worker) => prepareOne(worker, nextOrder)));
      const drop = (): void => {
        for (const { link } of ready) link.tell('drop', nextOrder.number);
        desk.keepOnly(findSources(inForce().routes));
      };
      const refusal = answers.find((answer) => answer !== undefined);
      if (refusal !== undefined) {
        drop();
        throw refusal;
      }
      return {
        certFiles: findChangedCertificates(next.config.listen, order.materials, nextOrder.materials),
        async apply() {
          order = nextOrder;
          const applyTo = async (worker: Worker): Promise<void> => {
            if (!ready.includes(worker)) return catchUp(worker);
            await worker.link.ask('apply', nextOrder.number, PREPARE_MS);
            orders.set(worker, nextOrder);
          };
          await Promise.all(crew.running().map((worker) => applyTo(worker).catch(worker.kill)));
          desk.keepOnly(findSources(next.routes));
        },
        drop,
      };
    },
    async close(deadlineMs) {
      reception.close();
      handOver.close();
      crew.retire();
      const closeOne = ({ link }: Worker): Promise<void> =>
        link.ask('close', deadlineMs, deadlineMs + CLOSE_GRACE_MS).catch(() => {});
      await Promise.all(crew.running().map(closeOne));
      await crew.close();
    },
  };
}

/** What the worker refuses; undefined for one that is ready, and for one that has ended, or is ended as it doesn't answer. */
async function prepareOne(worker: Worker, { number, make }: Order): Promise<ProxyError | undefined> {
  try {
    await worker.link.ask('prepare', { number, site: make() }, PREPARE_MS);
  } catch (error) {
    if (isProxyError(error) && error.code === 'config_invalid') return error;
    worker.kill();
  }
  return undefined;
}

function findRate({ site }: LoadedSite, name: string): RateLimit | undefined {
  return site.routeList.find((route) => route.name === name)?.rate;
}

/** What a worker's process starts with: Node's own settings, and no secret of ours. */
function toWorkerEnvironment({ config }: LoadedSite): Record<string, string> {
  const secretVariables = [config.listen, config.credentials].flatMap(listSecretVariables);
  // OpenTelemetry's libraries read theirs where they are; headers of its exporter are no secret to us.
  return {
    ...toChildEnvironment({ env: process.env, secretVariables }),
    ...find(TRACING_VARIABLE, process.env),
  };
}

const TRACING_VARIABLE = /^OTEL_/;
const WORKER_VARIABLE = /^(?:(?:https?|all|no)_proxy|REQUEST_METHOD|OTEL_\w+)$/i;

function find(variable: RegExp, env: CrewFrontOptions['env']): Record<string, string> {
  const found = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && variable.test(entry[0]),
  );
  return Object.fromEntries(found);
}
