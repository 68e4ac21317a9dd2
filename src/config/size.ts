import { quote, type Refuse } from './issues.ts';

const UNITS = {
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
} as const;
const SIZE = /^(\d{1,15})([A-Za-z]*)$/;
const LARGEST_BYTES = 1_024 * UNITS.GiB;
const EXAMPLES = 'Sizes look like `512B`, `64KiB`, `32MiB`, `1GiB`, or `10MB` for ten million bytes.';

/** Reads a size into bytes; a number without a unit is bytes. Nothing is no size: what has no limit has none written. */
export function parseSize(value: string | number, refuse: Refuse): number | undefined {
  const text = String(value);
  const [, digits, unit = ''] = SIZE.exec(text) ?? [];
  if (digits === undefined) return refuse(`${quote(text)} is not a size.`, EXAMPLES);
  const factor = unit === '' ? 1 : Object.hasOwn(UNITS, unit) ? UNITS[unit as keyof typeof UNITS] : undefined;
  if (factor === undefined) {
    return refuse(`The size ${quote(text)} has a unit that isn't known.`, hintForUnit(digits, unit));
  }
  const sizeBytes = Number(digits) * factor;
  if (sizeBytes > LARGEST_BYTES) return refuse(`The size ${quote(text)} is more than 1024GiB.`, EXAMPLES);
  if (sizeBytes === 0) {
    return refuse('This size is nothing at all.', 'For no limit leave it out; `1B` is the least there is.');
  }
  return sizeBytes;
}

/** Most write `mb` or `m` and mean either of two. */
function hintForUnit(digits: string, unit: string): string {
  const letter = unit.charAt(0).toUpperCase();
  const [binary, decimal] = [`${letter}iB`, letter === 'K' ? 'kB' : `${letter}B`];
  if (!Object.hasOwn(UNITS, binary) || unit.length > 3) return EXAMPLES;
  return `Write \`${digits}${binary}\` (powers of 1024) or \`${digits}${decimal}\` (powers of 1000).`;
}
