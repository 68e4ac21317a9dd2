import type { Sample, SoakReport } from './soak.ts';

const MEGABYTE = 1_048_576;

type Column = readonly [
  title: string,
  width: number,
  toText: (sample: Sample, before: Sample | undefined) => string,
];

const count = (value: number | undefined): string => (value ?? Number.NaN).toLocaleString('en');
const megabytes = (bytes: number): string => (bytes / MEGABYTE).toFixed(1);

const COLUMNS: readonly Column[] = [
  ['seconds', 7, ({ atMs }) => (atMs / 1_000).toFixed(0)],
  ['requests', 10, ({ load }) => count(load.requests)],
  [
    'a second',
    9,
    (now, before) =>
      now.phase === 'at rest'
        ? now.phase
        : count(
            Math.round(
              (now.load.requests - (before?.load.requests ?? 0)) / ((now.atMs - (before?.atMs ?? 0)) / 1_000),
            ),
          ),
  ],
  ['left', 7, ({ load }) => count(load.left)],
  ['failed', 6, ({ load }) => count(load.faultCount)],
  ['reloads', 7, ({ reloads }) => count(reloads)],
  ['tokens', 6, ({ mints }) => count(mints)],
  ['heap MB', 7, ({ measure }) => megabytes(measure.heapBytes)],
  ['buffers MB', 10, ({ measure }) => megabytes(measure.externalBytes)],
  ['resident MB', 11, ({ measure }) => megabytes(measure.residentBytes)],
  ['files', 5, ({ measure }) => count(measure.files)],
  ['sockets', 7, ({ measure }) => count(measure.sockets)],
  ['timers', 6, ({ measure }) => count(measure.timers)],
];

/** The titles of `toRow`'s columns. */
export function toTitles(): string {
  return COLUMNS.map(([title, width]) => title.padStart(width)).join('  ');
}

/** @param before the sample before it, for how fast it goes */
export function toRow(sample: Sample, before: Sample | undefined): string {
  return COLUMNS.map(([, width, toText]) => toText(sample, before).padStart(width)).join('  ');
}

/** What it came to, in a few lines; the last says whether all is held. */
export function toSummary(report: SoakReport, wanted: number): string {
  const { before, after, reloads, mints, findings } = report;
  const lines = findings.map((finding) => `FINDING: ${finding}\n`);
  if (before !== undefined && after !== undefined) {
    const { load, state, atMs } = after;
    const all =
      load.requests < wanted
        ? `${count(load.requests)} of ${count(wanted)} (time was up)`
        : count(load.requests);
    const seconds = atMs / 1_000;
    const kinds = Object.entries(load.kinds).toSorted(([, one], [, other]) => other - one);
    const perRoute = Object.entries(mints).filter(([audience]) => audience.endsWith('.soak.test'));
    const least = Math.min(
      ...perRoute.flatMap(([audience, many]) => (audience.includes('guest') ? [] : [many])),
    );
    const pair = (what: string, was: number | undefined, is: number | undefined): string =>
      `${what} ${count(was)} -> ${count(is)}`;
    const memory = (what: string, was: number, is: number): string =>
      `${what} ${megabytes(was)} -> ${megabytes(is)} MB (${is < was ? '' : '+'}${((is / was - 1) * 100).toFixed(1)} %)`;
    const [was, is] = [before.measure, after.measure];
    lines.push(
      `requests     ${all} in ${seconds.toFixed(0)} s; ${count(load.left)} given up by their clients; ${count(load.faultCount)} failed`,
      `             ${kinds.map(([kind, many]) => `${count(many)} ${kind}`).join(', ')}`,
      `WebSockets   ${state.inFlight} open throughout, ${count(load.echoes)} echoes`,
      `reloads      ${Object.entries(reloads)
        .map(([name, many]) => `${many} ${name}`)
        .join(', ')}`,
      `tokens       ${count(after.mints)}, each route's renewed at least ${count(least - 1)} times; ${count(state.mintFailures)} mints failed`,
      `retries      ${count(state.retries)}; answered by the proxy itself: ${JSON.stringify(state.errors)}`,
      `at rest, after ${count(before.load.requests)} requests and after all:`,
      `             ${memory('heap', was.heapBytes, is.heapBytes)}, ${memory('buffers', was.externalBytes, is.externalBytes)}, ${memory('resident', was.residentBytes, is.residentBytes)}`,
      `             ${pair('files', was.files, is.files)}, ${pair('sockets', was.sockets, is.sockets)}, ${pair('timers', was.timers, is.timers)}`,
    );
  }
  lines.push(findings.length === 0 ? 'soak: held' : `soak: NOT HELD, ${findings.length} findings`);
  return lines.join('\n');
}
