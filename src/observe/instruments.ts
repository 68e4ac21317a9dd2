/** One metric with all its series, as plain data: what a process can send to another, and what the library that writes them takes. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What becomes of the same series from several processes. */
  readonly aggregator: 'sum' | 'min' | 'max';
  readonly values: readonly MetricValue[];
}

export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Where it isn't the family's: `…_bucket`, `…_sum`, `…_count`. */
  readonly metricName?: string;
}

/** A number that somebody counts up. Held by whoever counts, so that counting is an addition and nothing else. */
export interface Count {
  value: number;
}

/** Counts by label. Ask for a count once and keep it: to find it costs more than to count. */
export interface Counter {
  /** The count for these values of the labels, in their order; 0 from then on. */
  of(...labels: readonly string[]): Count;
  toFamily(): MetricFamily;
}

interface Description {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** A counter; also of what can get less (`gauge`), as open connections do. */
export function createCounter(
  { name, help, labels }: Description,
  type: 'counter' | 'gauge' = 'counter',
): Counter {
  const series = createSeries(labels, (): Count => ({ value: 0 }));
  return {
    of: series.of,
    toFamily: () => ({
      name,
      help,
      type,
      aggregator: 'sum',
      values: series.all().map(([named, { value }]) => ({ value, labels: named })),
    }),
  };
}

/** Sorts what it is told into buckets. */
export interface Distribution {
  record(value: number): void;
}

export interface Histogram {
  /** As `Counter.of`. */
  of(...labels: readonly string[]): Distribution;
  toFamily(): MetricFamily;
}

/** @param bounds upper bounds of the buckets, in order; one more takes what is above them all */
export function createHistogram({ name, help, labels }: Description, bounds: readonly number[]): Histogram {
  const series = createSeries(labels, () => new Buckets(bounds));
  return {
    of: series.of,
    toFamily: () => ({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values: series.all().flatMap(([named, buckets]) => buckets.toValues(name, named)),
    }),
  };
}

class Buckets implements Distribution {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  record(value: number): void {
    this.#sum += value;
    this.#count += 1;
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length; i += 1) {
      if (value > (bounds[i] as number)) continue;
      (this.#counts[i] as number) += 1;
      return;
    }
  }

  toValues(name: string, labels: MetricValue['labels']): readonly MetricValue[] {
    let below = 0;
    const buckets = this.#bounds.map((bound, i) => {
      below += this.#counts[i] as number;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: this.#count },
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: this.#count },
    ];
  }
}

interface Series<S> {
  of(...values: readonly string[]): S;
  all(): readonly (readonly [labels: Readonly<Record<string, string>>, series: S])[];
}

function createSeries<S>(names: readonly string[], create: () => S): Series<S> {
  const known = new Map<string, readonly [Readonly<Record<string, string>>, S]>();
  return {
    of(...values) {
      const key = JSON.stringify(values);
      const found = known.get(key);
      if (found !== undefined) return found[1];
      const made = create();
      known.set(key, [Object.fromEntries(names.map((name, i) => [name, values[i] ?? ''])), made]);
      return made;
    },
    all: () => [...known.values()],
  };
}
