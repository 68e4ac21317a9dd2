import type { LogConfig } from './config.ts';
import { parseDuration } from './duration.ts';
import { quote, type Refuse } from './issues.ts';
import type { Given, GivenLog, Layer } from './layers.ts';
import { nearest } from './nearest.ts';

export const LOG_FORMATS = ['json', 'pretty', 'google'] as const;
export const LOG_LEVELS = ['info', 'warn', 'error'] as const;

export const DEFAULT_SLOW = '5s';

/** Reads what the log says, and how. Each setting is the highest layer's that has it. */
export function readLog(layers: readonly Layer[]): LogConfig {
  const read = <K extends keyof GivenLog, T>(
    key: K,
    parse: (given: NonNullable<GivenLog[K]>) => T | undefined,
  ): T | undefined => {
    const given = layers.findLast((layer) => layer.log?.[key] !== undefined)?.log?.[key];
    return given === undefined ? undefined : parse(given as NonNullable<GivenLog[K]>);
  };
  return {
    format: read('format', (given) => parseWord(given, 'a log format', LOG_FORMATS)),
    level: read('level', (given) => parseWord(given, 'a log level', LOG_LEVELS)) ?? 'info',
    sample: read('sample', ({ value, refuse }) => parseShare(value, refuse)) ?? 1,
    slowMs: read('slow', ({ value, refuse }) => parseDuration(value, refuse)) ?? 5_000,
  };
}

function parseWord<W extends string>(
  { value, refuse }: Given<string>,
  what: string,
  words: readonly W[],
): W | undefined {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const meant = nearest(value, words) ?? (value === 'warning' ? 'warn' : undefined);
  return refuse(
    `${quote(value)} is not ${what}.`,
    `${meant === undefined ? '' : `Did you mean \`${meant}\`? `}There are: ${words.join(', ')}.`,
  );
}

/** A share, as `0.1` or `10%`. */
function parseShare(value: string | number, refuse: Refuse): number | undefined {
  const text = String(value);
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const share = Number(digits) / (percent === '%' ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  return refuse(
    `${quote(text)} is not a share of the requests.`,
    'Shares look like `0.1` or `10%`, from 0 to 1.',
  );
}
