import type { ConfigWarning, RouteConfig } from './config.ts';
import { type Env, findMistypedVariables } from './layers.ts';

interface Subjects {
  readonly routes: readonly RouteConfig[];
  readonly unusedCredentials: readonly string[];
  readonly env: Env;
}

/** What isn't wrong in itself but hardly meant. */
export function findWarnings({ routes, unusedCredentials, env }: Subjects): readonly ConfigWarning[] {
  return [
    ...routes.flatMap((route) => warnAboutToken(route)),
    ...routes.flatMap((route) => warnAboutHiddenRoutes(route, routes)),
    ...unusedCredentials.map((name) => ({
      route: undefined,
      message: `No route uses the credentials \`${name}\`.`,
      hint: `Write \`credentials: ${name}\` at a route, or take them out.`,
    })),
    ...findMistypedVariables(env).map(([given, meant]) => ({
      route: undefined,
      message: `The environment variable ${given} has no meaning.`,
      hint: `Did you mean ${meant}?`,
    })),
  ];
}

function warnAboutToken({ name, upstream, token }: RouteConfig): readonly ConfigWarning[] {
  if (token.kind !== 'id' || upstream.kind !== 'url') return [];
  const host = new URL(upstream.origin).hostname;
  if (!host.endsWith('.googleapis.com')) return [];
  return [
    {
      route: name,
      message: `${host} is a Google API: those take access tokens.`,
      hint: 'Write `token: access`.',
    },
  ];
}

/** Routes for a host come before those for any host, so one for everything at `localhost` hides the others there. */
function warnAboutHiddenRoutes(route: RouteConfig, routes: readonly RouteConfig[]): readonly ConfigWarning[] {
  if (route.host !== 'localhost' || route.path !== '/') return [];
  const hidden = routes.filter((other) => other.host === undefined).map((other) => other.name);
  if (hidden.length === 0) return [];
  return [
    {
      route: route.name,
      message: `This route takes everything that comes for localhost, also what is meant for ${hidden.join(', ')}.`,
      hint: 'Leave `host: localhost` out: then the longest path wins.',
    },
  ];
}
