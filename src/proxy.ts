import type { Endpoint } from './admin/endpoint.ts';
import { createQuitEndpoint } from './admin/quit.ts';
import { type AdminServer, createAdminServer } from './admin/server.ts';
import { type AssembledRoute, assemble } from './assemble.ts';
import { type AudienceWarning, explainOtherAudience } from './auth/audience.ts';
import { createTokenCache } from './auth/token-cache.ts';
import type { TokenEvent } from './auth/token-events.ts';
import type { TokenRequest, TokenSource, TokenStatus } from './auth/token-source.ts';
import { compileClientSecret } from './client-secrets.ts';
import { type Clock, systemClock } from './clock.ts';
import { compileRoute } from './compile-route.ts';
import { isUnixAddress, toListenerUrl } from './config/address.ts';
import type { AdminConfig, Config, ConfigWarning, UpstreamConfig } from './config/config.ts';
import { findForwardProxy, type ProxyEnvironment } from './forward-proxy.ts';
import type { ClientSecret } from './gate/client-secret.ts';
import { createGate, type Gate } from './gate/gate.ts';
import { createSignIns } from './gate/sign-ins.ts';
import { refuseAdminRoutes, refuseLoops } from './loops.ts';
import { createMetering } from './metering.ts';
import type { Observer, UpstreamEvent } from './observe/events.ts';
import { type Listener, listen } from './relay/client/listen.ts';
import type { ExchangeContext } from './relay/exchange.ts';
import { createLoad } from './relay/load.ts';
import type { Route, Site } from './relay/site.ts';
import { createTransport, type Transport } from './relay/upstream/transport.ts';
import { createUpgradeCarrier } from './relay/upstream/upgrade.ts';
import { createHomeward } from './routing/homeward.ts';
import { createRouteTable } from './routing/table.ts';
import { makeSignInLink } from './sign-in-link.ts';
import { createStateEndpoints, type StateSources } from './state-endpoints.ts';
import { askUpstreams, type UpstreamAnswer } from './upstream-answers.ts';

export interface ProxyOptions {
  /** Made by `resolveConfig`. */
  readonly config: Config;
  readonly clock?: Clock;
  /** Told of every request once it is over. */
  readonly observer?: Observer;
  /** Told of tokens minted and mints that failed. */
  readonly onToken?: (event: TokenEvent) => void;
  /** Environment in which credentials are searched; the process's own if left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * Told, once or more, that somebody with the admin port's token asked for the end; calls `close` sooner or later.
   * Without it there is no `POST /quit`.
   */
  readonly onQuit?: () => void;
}

/** A running proxy. */
export interface RunningProxy {
  /** Where clients reach it: `http://localhost:8080`; `http://localhost` where there are Unix sockets alone. */
  readonly url: string;
  /** The same for each listener that was configured: `https://localhost:8443`, `unix:/run/proxy.sock`. */
  readonly urls: readonly string[];
  /** Every bound address, as `http://127.0.0.1:8080`. */
  readonly addresses: readonly string[];
  /** Undefined when the admin port is turned off. */
  readonly adminUrl: string | undefined;
  readonly routes: readonly RouteSummary[];
  readonly warnings: readonly ConfigWarning[];
  /** Resolves once a token was asked for each route; routes without one say why in their status. Never rejects. */
  readonly ready: Promise<void>;
  /** Asks the upstream of each route whether it is there, with its token, for at most `timeoutMs`. Never rejects. */
  askUpstreams(timeoutMs: number): Promise<readonly UpstreamAnswer[]>;
  /** A link that signs one browser in, for ten minutes from now on; undefined where no port asks for a client secret. */
  signInLink(): string | undefined;
  /** Stops accepting, lets requests finish for at most `deadlineMs` (10 s if left out), then stops everything. */
  close(deadlineMs?: number): Promise<void>;
}

/** What is known of a route, for banners and readiness. Holds no token. */
export interface RouteSummary {
  readonly name: string;
  /** The route's address on this proxy. */
  readonly url: string;
  /** Where its requests go; `emulator:NAME` for an embedded service, `emulated …` for a stand-in. */
  readonly upstream: string;
  /** What its token is asked for; undefined for routes that send none. */
  readonly token: TokenRequest | undefined;
  /** Which credential it uses, in words. */
  readonly credential: string | undefined;
  /** The state of its token; undefined for routes that send none. */
  status(): TokenStatus | undefined;
  /** Something to know about the token held. */
  tokenWarning(): AudienceWarning | undefined;
}

