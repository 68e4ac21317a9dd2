import { inferAudience, isCloudRunHost, isOAuthClientId } from './auth/audience.ts';
import { listSecretVariables } from './auth/credentials/child-environment.ts';
import type { TokenCache } from './auth/token-cache.ts';
import type { Credential, GoogleEndpoints, TokenRequest, TokenSource } from './auth/token-source.ts';
import type { Clock } from './clock.ts';
import type { Config, ConfigWarning, RouteConfig, TokenConfig } from './config/config.ts';
import type { Emulator, StandIn, StandInGuard } from './emulator/emulator.ts';
import { ProxyError } from './errors.ts';
import { checkForwardProxies } from './forward-proxy.ts';
import { createKeptParts, type EmulatedParts, type KeptParts } from './kept-parts.ts';
import { trustCertificates } from './trust.ts';

/** A configured route with everything it rests on found: where it goes, as whom, with which token. */
export interface AssembledRoute {
  readonly config: RouteConfig;
  /** `https://host[:port]`. */
  readonly origin: string;
  /** Where the upstream looks for its token besides `Authorization`. */
  readonly spareHeader: 'X-Serverless-Authorization' | 'Proxy-Authorization' | undefined;
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
  /** Stops the emulator, unless it is kept for other assemblies. */
  close(): Promise<void>;
}

export interface AssembleOptions {
  readonly config: Config;
  readonly cache: TokenCache;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What this assembly may share with those before and after it; its own if left out. */
  readonly kept?: KeptParts;
}

/**
 * Finds upstream, audience and identity of every route. For a route whose upstream is emulated, Google is the emulator
 * too: its credentials ask there, so no real token ever meets an emulated service, and the other way round.
 */
export async function assemble(options: AssembleOptions): Promise<Assembly> {
  const { config, cache, clock, env, kept = createKeptParts(clock) } = options;
  if (config.caFile !== undefined) await trustCertificates(config.caFile);
  checkForwardProxies(findTargets(config), env);
  const wanted = findEmulated(config);
  const emulator = wanted && (await kept.startEmulator(wanted));
  const { tokenTimeoutMs: timeoutMs, universeDomain } = config.google;
  // The programs that credentials run have no use for what clients have to know.
  const secretVariables = listSecretVariables(config.listen);
  const common = { env, secretVariables, clock, timeoutMs, universeDomain };
  const real = kept.createCredentials(config.credentials, { ...common, endpoints: {} });
  const emulated =
    emulator && kept.createCredentials(config.credentials, { ...common, endpoints: toEndpoints(emulator) });
  const standIn =
    emulator && kept.createCredentials(STAND_IN, { ...common, endpoints: toEndpoints(emulator) });

  const warnings: ConfigWarning[] = [...config.warnings];
  const routes = config.routes.map((route): AssembledRoute => {
    const { upstream } = route;
    const origin = findOrigin(route, emulator);
    const named = (upstream.kind === 'url' ? real : emulated)?.[route.credentials];
    const credential = upstream.kind === 'stand-in' && named?.kind !== 'none' ? standIn?.default : named;
    if (credential === undefined) {
      throw new ProxyError(
        'config_invalid',
        `Route ${route.name} names unknown credentials "${route.credentials}".`,
      );
    }
    const request =
      credential.kind === 'none'
        ? undefined
        : toTokenRequest(route, origin, (warning) => warnings.push(warning));
    const known = upstream.kind === 'stand-in' ? upstream.origin : origin;
    const spareHeader = findSpareHeader(known, request, upstream.kind === 'emulator');
    const found = { config: route, origin, spareHeader };
    if (request === undefined) return { ...found, credential: undefined, request, tokens: undefined };
    return { ...found, credential, request, tokens: cache.source(credential, request, timeoutMs) };
  });

  return {
    routes,
    warnings,
    credentials: real,
    emulator,
    async close() {
      if (options.kept === undefined) await kept.close();
    },
  };
}

/** What a route's token is asked for; undefined for routes that send none. */
export function toTokenRequest(
  { name, token, upstream }: RouteConfig,
  origin: string,
  warn: (warning: ConfigWarning) => void,
): TokenRequest | undefined {
  if (token.kind === 'none') return undefined;
  if (token.kind === 'access') return { kind: 'access', scopes: token.scopes };
  if (token.audience !== undefined) return { kind: token.kind, audience: token.audience };
  const inferred = inferAudience({ origin, basePath: upstream.basePath });
  if (inferred.warning !== undefined) warn({ route: name, ...inferred.warning });
  return { kind: 'id', audience: inferred.audience };
}

/**
 * Where the upstream looks for its token before it looks at `Authorization`, so that a client's own can stay there.
 * https://cloud.google.com/run/docs/authenticating/service-to-service
 * https://cloud.google.com/iap/docs/authentication-howto
 */
export function findSpareHeader(
  origin: string,
  request: TokenRequest | undefined,
  isEmulated: boolean,
): AssembledRoute['spareHeader'] {
  if (request?.kind === 'jwt' || (request?.kind === 'id' && isOAuthClientId(request.audience)))
    return 'Proxy-Authorization';
  return isEmulated || isCloudRunHost(new URL(origin).hostname) ? 'X-Serverless-Authorization' : undefined;
}

/** Hosts outside of this machine that will be asked: the upstreams, and Google. */
function findTargets({ routes, google }: Config): readonly URL[] {
  const origins = routes.flatMap(({ upstream }) => (upstream.kind === 'url' ? [upstream.origin] : []));
  return [...origins, `https://oauth2.${google.universeDomain}`].map((origin) => new URL(origin));
}

/** Who calls stand-ins: keys, logins and accounts that only the real Google knows are of no use there. */
const STAND_IN = { default: { kind: 'adc' } } as const;

/** What answers in place of Google's services: those that routes name, and stand-ins; undefined where there are none. */
function findEmulated({ routes }: Config): EmulatedParts | undefined {
  const services = routes.flatMap(({ upstream }) => (upstream.kind === 'emulator' ? [upstream.service] : []));
  const standIns = routes.flatMap(toStandIn);
  return services.length + standIns.length === 0 ? undefined : { services, standIns };
}

function toStandIn({ name, token, upstream }: RouteConfig): readonly StandIn[] {
  if (upstream.kind !== 'stand-in') return [];
  return [{ name, url: upstream.origin, guard: toGuard(token, upstream.origin), local: upstream.local }];
}

function toGuard(token: TokenConfig, origin: string): StandInGuard {
  switch (token.kind) {
    case 'id': {
      const { audience = origin } = token;
      return isOAuthClientId(audience) ? { kind: 'iap', clientId: audience } : { kind: 'id', audience };
    }
    case 'jwt':
      return { kind: 'iap', clientId: '' };
    case 'access':
      return { kind: 'access' };
    case 'none':
      return { kind: 'open' };
  }
}

function findOrigin({ name, upstream }: RouteConfig, emulator: Emulator | undefined): string {
  if (upstream.kind === 'url') return upstream.origin;
  if (upstream.kind === 'emulator') return serviceUrl(emulator, upstream.service);
  const origin = emulator?.standIns.get(name);
  if (origin === undefined) throw new ProxyError('config_invalid', `Nothing stands in for route ${name}.`);
  return origin;
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
    awsMetadataUrl: emulator.federation.awsMetadataUrl,
    metadataHost: emulator.google.metadataHost,
    applicationDefault: emulator.credentials.serviceAccount,
  };
}
