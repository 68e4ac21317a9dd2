import type { MetricFamily, MetricValue } from '../observe/instruments.ts';

/** What was counted by all workers there are and were, so that no sum ever gets less. */
export interface Ledger {
  /** What a worker has counted since it was started. */
  enter(worker: object, families: readonly MetricFamily[]): void;
  /** It is gone; what it has counted stays. */
  close(worker: object): void;
  all(): readonly (readonly MetricFamily[])[];
}

export function createLedger(): Ledger {
  const current = new Map<object, readonly MetricFamily[]>();
  let closed: readonly MetricFamily[] = [];
  return {
    enter: (worker, families) => void current.set(worker, families),
    close(worker) {
      const last = current.get(worker);
      current.delete(worker);
      // What can get less, as open connections do, has gone with it.
      if (last !== undefined)
        closed = add(
          closed,
          last.filter(({ type }) => type !== 'gauge'),
        );
    },
    all: () => [closed, ...current.values()],
  };
}

function add(some: readonly MetricFamily[], others: readonly MetricFamily[]): readonly MetricFamily[] {
  const byName = new Map(some.map((family) => [family.name, family]));
  for (const family of others) {
    const known = byName.get(family.name);
    byName.set(family.name, {
      ...family,
      values: known === undefined ? family.values : addValues([...known.values, ...family.values]),
    });
  }
  return [...byName.values()];
}

function addValues(values: readonly MetricValue[]): readonly MetricValue[] {
  const bySeries = new Map<string, MetricValue>();
  for (const one of values) {
    const key = JSON.stringify([one.metricName, one.labels]);
    bySeries.set(key, { ...one, value: one.value + (bySeries.get(key)?.value ?? 0) });
  }
  return [...bySeries.values()];
}
