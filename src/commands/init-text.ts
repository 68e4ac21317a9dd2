import { styleText } from 'node:util';
import { describeFound, toPlain } from '../discovery/config-text.ts';
import type { Discovery } from '../discovery/discover.ts';
import type { Planned } from '../discovery/plan.ts';
import type { Io } from './io.ts';

/** `init` for people, on stderr. */
export interface InitText {
  /** Shows how far it is; on a terminal only. `total` is undefined while services are listed. */
  readonly onProgress: (done: number, total: number | undefined) => void;
  readonly endProgress: () => void;
  /** What wasn't seen. */
  writeGaps(discovery: Discovery): void;
  /** That there is nothing to call, and why. */
  writeNothing(project: string, regions: readonly string[], planned: readonly Planned[]): void;
  /** What was written; `file` is undefined for stdout. */
  writeSummary(file: string | undefined, planned: readonly Planned[]): void;
}

/** Back to the start of the line, and empty it. */
const ERASE_LINE = '\r\u001b[K';
const BAR_WIDTH = 24;

export function createInitText({ stderr, terminal, colour, env }: Io): InitText {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const showsProgress = terminal && env.TERM !== 'dumb';
  let isPending = false;
  const write = (line: string): void => {
    stderr.write(`${line}\n`);
  };
  return {
    onProgress(done, total) {
      if (!showsProgress) return;
      isPending = true;
      const state =
        total === undefined ? 'Looking for services and functions' : renderBar(done, total, paint);
      stderr.write(`${ERASE_LINE}${state}`);
    },
    endProgress() {
      if (isPending) stderr.write(ERASE_LINE);
      isPending = false;
    },
    writeGaps({ unreachable, refused }) {
      for (const { product, region } of unreachable)
        write(
          `${paint('yellow', 'warning')}  ${product} in ${toPlain(region)} did not answer: what is there is missing.`,
        );
      for (const { message, hint } of refused) {
        write(`${paint('yellow', 'warning')}  ${message}`);
        if (hint !== undefined) write(`           ${hint}`);
      }
    },
    writeNothing(project, regions, planned) {
      const where = regions.length === 0 ? '' : ` in ${regions.join(', ')}`;
      const what = planned.length === 0 ? 'no service and no function' : 'nothing to call';
      write(`There is ${what} in the project ${project}${where}.`);
      for (const { found, leftOut } of planned) {
        write(`  ${describeFound(found)}: ${toPlain(leftOut?.because ?? '')}.`);
        if (leftOut?.hint !== undefined) write(`    ${leftOut.hint}`);
      }
    },
    writeSummary(file, planned) {
      const routes = planned.filter(({ leftOut }) => leftOut === undefined);
      const rest = planned.length - routes.length;
      const left = rest === 0 ? '' : `; ${rest} left out, with the reason in a comment`;
      write(
        `${file === undefined ? 'Found' : `${file} has`} ${routes.length} ${routes.length === 1 ? 'route' : 'routes'}${left}.`,
      );
      if (file === undefined) return;
      const flag = file === 'proxy.yaml' ? '' : ` --config ${file}`;
      write(`Go on with: ${paint('cyan', `gcp-bearer-proxy check${flag}`)}`);
    },
  };
}

function renderBar(done: number, total: number, paint: (style: 'cyan', text: string) => string): string {
  const filled = total === 0 ? BAR_WIDTH : Math.floor((BAR_WIDTH * done) / total);
  const bar = paint('cyan', '#'.repeat(filled)) + '-'.repeat(BAR_WIDTH - filled);
  return `[${bar}] ${done}/${total} May they be called?`;
}
