import type { RouteConfig } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import { ProxyError } from '../errors.ts';

/** A variable for the command that `exec` runs. */
export interface RouteVariable {
  readonly name: string;
  /** The route whose address it holds; undefined: the proxy's own. */
  readonly route: string | undefined;
  /** What comes behind the address: empty, or `/extra/path`. */
  readonly path: string;
  /** What it was made for, for messages: `route /orders`, `--env NAME=/orders`. */
  readonly source: string;
}

const PROXY: RouteVariable = { name: 'GBP_URL', route: undefined, path: '', source: 'the proxy itself' };

/**
 * `GBP_URL` for the proxy, `GBP_URL_<ROUTE>` for each route, and what `--env NAME=/route` adds. Of a route's name capitals
 * and digits are left, anything else is `_`; the route `/` is the proxy itself.
 * @param wanted each as `NAME=/route`, `NAME=/route/extra/path`, or with a host's name for the route
 * @throws ProxyError `usage` for what can't be a variable, an unknown route, and two that would have the same name
 */
export function planVariables(
  routes: readonly Pick<RouteConfig, 'name'>[],
  wanted: readonly string[],
): readonly RouteVariable[] {
  const names = routes.map(({ name }) => name);
  const ours = names.filter((name) => name !== '/').map(toRouteVariable);
  const variables = [PROXY, ...ours, ...wanted.map((text) => parseWanted(text, names))];
  const seen = new Map<string, RouteVariable>();
  for (const variable of variables) {
    // Windows doesn't mind how a variable is written.
    const key = variable.name.toUpperCase();
    const other = seen.get(key);
    if (other !== undefined) {
      throw new ProxyError(
        'usage',
        `${variable.name} would be the variable of both ${other.source} and ${variable.source}.`,
        {
          hint: 'Rename one of them; or run with the routes you need: gcp-bearer-proxy exec /orders -- COMMAND',
        },
      );
    }
    seen.set(key, variable);
  }
  return variables;
}

function toRouteVariable(route: string): RouteVariable {
  const word = route
    .replace(/^\//, '')
    .replace(/[^a-z0-9]/gi, '_')
    .toUpperCase();
  return { name: `GBP_URL_${word}`, route, path: '', source: `route ${route}` };
}

function parseWanted(text: string, routes: readonly string[]): RouteVariable {
  const [, name = '', target = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const source = `--env ${text}`;
  if (!/^[a-z_][a-z0-9_]*$/i.test(name) || /[?#\s]/.test(target) || target === '') {
    throw new ProxyError('usage', `${source} is not a variable and a route.`, {
      hint: 'Write --env ORDERS_URL=/orders, or --env ORDERS_URL=/orders/v1 for a path behind the route.',
    });
  }
  const [route] = routes.filter((candidate) => startsWithin(target, candidate)).toSorted(byLength);
  if (route === undefined) {
    const guess = nearest(target, routes);
    throw new ProxyError('usage', `${source} names no route.`, {
      hint: guess === undefined ? `Routes: ${routes.join(', ')}` : `Did you mean ${name}=${guess}?`,
    });
  }
  const path = route.endsWith('/') ? `/${target.slice(route.length)}` : target.slice(route.length);
  return { name, route, path: path === '/' && route === '/' ? '' : path, source };
}

/** In whole segments. */
function startsWithin(target: string, route: string): boolean {
  return target === route || target.startsWith(route.endsWith('/') ? route : `${route}/`);
}

const byLength = (a: string, b: string): number => b.length - a.length;

/** The variables with their values. */
export function fillVariables(
  variables: readonly RouteVariable[],
  proxy: {
    readonly url: string;
    readonly routes: readonly { readonly name: string; readonly url: string }[];
  },
): Readonly<Record<string, string>> {
  const urls = new Map(proxy.routes.map(({ name, url }) => [name, url]));
  return Object.fromEntries(
    variables.map(({ name, route, path }) => {
      const url = route === undefined ? proxy.url : (urls.get(route) ?? proxy.url);
      return [name, `${url}${path}`];
    }),
  );
}
