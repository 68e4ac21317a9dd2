import type { RateConfig } from './config.ts';
import { quote, type Refuse } from './issues.ts';

const PERIODS = { s: 1_000, min: 60_000, h: 3_600_000 } as const;
/** Other words for a period. */
const MEANT: Readonly<Record<string, keyof typeof PERIODS>> = {
  sec: 's',
  second: 's',
  seconds: 's',
  m: 'min',
  minute: 'min',
  minutes: 'min',
  hr: 'h',
  hour: 'h',
  hours: 'h',
};
const RATE = /^(\d{1,9}) ?\/ ?([A-Za-z]+)$/;
const MOST = 1_000_000;
const EXAMPLES = 'Rates look like `100/s`, `600/min`, `5000/h`.';

/** Reads how many requests may come in which time. */
export function parseRate(text: string, refuse: Refuse): RateConfig | undefined {
  const [, digits, period] = RATE.exec(text) ?? [];
  if (digits === undefined || period === undefined) return refuse(`${quote(text)} is not a rate.`, EXAMPLES);
  if (!Object.hasOwn(PERIODS, period)) {
    const meant = Object.hasOwn(MEANT, period.toLowerCase()) ? MEANT[period.toLowerCase()] : undefined;
    const hint = meant === undefined ? EXAMPLES : `Write \`${digits}/${meant}\`.`;
    return refuse(`The rate ${quote(text)} has a period that isn't known.`, hint);
  }
  const count = Number(digits);
  if (count === 0 || count > MOST) {
    return refuse(`The rate ${quote(text)} has to be from 1 to ${MOST} in a period.`, EXAMPLES);
  }
  return { count, periodMs: PERIODS[period as keyof typeof PERIODS] };
}
