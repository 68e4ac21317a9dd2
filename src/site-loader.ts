import { type AssembledRoute, assemble } from './assemble.ts';
import { createTokenCache } from './auth/token-cache.ts';
import type { TokenEvent } from './auth/token-events.ts';
import type { TokenSource } from './auth/token-source.ts';
import { compileClientSecret, makeLaunch } from './client-secrets.ts';
import type { Clock } from './clock.ts';
import type { Config, ConfigWarning } from './config/config.ts';
import type { Emulator } from './emulator/emulator.ts';
import type { ProxyEnvironment } from './forward-proxy.ts';
import type { ClientSecret } from './gate/client-secret.ts';
import { createKeptParts } from './kept-parts.ts';
import type { UpstreamEvent } from './observe/events.ts';
import { createRateLimit } from './relay/rate-limit.ts';
import type { Site } from './relay/site.ts';
import type { OpenSockets } from './relay/upstream/open-sockets.ts';
import type { Transport } from './relay/upstream/transport.ts';
import { createSiteCompiler } from './site-compiler.ts';

/** A configuration, loaded: its site, and what else is to be known of it. */
export interface LoadedSite {
  readonly config: Config;
  readonly site: Site;
  readonly routes: readonly AssembledRoute[];
  readonly warnings: readonly ConfigWarning[];
  /** That its routes lead to, if any does. */
  readonly emulator: Emulator | undefined;
  /** Resolves once a token was asked for each route. Never rejects. */
  mintAll(): Promise<void>;
}

/** Makes sites from configurations, one after the other, and keeps what they have in common: tokens, connections, counts. */
export interface SiteLoader {
  /**
   * Loads a configuration; what it has that the ones before had is the same object. Mints nothing yet.
   * @throws ProxyError `config_invalid`, and what credentials throw
   */
  load(config: Config): Promise<LoadedSite>;
  /** All there are now. */
  transports(): readonly Transport[];
  /** Lets go of what only other configurations use; what is in flight there may finish with it. */
  keepOnly(loaded: LoadedSite): void;
  /** Stops everything. */
  close(): Promise<void>;
}

export interface SiteLoaderOptions {
  readonly clock: Clock;
  readonly env: ProxyEnvironment;
  readonly onToken: ((event: TokenEvent) => void) | undefined;
  readonly onUpstream: ((event: UpstreamEvent) => void) | undefined;
  /** Where sockets that were upgraded are to be found. */
  readonly openSockets: OpenSockets;
}

export function createSiteLoader(options: SiteLoaderOptions): SiteLoader {
  const { clock, env, onToken, onUpstream, openSockets } = options;
  const cache = createTokenCache({ clock, ...(onToken && { onEvent: onToken }) });
  const kept = createKeptParts(clock);
  const compiler = createSiteCompiler({
    clock,
    env,
    onUpstream,
    openSockets,
    createRate: createRateLimit,
  });
  const launches: Uint8Array[] = [];

  const compileSecrets = ({ listen }: Config): Promise<readonly (ClientSecret | undefined)[]> =>
    Promise.all(
      listen.map(({ clientSecret }, index) => {
        launches[index] ??= makeLaunch();
        return clientSecret && compileClientSecret(clientSecret, env, launches[index]);
      }),
    );

  return {
    async load(config) {
      const secrets = await compileSecrets(config);
      const { routes, warnings, emulator } = await assemble({ config, cache, clock, env, kept });
      const site = compiler.compile(config, routes, secrets);
      const sources = findSources(routes);
      const mintAll = async (): Promise<void> => {
        await Promise.allSettled([...sources].map((tokens) => tokens.obtain()));
      };
      return { config, site, routes, warnings, emulator, mintAll };
    },
    transports: compiler.transports,
    keepOnly({ site, routes, emulator }) {
      compiler.keepOnly(site);
      cache.keepOnly(findSources(routes));
      kept.keepOnly(
        new Set(routes.flatMap(({ credential }) => (credential === undefined ? [] : [credential]))),
        emulator,
      );
    },
    async close() {
      cache.close();
      compiler.close();
      await kept.close();
    },
  };
}

/** What their tokens come from. */
export function findSources(routes: readonly AssembledRoute[]): ReadonlySet<TokenSource> {
  return new Set(routes.flatMap(({ tokens }) => (tokens === undefined ? [] : [tokens])));
}