const DRAIN_MS = 10_000;

/**
 * Starts a proxy and begins to mint the token of every route. It accepts requests when this returns; a request that
 * comes before its route's token waits for it.
 * @throws ProxyError `address_in_use`, `address_unavailable`, `config_invalid`
 */
export async function createProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { config, clock = systemClock, env = process.env } = options;
  const { observer, onToken } = options;
  const metering = createMetering({ isOff: config.admin === undefined, observer, onToken });
  const { tokenTimeoutMs: mintTimeoutMs } = config.google;
  const secrets = await compileSecrets(config, env);
  const cache = createTokenCache({ clock, mintTimeoutMs, onEvent: metering.onToken });
  const assembly = await assemble({ config, cache, clock, env });
  const transports = new Map<string, Transport>();
  const gate = createGate({
    bound: config.listen.flatMap(({ address }) => (isUnixAddress(address) ? [] : [address.host])),
    names: [...config.gate.hosts, ...config.routes.flatMap(({ host }) => (host === undefined ? [] : [host]))],
    origins: config.gate.origins,
  });
  const onUpstream = metering.observer?.onUpstream;
  const site = createSite(gate, assembly.routes, { transports, env, clock, secrets, onUpstream });
  let isDraining = false;
  const context: ExchangeContext = {
    site: () => site,
    observer: metering.observer,
    load: createLoad(config.limits.requests),
    signIns: createSignIns(clock.now().wallMs),
    isDraining: () => isDraining,
    monotonicMs: () => performance.now(),
    wallMs: () => clock.now().wallMs,
  };
  const { connections: maxConnections } = config.limits;
  const listener = await listen(config.listen, { context, maxConnections }).catch(async (error: unknown) => {
    cache.close();
    await assembly.close();
    throw error;
  });
  const urls = toUrls(listener.addresses);
  // Over a Unix socket every client names some host, and this one is let in.
  const url = urls.find((candidate) => !candidate.startsWith('unix:')) ?? 'http://localhost';
  const routes = assembly.routes.map((route) => summarize(route, url));
  const stopEverything = async (): Promise<void> => {
    cache.close();
    for (const transport of transports.values()) transport.destroy();
    await assembly.close();
  };

  let isStarted = false;
  const state: StateSources = {
    config: () => config,
    routes: () => routes.map((route, i) => ({ ...route, origin: assembly.routes[i]?.origin ?? '' })),
    upstreams: () => [...transports.values()].map((transport) => transport.state()),
    fills: () => ({ requests: context.load, connections: listener.connections }),
    isDraining: () => isDraining,
    isStarted: () => isStarted,
  };
  let admin: AdminServer | undefined;
  try {
    refuseLoops(assembly.routes, listener.addresses);
    if (config.admin !== undefined) {
      admin = await startAdmin(config.admin, options, createStateEndpoints(state, metering, clock));
      refuseAdminRoutes(assembly.routes, admin.port);
    }
  } catch (error) {
    await admin?.close();
    await listener.close(0);
    await stopEverything();
    throw error;
  }

  const sources = new Set(assembly.routes.flatMap(({ tokens }) => (tokens === undefined ? [] : [tokens])));
  const ready = Promise.allSettled([...sources].map((tokens) => tokens.obtain())).then(() => {
    isStarted = true;
  });
  return {
    url,
    urls,
    addresses: listener.addresses.map(({ address, isTls }) => toListenerUrl(address, isTls)),
    adminUrl: admin?.url,
    routes,
    warnings: assembly.warnings,
    ready,
    askUpstreams: (timeoutMs) => askUpstreams(site.places, { clock, timeoutMs }),
    signInLink() {
      const place = listener.addresses.find(
        ({ address, configured }) => !isUnixAddress(address) && configured.clientSecret !== undefined,
      );
      const secret = place && secrets[config.listen.indexOf(place.configured)];
      const [origin] = place === undefined ? [] : toUrls([place]);
      if (secret === undefined || origin === undefined) return undefined;
      return makeSignInLink(secret, origin, clock.now().wallMs);
    },
    async close(deadlineMs = DRAIN_MS) {
      isDraining = true;
      await listener.close(deadlineMs);
      await admin?.close();
      await stopEverything();
    },
  };
}

