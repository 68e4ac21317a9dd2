import type { ConfigWarning, CredentialConfig, GoogleConfig, RouteConfig, TokenConfig } from './config.ts';
import type { Credentials } from './credentials.ts';
import { type Env, findMistypedVariables } from './layers.ts';

interface Subjects {
  readonly routes: readonly RouteConfig[];
  readonly credentials: Pick<Credentials, 'configs' | 'unused'>;
  readonly google: GoogleConfig;
  readonly env: Env;
}

/** What isn't wrong in itself but hardly meant. */
export function findWarnings({ routes, credentials, google, env }: Subjects): readonly ConfigWarning[] {
  return [
    ...routes.flatMap((route) => warnAboutToken(route, google.universeDomain)),
    ...routes.flatMap((route) => warnAboutIdentity(route, credentials.configs.get(route.credentials))),
    ...routes.flatMap((route) => warnAboutHiddenRoutes(route, routes)),
    ...routes.flatMap(warnAboutPaths),
    ...credentials.unused().map((name) => ({
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

function warnAboutToken(
  { name, upstream, token }: RouteConfig,
  universeDomain: string,
): readonly ConfigWarning[] {
  if (token.kind !== 'id' || upstream.kind !== 'url') return [];
  const host = new URL(upstream.origin).hostname;
  if (![universeDomain, 'googleapis.com'].some((domain) => host.endsWith(`.${domain}`))) return [];
  return [
    {
      route: name,
      message: `${host} is a Google API: those take access tokens.`,
      hint: 'Write `token: access`.',
    },
  ];
}

/** A token that its identity certainly can't get, or that the service won't take from it. */
function warnAboutIdentity(
  { name, credentials, token }: RouteConfig,
  identity: CredentialConfig | undefined,
): readonly ConfigWarning[] {
  const lack = identity && findLack(identity, token);
  if (lack === undefined) return [];
  return [{ route: name, message: `The credentials \`${credentials}\` ${lack.message}`, hint: lack.hint }];
}

const SERVICE_ACCOUNT = 'NAME@PROJECT.iam.gserviceaccount.com';
const ACT = `Act as a service account: \`{ kind: impersonate, account: ${SERVICE_ACCOUNT} }\`.`;

function findLack(
  identity: CredentialConfig,
  token: TokenConfig,
): { readonly message: string; readonly hint: string } | undefined {
  if (token.kind === 'jwt' && lacksServiceAccount(identity)) {
    const hint = identity.kind === 'federated' ? `Write \`serviceAccount: ${SERVICE_ACCOUNT}\` there.` : ACT;
    return { message: "can't sign a JWT: only a service account can.", hint };
  }
  if (token.kind !== 'id') return undefined;
  if (identity.kind === 'federated' && lacksServiceAccount(identity)) {
    return {
      message: "can't get an ID token: Google makes them for service accounts, and they name none.",
      hint: `Write \`serviceAccount: ${SERVICE_ACCOUNT}\` there.`,
    };
  }
  if (isPerson(identity) && token.audience?.endsWith('.apps.googleusercontent.com')) {
    return {
      message: "are a person's, whose ID tokens are for gcloud's OAuth client: IAP takes none of those.",
      hint: ACT,
    };
  }
  return undefined;
}

function lacksServiceAccount(identity: CredentialConfig): boolean {
  if (identity.kind !== 'federated') return ['user', 'gcloud', 'token'].includes(identity.kind);
  return identity.from.kind !== 'config-file' && identity.serviceAccount === undefined;
}

function isPerson(identity: CredentialConfig): boolean {
  if (identity.kind !== 'gcloud') return identity.kind === 'user';
  return identity.account !== undefined && !identity.account.endsWith('gserviceaccount.com');
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

/** Lines of `paths` that hardly say what was meant. */
function warnAboutPaths({ name, path, paths = [] }: RouteConfig): readonly ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  if (paths.includes('/**')) {
    warnings.push({
      route: name,
      message: 'Its `paths` have /**, which is every path.',
      hint: 'Leave them out.',
    });
  }
  const repeated =
    path === '/' ? undefined : paths.find((line) => line === path || line.startsWith(`${path}/`));
  if (repeated !== undefined) {
    warnings.push({
      route: name,
      message: `The line ${repeated} of its \`paths\` takes ${path}${repeated}: they begin behind the route's own path.`,
      hint: `Write \`${repeated.slice(path.length) || '/'}\`, if that is what was meant.`,
    });
  }
  return warnings;
}
