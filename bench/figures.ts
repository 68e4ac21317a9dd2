/** What one contender did in one round. Memory and CPU are NaN where they can't be read. */
export interface Round {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time for each 10,000 requests, in seconds. */
  readonly cpuSecondsPer10k: number;
  /** Share of its core the contender used; well below 1 means the load was too small to tell how fast it is. */
  readonly busy: number;
  readonly rssBytes: number;
}

/** One contender's rounds, in the order they were run. */
export interface Rounds {
  readonly name: string;
  readonly label: string;
  readonly rounds: readonly Round[];
}

/** Each figure's median over the rounds. */
export function toMedians(rounds: readonly Round[]): Round {
  const of = (figure: keyof Round): number => median(rounds.map((round) => round[figure]));
  return {
    requests: of('requests'),
    requestsPerSecond: of('requestsPerSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    cpuSecondsPer10k: of('cpuSecondsPer10k'),
    busy: of('busy'),
    rssBytes: of('rssBytes'),
  };
}

/**
 * How many times `other`'s requests per second: the median of the ratios of rounds run side by side, because what
 * disturbs a machine for seconds disturbs both and cancels out.
 */
export function toRatio(rounds: readonly Round[], other: readonly Round[]): number {
  return median(
    rounds.map((round, index) => round.requestsPerSecond / (other[index]?.requestsPerSecond ?? Number.NaN)),
  );
}

/** The middle value; the mean of the two in the middle where their number is even. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** The value that this share of all values is at or below, as 0.99. NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
