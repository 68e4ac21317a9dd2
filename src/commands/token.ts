import { type AssembledRoute, assemble } from '../assemble.ts';
import { createCredentials } from '../auth/credentials/index.ts';
import { decodeClaims } from '../auth/jwt.ts';
import { createTokenCache, type TokenCache } from '../auth/token-cache.ts';
import type { Credential, TokenRequest } from '../auth/token-source.ts';
import { systemClock } from '../clock.ts';
import type { Config, HeaderMode } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import { type ConfigFlags, resolveConfig } from '../config/resolve.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import type { Io } from './io.ts';

export interface TokenOptions {
  readonly flags: ConfigFlags;
  /** A route's name or an audience; undefined takes the only route there is. */
  readonly target: string | undefined;
  readonly access: boolean;
  /** Scopes of an access token; cloud-platform if left out. */
  readonly scopes: readonly string[] | undefined;
  /** Name of the credentials to use instead of the route's. */
  readonly credentials: string | undefined;
  /** What is printed: the token, its claims, an `Authorization` header, or all there is as JSON. */
  readonly form: 'token' | 'claims' | 'header' | 'json';
}

interface Wanted {
  readonly credential: Credential;
  readonly request: TokenRequest;
  /** Header of the route that carries the token. */
  readonly header: string;
}

/** Header of each mode when the client sends no `Authorization` of its own. */
const HEADERS: Readonly<Record<HeaderMode, string>> = {
  auto: 'Authorization',
  authorization: 'Authorization',
  'x-serverless-authorization': 'X-Serverless-Authorization',
  'proxy-authorization': 'Proxy-Authorization',
};

/**
 * Prints a token on stdout.
 * @returns the exit code
 * @throws ProxyError `usage`, `config_invalid`, `credentials_invalid`, `token_unavailable`
 */
export async function runToken(options: TokenOptions, io: Io): Promise<number> {
  const cache = createTokenCache({ clock: systemClock });
  try {
    return await printToken(options, io, cache);
  } finally {
    cache.close();
  }
}

async function printToken(options: TokenOptions, io: Io, cache: TokenCache): Promise<number> {
  const config = await findConfig(options, io);
  if (config === undefined) {
    const credentials = createCredentials(
      { default: { kind: 'adc' } },
      { endpoints: {}, env: io.env, clock: systemClock },
    );
    await write(toWanted(options, undefined, credentials), options, io, cache);
    return 0;
  }
  const assembly = await assemble({ config, cache, clock: systemClock, env: io.env });
  try {
    const route = findRoute(options, assembly.routes);
    await write(toWanted(options, route, assembly.credentials), options, io, cache);
    return 0;
  } finally {
    await assembly.close();
  }
}

/** The configuration; undefined when there is none and an audience was given, which is enough. */
async function findConfig(options: TokenOptions, io: Io): Promise<Config | undefined> {
  try {
    return await resolveConfig({ flags: options.flags, positionals: [], env: io.env, cwd: io.cwd });
  } catch (error) {
    const isEnough = options.target !== undefined || options.access;
    if (
      isEnough &&
      isProxyError(error) &&
      error.code === 'config_not_found' &&
      options.flags.config === undefined
    ) {
      return undefined;
    }
    throw error;
  }
}

/** The route meant; undefined when an audience was given, or when an access token needs none. */
function findRoute(
  { target, access, scopes }: TokenOptions,
  routes: readonly AssembledRoute[],
): AssembledRoute | undefined {
  const named = routes.find(({ config }) => config.name === target);
  if (named !== undefined) return named;
  const names = routes.map(({ config }) => config.name);
  if (target === undefined) {
    if (routes.length === 1) return routes[0];
    if (access || scopes !== undefined) return undefined;
    throw new ProxyError('usage', 'There is more than one route; name the one the token is for.', {
      hint: `Routes: ${names.join(', ')}`,
    });
  }
  if (target.startsWith('/')) {
    const guess = nearest(target, names);
    throw new ProxyError('usage', `There is no route ${target}.`, {
      hint: guess === undefined ? `Routes: ${names.join(', ')}` : `Did you mean ${guess}?`,
    });
  }
  return undefined;
}

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

function toWanted(
  options: TokenOptions,
  route: AssembledRoute | undefined,
  credentials: Readonly<Record<string, Credential>>,
): Wanted {
  const name = options.credentials ?? 'default';
  const named = Object.hasOwn(credentials, name) ? credentials[name] : undefined;
  if (named === undefined) {
    const names = Object.keys(credentials);
    const guess = nearest(name, names);
    throw new ProxyError('usage', `There are no credentials named "${name}".`, {
      hint: guess === undefined ? `Credentials: ${names.join(', ')}` : `Did you mean ${guess}?`,
    });
  }
  const credential = options.credentials === undefined ? (route?.credential ?? named) : named;
  const header = HEADERS[route?.config.header ?? 'auto'];
  if (options.access || options.scopes !== undefined) {
    return { credential, header, request: { kind: 'access', scopes: options.scopes ?? [CLOUD_PLATFORM] } };
  }
  if (route === undefined)
    return { credential, header, request: { kind: 'id', audience: options.target ?? '' } };
  if (route.request !== undefined) return { credential, header, request: route.request };
  throw new ProxyError('usage', `Route ${route.config.name} sends no token.`, {
    hint: 'Its configuration says token: none, or credentials of kind none.',
  });
}

async function write(
  { credential, request, header }: Wanted,
  { form }: TokenOptions,
  io: Io,
  cache: TokenCache,
): Promise<void> {
  if (request.kind === 'access' && form === 'claims') {
    throw new ProxyError('usage', 'An access token has no claims to decode.', {
      hint: 'Use --json for its expiry and identity.',
    });
  }
  const held = await cache.source(credential, request).obtain();
  if (form === 'token') io.stdout.write(`${held.value}\n`);
  else if (form === 'header') io.stdout.write(`${header}: ${held.bearer}\n`);
  else if (form === 'claims') writeJson(io, decodeClaims(held.value));
  else {
    const { kind } = request;
    writeJson(io, {
      token: held.value,
      kind,
      ...(kind === 'access' ? { scopes: request.scopes } : { audience: request.audience }),
      identity: held.identity ?? null,
      expiresAt: new Date(systemClock.now().wallMs + held.remainingMs()).toISOString(),
      project: (await credential.projectId()) ?? null,
      quotaProject: held.quotaProject ?? null,
    });
  }
}

function writeJson(io: Io, value: object): void {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
