import { quote, type Refuse } from './issues.ts';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const DURATION = /^(\d{1,9})(ms|s|m|h)$/;
const LONGEST_MS = 24 * UNITS.h;
const EXAMPLES = 'Durations look like `500ms`, `70s`, `5m`, `1h`; `off` is no limit.';

/** Reads a duration into milliseconds; `off` and 0 are 0, no limit. */
export function parseDuration(value: string | number, refuse: Refuse): number | undefined {
  const text = String(value);
  if (text === 'off' || text === '0') return 0;
  if (/^\d+$/.test(text)) {
    return refuse(
      `The duration ${text} has no unit.`,
      `Write \`${text}s\` for seconds or \`${text}ms\` for milliseconds.`,
    );
  }
  const match = DURATION.exec(text);
  if (match === null) return refuse(`${quote(text)} is not a duration.`, EXAMPLES);
  const durationMs = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  if (durationMs > LONGEST_MS) return refuse(`The duration ${quote(text)} is longer than 24h.`, EXAMPLES);
  return durationMs;
}
