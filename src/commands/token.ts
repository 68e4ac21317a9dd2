import { type AssembledRoute, assemble } from '../assemble.ts';
import { createCredentials } from '../auth/credentials/index.ts';
import { decodeClaims } from '../auth/jwt.ts';
import { createTokenCache, type TokenCache } from '../auth/token-cache.ts';
import type { Credential, TokenRequest } from '../auth/token-source.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/config.ts';
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
}

/**
 * Prints a token on stdout.
 * @returns the exit code
 * @throws ProxyError `usage`, `config_invalid`, `credentials_invalid`, `token_unavailable`
 */
export async function runToken(options: TokenOptions, io: Io): Promise<number> {
  if (options.access && options.form === 'claims') {
    throw new ProxyError('usage', 'An access token has no claims to decode.', {
      hint: 'Use --json for its expiry and identity.',
    });
  }
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
  if (options.access || options.scopes !== undefined) {
    return { credential, request: { kind: 'access', scopes: options.scopes ?? [CLOUD_PLATFORM] } };
  }
  if (route === undefined) return { credential, request: { kind: 'id', audience: options.target ?? '' } };
  if (route.request === undefined) {
    throw new ProxyError('usage', `Route ${route.config.name} sends no token (token: none).`);
  }
  return { credential, request: route.request };
}

async function write(
  { credential, request }: Wanted,
  { form }: TokenOptions,
  io: Io,
  cache: TokenCache,
): Promise<void> {
  const held = await cache.source(credential, request).obtain();
  const project = request.kind === 'access' ? await credential.projectId() : undefined;
  const claims = request.kind !== 'access' ? decodeClaims(held.value) : undefined;
  switch (form) {
    case 'claims':
      if (claims === undefined) throw new ProxyError('usage', 'An access token has no claims to decode.');
      io.stdout.write(`${JSON.stringify(claims, null, 2)}\n`);
      return;
    case 'header':
      io.stdout.write(`Authorization: ${held.bearer}\n`);
      break;
    case 'token':
      io.stdout.write(`${held.value}\n`);
      break;
    case 'json': {
      const expiresAt = new Date(systemClock.now().wallMs + held.remainingMs()).toISOString();
      const identity = held.identity ?? null;
      const about =
        request.kind === 'access'
          ? { scopes: request.scopes, project: project ?? null }
          : { audience: request.audience };
      io.stdout.write(
        `${JSON.stringify({ token: held.value, kind: request.kind, ...about, identity, expiresAt }, null, 2)}\n`,
      );
      return;
    }
  }
  if (project !== undefined) io.stderr.write(`project: ${project}\n`);
}
