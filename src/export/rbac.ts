import type { Fields, Value } from './yaml-text.ts';

/*
 * Conditions for Envoy's RBAC filter. Its permissions and principals have the same conditions under different names; here all of
 * them are principals', which know every one.
 */

/** A header that is there. */
export function hasHeader(name: string): Fields {
  return { header: { name, present_match: true } };
}

/** A header whose value, lines joined by commas, is of this expression as a whole. One that isn't there is not. */
export function headerIs(name: string, pattern: string): Fields {
  return { header: { name, string_match: { safe_regex: { regex: pattern } } } };
}

/** A path, without its query, of this expression as a whole. */
export function pathIs(pattern: string): Fields {
  return { url_path: { path: { safe_regex: { regex: pattern } } } };
}

export function not(condition: Fields): Fields {
  return { not_id: condition };
}

export function all(...conditions: readonly Fields[]): Fields {
  return conditions.length === 1 && conditions[0] !== undefined
    ? conditions[0]
    : { and_ids: { ids: conditions } };
}

/** At least one. */
export function any(...conditions: readonly Fields[]): Fields {
  return conditions.length === 1 && conditions[0] !== undefined
    ? conditions[0]
    : { or_ids: { ids: conditions } };
}

/** What is done with requests that one of the named conditions holds for; with the others the opposite. */
export function toRules(action: 'ALLOW' | 'DENY', policies: Readonly<Record<string, Fields>>): Fields {
  const toPolicy = (condition: Fields): Value => ({ permissions: [{ any: true }], principals: [condition] });
  return {
    action,
    policies: Object.fromEntries(
      Object.entries(policies).map(([name, condition]) => [name, toPolicy(condition)]),
    ),
  };
}
