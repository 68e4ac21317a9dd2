/** What belongs to everybody and leads everywhere. */
const OUTSIDE: ReadonlySet<unknown> = new Set([
  globalThis,
  process,
  console,
  Object.prototype,
  Function.prototype,
]);

/**
 * Every text and number of bytes that can be reached from something without asking it (no accessor runs): own properties of
 * every kind, symbols and those that aren't enumerable among them, prototypes, causes, the members of collections.
 */
export function collectTexts(root: unknown): readonly string[] {
  const texts: string[] = [];
  const seen = new Set<unknown>(OUTSIDE);
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === 'string') texts.push(value);
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value))
      continue;
    seen.add(value);
    pending.push(...toParts(value));
  }
  return texts;
}

function toParts(value: object): readonly unknown[] {
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return [bytes.toString('latin1')];
  }
  const parts: unknown[] = [Object.getPrototypeOf(value)];
  if (value instanceof Map) parts.push(...value.keys(), ...value.values());
  if (value instanceof Set) parts.push(...value);
  if (value instanceof URL || value instanceof Headers)
    parts.push(String(value), ...('entries' in value ? [[...value]] : []));
  for (const key of Reflect.ownKeys(value)) {
    const property = Reflect.getOwnPropertyDescriptor(value, key);
    parts.push(typeof key === 'symbol' ? key.description : key);
    if (property !== undefined && 'value' in property) parts.push(property.value);
  }
  return parts;
}
