/** What JSON can say, which is all that Envoy's configuration needs. */
export type Value = string | number | boolean | readonly Value[] | Fields;
/** A map; its order is kept. */
export interface Fields {
  readonly [name: string]: Value;
}

/** Lists and maps: what can be in a document twice. */
type Collection = readonly Value[] | Fields;

/** What YAML 1.1 and 1.2 alike read as the text it is, without quotes. */
const PLAIN = /^[a-z_][\w./-]*$/i;
const WORD_OF_OTHER_MEANING = /^(?:true|false|yes|no|on|off|null|y|n|inf|nan)$/i;

/**
 * A value as a YAML document in block style. What needs quotes gets those of JSON, which YAML reads the same. A long list or map that is
 * in more than one place is written once, and referred to by its anchor.
 */
export function toYamlText(value: Value): string {
  const anchors = nameRepeated(value);
  const written = new Set<string>();

  const toLines = (collection: Collection): readonly string[] =>
    isList(collection)
      ? collection.flatMap((item) => attach('-', item, '  '))
      : Object.entries(collection).flatMap(([name, item]) =>
          attach(`${toScalar(name)}:`, item, isList(item) ? '' : '  '),
        );

  /** What introduces a value, and the value: behind it, or below it. */
  const attach = (head: string, item: Value, indent: string): readonly string[] => {
    if (!isCollection(item)) return [`${head} ${toScalar(item)}`];
    if (isEmpty(item)) return [`${head} ${isList(item) ? '[]' : '{}'}`];
    const anchor = anchors.get(JSON.stringify(item));
    if (anchor !== undefined && written.has(anchor)) return [`${head} *${anchor}`];
    if (anchor !== undefined) written.add(anchor);
    const lines = toLines(item);
    const [first = '', ...rest] = lines;
    if (anchor === undefined && head === '-') return [`- ${first}`, ...rest.map((line) => indent + line)];
    const start = anchor === undefined ? head : `${head} &${anchor}`;
    return [start, ...lines.map((line) => indent + line)];
  };

  if (!isCollection(value) || isEmpty(value)) return `${JSON.stringify(value)}\n`;
  return `${toLines(value).join('\n')}\n`;
}

/** What is shorter is easier to read where it is. */
const SHORTEST_REPEATED = 200;

/** Names for what is there more than once and worth it, by its JSON. */
function nameRepeated(value: Value): ReadonlyMap<string, string> {
  const counts = new Map<string, number>();
  const visit = (item: Value): void => {
    if (!isCollection(item)) return;
    const text = JSON.stringify(item);
    if (text.length < SHORTEST_REPEATED) return;
    const count = counts.get(text) ?? 0;
    counts.set(text, count + 1);
    if (count === 0) for (const inner of Object.values(item)) visit(inner);
  };
  visit(value);
  const repeated = [...counts].filter(([, count]) => count > 1);
  return new Map(repeated.map(([text], index) => [text, `same${index + 1}`]));
}

function toScalar(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  return PLAIN.test(value) && !WORD_OF_OTHER_MEANING.test(value) ? value : JSON.stringify(value);
}

function isCollection(value: Value): value is Collection {
  return typeof value === 'object';
}

function isEmpty(value: Collection): boolean {
  return Object.keys(value).length === 0;
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}
