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
 */
export async function writeMetrics(processes: readonly (readonly MetricFamily[])[]): Promise<Exposition> {
  const { default: client } = await import('prom-client');
  processRegistry ??= createProcessRegistry(client);
  const own = client.AggregatorRegistry.aggregate([...processes]);
  const texts = [await own.metrics(), await processRegistry.metrics()];
  return { contentType: own.contentType, body: texts.join('\n') };
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
