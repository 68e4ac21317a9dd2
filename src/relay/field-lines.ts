/** Field lines as Node gives and takes them: name, value, name, value, in order, case kept. */
export type FieldLines = readonly string[];

/** How many spellings are remembered per direction; enough for every real client, bounded against made-up names. */
const REMEMBERED_NAMES = 1_024;

/** Remembers what `find` says of a name, by its exact spelling: lower-casing each name of each request costs more. */
export function rememberByName<T>(find: (lowerName: string) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    const hit = known.get(name);
    if (hit !== undefined) return hit;
    const found = find(name.toLowerCase());
    if (known.size < REMEMBERED_NAMES) known.set(name, found);
    return found;
  };
}

/** Whether a field gives the token away. All of a token's characters may stand in a name, too. */
export function holdsToken(name: string, value: string, token: string): boolean {
  return (
    (value.length >= token.length && value.includes(token)) ||
    (name.length >= token.length && name.includes(token))
  );
}

/** Repeated values of one field as one, in order (RFC 9110, section 5.3). */
export function joinValues(seen: string | undefined, value: string): string {
  return seen === undefined ? value : `${seen}, ${value}`;
}

/** The text between two places without the spaces and tabs around it (OWS, RFC 9110, section 5.6.3), which are all that doesn't count. */
export function trim(text: string, begin = 0, end = text.length): string {
  let first = begin;
  let last = end;
  while (first < last && isSpace(text.charCodeAt(first))) first += 1;
  while (last > first && isSpace(text.charCodeAt(last - 1))) last -= 1;
  return text.slice(first, last);
}

function isSpace(character: number): boolean {
  return character === 0x20 || character === 0x09;
}

/** `Connection` values that name nothing beyond the connection itself, so that no set has to be made for them. */
const PLAIN_CONNECTION = /^(?:keep-alive|close|upgrade|te|,|[ \t])*$/i;

/** The field names a `Connection` value lists (RFC 9110, section 7.6.1), lower case; undefined when it names none but the usual. */
export function namesInConnection(connection: string): ReadonlySet<string> | undefined {
  if (PLAIN_CONNECTION.test(connection)) return undefined;
  const names = connection.split(',').map((name) => trim(name).toLowerCase());
  return new Set(names.filter((name) => name !== ''));
}

/** The value of the first field line of this name (lower case). */
export function findValue(lines: FieldLines, lowerName: string): string | undefined {
  for (let i = 0; i + 1 < lines.length; i += 2)
    if (lines[i]?.toLowerCase() === lowerName) return lines[i + 1];
  return undefined;
}