function createSite(
  gate: Gate,
  assembled: readonly AssembledRoute[],
  {
    transports,
    env,
    clock,
    secrets,
    onUpstream,
  }: {
    transports: Map<string, Transport>;
    env: ProxyEnvironment;
    clock: Clock;
    secrets: readonly (ClientSecret | undefined)[];
    onUpstream: ((event: UpstreamEvent) => void) | undefined;
  },
): Site {
  const routes = assembled.map((route): Route => {
    const { config, origin } = route;
    const { connectMs } = config.timeout;
    const { protocol } = config;
    const key = `${origin} ${connectMs} ${protocol}`;
    const forwardProxy = findForwardProxy(new URL(origin), env);
    const options = { origin, connectTimeoutMs: connectMs, forwardProxy };
    const transport =
      transports.get(key) ?? createTransport({ ...options, protocol, clock, onEvent: onUpstream });
    transports.set(key, transport);
    return compileRoute(route, transport, createUpgradeCarrier(options));
  });
  const table = createRouteTable(routes);
  const routeNames = routes.map(({ name }) => name);
  return {
    gate,
    listeners: secrets.map((clientSecret) => ({ clientSecret })),
    routes: table,
    homeward: createHomeward(routes, table),
    routeNames,
    places: routes,
  };
}

/** What each listener asks of its clients, in the order of the configuration. */
function compileSecrets(
  { listen }: Config,
  env: ProxyEnvironment,
): Promise<readonly (ClientSecret | undefined)[]> {
  return Promise.all(
    listen.map(({ clientSecret }) => clientSecret && compileClientSecret(clientSecret, env)),
  );
}

/** Where clients reach each listener, by the name it was configured with and the port it got. */
function toUrls(bound: Listener['addresses']): readonly string[] {
  const urls = bound.map(({ address, isTls, configured }) => {
    if (isUnixAddress(address) || isUnixAddress(configured.address)) return toListenerUrl(address, isTls);
    return toListenerUrl({ host: configured.address.host, port: address.port }, isTls);
  });
  return [...new Set(urls)];
}

/** The admin port answers to its own addresses, and to no host of a route. */
function startAdmin(
  admin: AdminConfig,
  options: ProxyOptions,
  endpoints: readonly Endpoint[],
): Promise<AdminServer> {
  const { hosts: names, origins } = options.config.gate;
  const { onQuit } = options;
  return createAdminServer({
    config: admin,
    gate: createGate({ bound: [admin.host], names, origins }),
    endpoints: [...endpoints, ...(onQuit === undefined ? [] : [createQuitEndpoint(onQuit)])],
  });
}

function summarize(
  { config, origin, credential, request, tokens }: AssembledRoute,
  proxyUrl: string,
): RouteSummary {
  const base = new URL(proxyUrl);
  if (config.host !== undefined) base.hostname = config.host;
  base.pathname = config.path;
  const { upstream } = config;
  const path = upstream.basePath === '/' ? '' : upstream.basePath;
  return {
    name: config.name,
    url: base.href.replace(/\/$/, ''),
    upstream: `${describeUpstream(upstream, origin)}${path}`,
    token: request,
    credential: credential?.describe(),
    status: () => tokens?.status(),
    tokenWarning: () => findTokenWarning(tokens),
  };
}

function findTokenWarning(tokens: TokenSource | undefined): AudienceWarning | undefined {
  const held = tokens?.current();
  if (held?.otherAudience === undefined || tokens?.request.kind !== 'id') return undefined;
  const { identity, otherAudience: actual } = held;
  return explainOtherAudience({ asked: tokens.request.audience, actual, identity });
}

function describeUpstream(upstream: UpstreamConfig, origin: string): string {
  if (upstream.kind === 'url') return origin;
  if (upstream.kind === 'emulator') return `emulator:${upstream.service}`;
  return upstream.local ?? `emulated ${upstream.origin}`;
}
