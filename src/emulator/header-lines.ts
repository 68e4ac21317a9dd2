/** One header line as `[name, value]`. */
export type HeaderLine = readonly [name: string, value: string];

/** The value of a header, by its name in lower case; of several lines, all of them, which no credential survives. */
export function readHeader(lines: readonly HeaderLine[], name: string): string | undefined {
  const values = lines.filter((line) => line[0].toLowerCase() === name).map((line) => line[1]);
  return values.length === 0 ? undefined : values.join(', ');
}

/** The token of a `Bearer` credential (RFC 6750, section 2.1) in a header; undefined where there is none. */
export function readBearerToken(lines: readonly HeaderLine[], name: string): string | undefined {
  return /^bearer +(.+)$/i.exec(readHeader(lines, name) ?? '')?.[1];
}
