import type { MetricFamily } from './instruments.ts';

/** What a scraper is given. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/**
 * Writes metrics down in Prometheus' text format, with those of the process (CPU, memory, event loop, garbage collection)
 * behind them. Families of several processes become one by what each says of itself. The library is loaded by the first
 * call: a proxy that nobody scrapes doesn't pay for it.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * @param others what other processes say of themselves (`readProcessFamilies`), by the value of the label `worker`; this one's is
 *   `primary` then
 */
export async function writeMetrics(
  processes: readonly (readonly MetricFamily[])[],
  others?: ReadonlyMap<string, readonly MetricFamily[]>,
): Promise<Exposition> {
  const { default: client } = await import('prom-client');
  processRegistry ??= createProcessRegistry(client);
  const own = client.AggregatorRegistry.aggregate([...processes]);
  const texts = [
    await own.metrics(),
    await (others === undefined ? processRegistry : await joinProcesses(client, others)).metrics(),
  ];
  return { contentType: own.contentType, body: texts.join('\n') };
}

/** What this process says of itself, as plain data. */
export async function readProcessFamilies(): Promise<readonly MetricFamily[]> {
  const { default: client } = await import('prom-client');
  processRegistry ??= createProcessRegistry(client);
  const families: readonly object[] = await processRegistry.getMetricsAsJSON();
  return families as readonly MetricFamily[];
}

/** Each series has its process's label, so none meets another's. */
async function joinProcesses(client: Client, others: ReadonlyMap<string, readonly MetricFamily[]>) {
  const all = new Map([['primary', await readProcessFamilies()], ...others]);
  return client.AggregatorRegistry.aggregate(
    [...all].map(([worker, families]) =>
      families.map((family) => ({
        ...family,
        aggregator: 'sum',
        values: family.values.map((one) => ({ ...one, labels: { ...one.labels, worker } })),
      })),
    ),
  );
}

type Client = typeof import('prom-client');

/** Of the whole process, and never taken down: its collectors can't be. */
let processRegistry: InstanceType<Client['Registry']> | undefined;

function createProcessRegistry(client: Client): InstanceType<Client['Registry']> {
  const registry = new client.Registry();
  // Ten wake-ups a second in place of a hundred: a proxy that has nothing to do is to sleep.
  client.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_MS });
  return registry;
}

const EVENT_LOOP_MS = 100;
