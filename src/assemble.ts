import { inferAudience, isCloudRunHost } from './auth/audience.ts';
import { createCredentials } from './auth/credentials/index.ts';
import type { TokenCache } from './auth/token-cache.ts';
import type { Credential, GoogleEndpoints, TokenRequest, TokenSource } from './auth/token-source.ts';
import type { Clock } from './clock.ts';
import type { Config, ConfigWarning, RouteConfig } from './config/config.ts';
import type { Emulator } from './emulator/emulator.ts';
import { ProxyError } from './errors.ts';

/** A configured route with everything it rests on found: where it goes, as whom, with which token. */
export interface AssembledRoute {
  readonly config: RouteConfig;
  /** `https://host[:port]`. */
  readonly origin: string;
  readonly isServerless: boolean;
  /** Undefined for routes that send no token. */
  readonly credential: Credential | undefined;
  readonly request: TokenRequest | undefined;
  readonly tokens: TokenSource | undefined;
}

/** All routes, and what was started for them. */
export interface Assembly {
  readonly routes: readonly AssembledRoute[];
  readonly warnings: readonly ConfigWarning[];
  /** The configuration's credentials by name, as the real Google knows them. */
  readonly credentials: Readonly<Record<string, Credential>>;
  /** Running when a route names one of its services. */
  readonly emulator: Emulator | undefined;
  /** Stops the emulator. */
  close(): Promise<void>;
}

export interface AssembleOptions {
  readonly config: Config;
  readonly cache: TokenCache;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Finds upstream, audience and identity of every route. For a route whose upstream is emulated, Google is the emulator
 * too: its credentials ask there, so no real token ever meets an emulated service, and the other way round.
 */
export async function assemble(options: AssembleOptions): Promise<Assembly> {
  const { config, cache, clock, env } = options;
  const services = config.routes.flatMap(({ upstream }) =>
    upstream.kind === 'emulator' ? [upstream.service] : [],
  );
  const emulator = services.length === 0 ? undefined : await startEmulator(services, clock);
  const real = createCredentials(config.credentials, { endpoints: {}, env, clock });
  const emulated =
    emulator && createCredentials(config.credentials, { endpoints: toEndpoints(emulator), env, clock });

  const warnings: ConfigWarning[] = [...config.warnings];
  const routes = config.routes.map((route): AssembledRoute => {
    const { upstream, token } = route;
    const isEmulated = upstream.kind === 'emulator';
    const origin = isEmulated ? serviceUrl(emulator, upstream.service) : upstream.origin;
    const isServerless = isEmulated || isCloudRunHost(new URL(origin).hostname);
    const credential = (isEmulated ? emulated : real)?.[route.credentials];
    if (credential === undefined) {
      throw new ProxyError(
        'config_invalid',
        `Route ${route.name} names unknown credentials "${route.credentials}".`,
      );
    }
    if (token.kind === 'none') {
      return {
        config: route,
        origin,
        isServerless,
        credential: undefined,
        request: undefined,
        tokens: undefined,
      };
    }
    let request: TokenRequest;
    if (token.kind === 'access') request = { kind: 'access', scopes: token.scopes };
    else if (token.audience !== undefined) request = { kind: token.kind, audience: token.audience };
    else {
      const inferred = inferAudience({ origin, basePath: upstream.basePath });
      if (inferred.warning !== undefined) warnings.push({ route: route.name, ...inferred.warning });
      request = { kind: 'id', audience: inferred.audience };
    }
    return {
      config: route,
      origin,
      isServerless,
      credential,
      request,
      tokens: cache.source(credential, request),
    };
  });

  return {
    routes,
    warnings,
    credentials: real,
    emulator,
    async close() {
      await emulator?.close();
    },
  };
}

async function startEmulator(services: readonly string[], clock: Clock): Promise<Emulator> {
  const { createEmulator, SERVICE_NAMES } = await import('./emulator/emulator.ts');
  return createEmulator({ clock, services: SERVICE_NAMES.filter((name) => services.includes(name)) });
}

function serviceUrl(emulator: Emulator | undefined, service: string): string {
  const found = Object.values(emulator?.services ?? {}).find(({ name }) => name === service);
  if (found === undefined)
    throw new ProxyError('config_invalid', `There is no emulated service "${service}".`);
  return found.url;
}

function toEndpoints(emulator: Emulator): GoogleEndpoints {
  return {
    apisUrl: emulator.google.url,
    metadataHost: emulator.google.metadataHost,
    applicationDefault: emulator.credentials.serviceAccount,
  };
}
