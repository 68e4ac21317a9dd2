import type { Config, RouteConfig } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import { ProxyError } from '../errors.ts';

/** Looks like `https://…` or `/path=https://…`; anything else names a route. */
const DEFINITION = /=|^[a-z][a-z0-9+.-]*:(?!\d)/i;

/**
 * Tells names of configured routes from routes to make, as for `start`.
 * @throws ProxyError `usage` where there are both
 */
export function splitPositionals(
  positionals: readonly string[],
  command: string,
): { readonly names: readonly string[]; readonly definitions: readonly string[] } {
  const definitions = positionals.filter((text) => DEFINITION.test(text));
  const names = positionals.filter((text) => !DEFINITION.test(text));
  if (names.length > 0 && definitions.length > 0) {
    throw new ProxyError('usage', 'Names of configured routes and routes to make exclude each other.', {
      hint: `gcp-bearer-proxy ${command} /orders, or gcp-bearer-proxy ${command} /orders=https://…`,
    });
  }
  return { names, definitions };
}

/**
 * The routes of these names; all of them for none.
 * @throws ProxyError `usage` for a name that no route has
 */
export function chooseRoutes({ routes }: Config, names: readonly string[]): readonly RouteConfig[] {
  const known = routes.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const guess = nearest(unknown, known);
    throw new ProxyError('usage', `There is no route ${unknown}.`, {
      hint: guess === undefined ? `Routes: ${known.join(', ')}` : `Did you mean ${guess}?`,
    });
  }
  return names.length === 0 ? routes : routes.filter(({ name }) => names.includes(name));
}
