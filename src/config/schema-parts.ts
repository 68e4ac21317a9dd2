/**
 * What the schema is made of. An `error` here is not a message but a phrase for what would be right: `shape.ts` makes the
 * sentences.
 */
import { z } from 'zod';

export { z };

/** A map with exactly these settings. Its error for an unknown key is the list of those there are. */
export function settings<S extends z.core.$ZodLooseShape>(shape: S) {
  const names = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? names : `a map with ${names}`),
  });
}

/** Any text; `what` says which. */
export const text = (what: string) => z.string({ error: what });

/** A list that isn't empty. */
export const listOf = <T extends z.ZodType>(item: T, what: string) =>
  z.array(item, { error: what }).min(1, { error: what });

/** Where to listen. Numbers beyond what `meta` tells editors get through here, to be refused with a better reason. */
export const address = z.union(
  [z.string(), z.number().meta({ type: 'integer', minimum: 0, maximum: 65_535 })],
  {
    error: 'an address such as localhost:8080, or a port',
  },
);
