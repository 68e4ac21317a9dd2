/** The lowest minor version taken of each older release line; lines from `NEWEST_LINE` on are all taken. */
const LOWEST_MINOR: Readonly<Record<string, number>> = { 22: 19, 24: 11 };
const NEWEST_LINE = 26;

/** Whether a Node version (`22.19.0`) is one this package runs on: the same rule as `engines` in `package.json`. */
export function isSupportedNode(version: string): boolean {
  const [major = '0', minor = '0'] = version.replace(/^v/, '').split('.');
  if (Number(major) >= NEWEST_LINE) return true;
  const lowest = LOWEST_MINOR[major];
  return lowest !== undefined && Number(minor) >= lowest;
}
