import { type Rounds, toMedians, toRatio } from './figures.ts';
import type { StartUp } from './start-up.ts';

/** Below this share of its core a contender waited: for the load generator, or for others on the machine. */
const BUSY = 0.9;

/** Everyone's figures are also given as multiples of these. */
const YARDSTICKS = ['http-proxy', 'http-proxy-keep-alive', 'node-http', 'nginx'];

/** The throughput table. */
export function toThroughputTable(all: readonly Rounds[]): string {
  const yardsticks = YARDSTICKS.flatMap((name) => all.filter((one) => one.name === name));
  const ratios = yardsticks.map(({ label }) => `x ${label}`);
  const head = ['contender', 'req/s', ...ratios, 'p50 ms', 'p99 ms', 'CPU s/10k', 'RSS MB'];
  const rows = all.map(({ label, rounds }) => {
    const medians = toMedians(rounds);
    return [
      label,
      `${medians.busy < BUSY ? '>' : ''}${format(medians.requestsPerSecond, 0)}`,
      ...yardsticks.map((yardstick) => format(toRatio(rounds, yardstick.rounds), 2)),
      format(medians.p50Ms, 2),
      format(medians.p99Ms, 2),
      format(medians.cpuSecondsPer10k, 3),
      format(medians.rssBytes / 1e6, 0),
    ];
  });
  return toTable([head, ...rows]);
}

/** The start-up table. */
export function toStartUpTable(all: readonly StartUp[]): string {
  const head = ['start-up', 'accepting ms', 'first answer ms', 'node -e 0 ms', 'x node -e 0'];
  const rows = all.map((one) => [
    one.label,
    format(one.acceptingMs, 0),
    format(one.answeredMs, 0),
    format(one.nodeMs, 0),
    format(one.ratio, 2),
  ]);
  return toTable([head, ...rows]);
}

/** A figure for people; `-` for one that could not be taken. */
export function format(value: number, digits: number): string {
  if (Number.isNaN(value)) return '-';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Columns aligned: the first to the left, figures to the right. */
export function toTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.join('\n');
}
