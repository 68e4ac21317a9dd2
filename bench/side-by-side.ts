import type { Contender } from './contenders/contender.ts';
import { contenders, handWrittenHttp2, unbuffered } from './contenders/list.ts';
import { median } from './figures.ts';
import type { PinnedProcess } from './pinned-process.ts';
import type { Stage } from './stage.ts';
import { format, toTable } from './table.ts';

/** A row of its own: something measured by a client of its own, through proxies and straight to the upstream. */
export interface Row {
  /** What `--only` calls it. */
  readonly name: string;
  /** @throws when anything doesn't arrive as it was sent. */
  measure(stage: Stage, isQuick: boolean): Promise<readonly Comparison[]>;
}

/** Everyone's rounds of one kind of measurement. */
export interface Comparison {
  readonly title: string;
  readonly table: string;
  readonly entries: readonly { readonly label: string; readonly rounds: readonly object[] }[];
}

/** Somebody whose turn it can be: the way straight to the upstream, or one through a proxy. */
export interface Entrant {
  readonly label: string;
  start(upstreamUrl: string, stage: Stage): Promise<Way>;
}

/** A way to the upstream. */
export interface Way {
  readonly url: string;
  /** The proxy on the way; none when it is straight. */
  readonly process?: PinnedProcess;
}

/** What everyone's figures are compared with. */
export const direct: Entrant = { label: 'direct', start: async (url) => ({ url }) };

/** The direct way, then those of these contenders that there are on this machine, in this order. */
export function toEntrants(...names: readonly string[]): readonly Entrant[] {
  const all = [...contenders, ...unbuffered, handWrittenHttp2];
  const named = (name: string): readonly Contender[] => all.filter((one) => one.name === name);
  return [direct, ...names.flatMap(named)];
}

/** One entrant's rounds, in the order they were run. */
export interface Entry<F> {
  readonly label: string;
  readonly rounds: readonly F[];
}

/**
 * Gives each entrant its turn, round after round, so that a slow moment of the machine hits all of them. The first round warms
 * up and doesn't count.
 */
export async function takeTurns<E extends { readonly label: string }, F>(
  entrants: readonly E[],
  rounds: number,
  measure: (entrant: E, isWarmUp: boolean) => Promise<F>,
): Promise<readonly Entry<F>[]> {
  const turns = entrants.map((entrant) => ({ entrant, measured: [] as F[] }));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { entrant, measured } of turns) measured.push(await measure(entrant, round === 0));
  }
  return turns.map(({ entrant: { label }, measured }) => ({ label, rounds: measured.slice(1) }));
}

/** A column of the table: a figure of an entry, or what it is next to the direct way's. */
export interface Column<F> {
  readonly head: string;
  readonly digits: number;
  toValue(entry: Entry<F>, direct: Entry<F>): number;
}

type FigureOf<F> = (round: F) => number;

/** The median over the rounds. */
export function own<F>(head: string, digits: number, figure: FigureOf<F>): Column<F> {
  return { head, digits, toValue: ({ rounds }) => median(rounds.map(figure)) };
}

/** The largest of all rounds. */
export function most<F>(head: string, digits: number, figure: FigureOf<F>): Column<F> {
  return { head, digits, toValue: ({ rounds }) => Math.max(...rounds.map(figure)) };
}

/** How many times the direct way's: taken within each round, then the median. */
export function times<F>(head: string, figure: FigureOf<F>): Column<F> {
  return { head, digits: 2, toValue: pairwise(figure, (a, b) => a / b) };
}

/** How much above the direct way's: taken within each round, then the median. */
export function above<F>(head: string, digits: number, figure: FigureOf<F>): Column<F> {
  return { head, digits, toValue: pairwise(figure, (a, b) => a - b) };
}

function pairwise<F>(figure: FigureOf<F>, compare: (a: number, b: number) => number): Column<F>['toValue'] {
  return (entry, straight) =>
    entry === straight
      ? Number.NaN
      : median(
          entry.rounds.map((round, index) => {
            const other = straight.rounds[index];
            return other === undefined ? Number.NaN : compare(figure(round), figure(other));
          }),
        );
}

/** A table of everyone, the direct way first. */
export function toComparison<F extends object>(
  title: string,
  entries: readonly Entry<F>[],
  columns: readonly Column<F>[],
): Comparison {
  const [straight] = entries;
  const rows = entries.map((entry) => [
    entry.label,
    ...columns.map(({ digits, toValue }) => format(toValue(entry, straight ?? entry), digits)),
  ]);
  return { title, table: toTable([[title, ...columns.map(({ head }) => head)], ...rows]), entries };
}
