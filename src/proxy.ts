import type { Endpoint } from './admin/endpoint.ts';
import { createQuitEndpoint } from './admin/quit.ts';
import { createReloadEndpoint } from './admin/reload.ts';
import { type AdminServer, createAdminServer } from './admin/server.ts';
import type { TokenEvent } from './auth/token-events.ts';
import { type Clock, systemClock } from './clock.ts';
import { isUnixAddress, toListenerUrl } from './config/address.ts';
import type { Config, ConfigWarning } from './config/config.ts';
import { describeChanges, refuseRestart } from './config-changes.ts';
import { ProxyError } from './errors.ts';
import { type Front, type FrontChange, type OpenFront, openFront } from './front.ts';
import { createGate, type Gate } from './gate/gate.ts';
import { createSignIns } from './gate/sign-ins.ts';
import { refuseAdminRoutes, refuseLoops } from './loops.ts';
import { createMetering } from './metering.ts';
import type { Observer } from './observe/events.ts';
import type { ListenerAddress } from './relay/client/listen.ts';
import { createOpenSockets } from './relay/upstream/open-sockets.ts';
import { type RouteSummary, summarize } from './route-summary.ts';
import { makeSignInLink } from './sign-in-link.ts';
import { createSiteLoader, type LoadedSite, type SiteLoader } from './site-loader.ts';
import { createStateEndpoints, type StateSources } from './state-endpoints.ts';
import { askUpstreams, type UpstreamAnswer } from './upstream-answers.ts';

export type { RouteSummary } from './route-summary.ts';

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
  /**
   * Asked by somebody with the admin port's token to read the configuration again; ends up in `reload` and gives what that
   * gave. Without it there is no `POST /reload`.
   */
  readonly onReload?: () => Promise<readonly string[]>;
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
  /** Those of the configuration in force, as are its warnings. */
  readonly routes: readonly RouteSummary[];
  readonly warnings: readonly ConfigWarning[];
  /** Resolves once a token was asked for each route; routes without one say why in their status. Never rejects. */
  readonly ready: Promise<void>;
  /** Asks the upstream of each route whether it is there, with its token, for at most `timeoutMs`. Never rejects. */
  askUpstreams(timeoutMs: number): Promise<readonly UpstreamAnswer[]>;
  /** A link that signs one browser in, for ten minutes from now on; undefined where no port asks for a client secret. */
  signInLink(): string | undefined;
  /**
   * Puts another configuration in place of the one in force: all of it or nothing (R66). First its tokens are minted, so that
   * nobody waits for them; then requests that come go by it, and those in flight finish by the one before. Tokens, connections
   * and counts of what is the same are kept. One reload at a time: others wait.
   * @param config or what becomes of reading it, so that one that can't be read is told of as refused, too
   * @returns what has changed, in words, without values
   * @throws ProxyError `config_invalid`, `restart_needed` for what only a new process can change, `shutting_down`; then
   *   everything is as before
   */
  reload(config: Config | Promise<Config>): Promise<readonly string[]>;
  /**
   * Stops accepting, lets requests finish, then stops everything (R65). The first call counts; others resolve with it.
   * @param deadlineMs what is in flight may take so long; 10 s if left out
   * @param delayMs before all that: for so long the proxy goes on accepting, while readiness says that it is about to end
   */
  close(deadlineMs?: number, delayMs?: number): Promise<void>;
}

const DRAIN_MS = 10_000;

/**
 * Starts a proxy and begins to mint the token of every route. It accepts requests when this returns; a request that
 * comes before its route's token waits for it.
 * @throws ProxyError `address_in_use`, `address_unavailable`, `config_invalid`
 */
export function createProxy(options: ProxyOptions): Promise<RunningProxy> {
  return createProxyWith(openFront, options);
}

/** The same with other processes to take the requests, if need be. */
export async function createProxyWith(open: OpenFront, options: ProxyOptions): Promise<RunningProxy> {
  const { config, clock = systemClock, env = process.env } = options;
  const { observer, onToken } = options;
  const metering = createMetering({ isOff: config.admin === undefined, observer, onToken });
  const openSockets = createOpenSockets();
  let front: Front | undefined;
  const loader = createSiteLoader({
    clock,
    env,
    openSockets,
    onToken(event) {
      metering.onToken(event);
      front?.onToken?.(event);
    },
    onUpstream: metering.observer?.onUpstream,
  });
  const loaded = await loader.load(config).catch(async (error: unknown) => {
    await loader.close();
    throw error;
  });
  const state: State = { loaded, gate: toAdminGate(config), isStarted: false, isDraining: false };
  front = await open({
    loaded,
    inForce: () => state.loaded,
    clock,
    observer: metering.observer,
    signIns: createSignIns(clock.now().wallMs),
    openSockets,
    transports: () => loader.transports(),
    isDraining: () => state.isDraining,
  }).catch(async (error: unknown) => {
    await loader.close();
    throw error;
  });
  const { addresses, fills, upstreams, look, crew, onEnding } = front;
  const urls = toUrls(addresses);
  // Over a Unix socket every client names some host, and this one is let in.
  const url = urls.find((candidate) => !candidate.startsWith('unix:')) ?? 'http://localhost';
  const sources: StateSources = {
    config: () => state.loaded.config,
    routes: () => state.loaded.routes.map((route) => ({ ...summarize(route, url), origin: route.origin })),
    upstreams,
    fills,
    ...(look && { look }),
    ...(crew && { crew }),
    isDraining: () => state.isDraining,
    isStarted: () => state.isStarted,
  };

  let admin: AdminServer | undefined;
  try {
    refuseLoops(loaded.routes, addresses);
    admin = await startAdmin(options, state, createStateEndpoints(sources, metering, clock));
    if (admin !== undefined) refuseAdminRoutes(loaded.routes, admin.port);
  } catch (error) {
    await admin?.close();
    await front.close(0);
    await loader.close();
    throw error;
  }
  const ready = loaded.mintAll().then(() => {
    state.isStarted = true;
  });
  const { observer: told } = metering;
  const reload = createReload({ state, loader, front, adminPort: admin?.port, observer: told });
  let closing: Promise<void> | undefined;
  const close = async (deadlineMs: number, delayMs: number): Promise<void> => {
    state.isDraining = true;
    onEnding?.();
    if (delayMs > 0) await clock.wait(delayMs);
    await front.close(deadlineMs);
    await admin?.close();
    await loader.close();
  };
  return {
    url,
    urls,
    addresses: addresses.map(({ address, isTls }) => toListenerUrl(address, isTls)),
    adminUrl: admin?.url,
    get routes() {
      return state.loaded.routes.map((route) => summarize(route, url));
    },
    get warnings() {
      return state.loaded.warnings;
    },
    ready,
    askUpstreams: (timeoutMs) => askUpstreams(state.loaded.site.routeList, { clock, timeoutMs }),
    signInLink: () => findSignInLink(addresses, state.loaded, clock.now().wallMs),
    reload,
    close(deadlineMs = DRAIN_MS, delayMs = 0) {
      closing ??= close(deadlineMs, delayMs);
      return closing;
    },
  };
}

/** What changes while a proxy runs. */
interface State {
  /** In force. */
  loaded: LoadedSite;
  /** The admin port's. */
  gate: Gate;
  /** Every route of the first configuration has its first token, or was refused one. */
  isStarted: boolean;
  isDraining: boolean;
}

interface ReloadParts {
  readonly state: State;
  readonly loader: SiteLoader;
  readonly front: Front;
  readonly adminPort: number | undefined;
  /** Told how each one ended. */
  readonly observer: Required<Observer> | undefined;
}

/** One at a time: two at once could each take the other's parts for unused. */
function createReload(parts: ReloadParts): RunningProxy['reload'] {
  let last: Promise<unknown> = Promise.resolve();
  return (config) => {
    const next = Promise.all([config, last]).then(([read]) => replace(parts, read));
    last = next.then(
      () => parts.observer?.onReload({ result: 'applied' }),
      () => parts.observer?.onReload({ result: 'refused' }),
    );
    return next;
  };
}

async function replace(parts: ReloadParts, config: Config): Promise<readonly string[]> {
  const { state, loader, front, adminPort } = parts;
  const before = state.loaded;
  refuseWhenStopping(state);
  refuseRestart(before.config, config);
  let change: FrontChange | undefined;
  try {
    const loaded = await loader.load(config);
    refuseLoops(loaded.routes, front.addresses);
    if (adminPort !== undefined) refuseAdminRoutes(loaded.routes, adminPort);
    change = await front.prepare(loaded);
    await loaded.mintAll();
    refuseWhenStopping(state);
    // From here on nothing can fail, and nothing waits: to every request it is one or the other.
    const applied = change.apply();
    state.loaded = loaded;
    state.gate = toAdminGate(config);
    await applied;
    return describeChanges(before, loaded, change.certFiles);
  } finally {
    if (state.loaded === before) change?.drop();
    loader.keepOnly(state.loaded);
  }
}

function refuseWhenStopping({ isDraining }: State): void {
  if (isDraining)
    throw new ProxyError('shutting_down', 'Nothing is reloaded any more: the proxy is stopping.');
}

function findSignInLink(
  addresses: readonly ListenerAddress[],
  { site }: LoadedSite,
  nowMs: number,
): string | undefined {
  for (const [index, { clientSecret: secret }] of site.listeners.entries()) {
    const place = addresses.find(({ position }) => position === index);
    if (secret === undefined || place === undefined || isUnixAddress(place.address)) continue;
    const [origin] = toUrls([place]);
    if (origin !== undefined) return makeSignInLink(secret, origin, nowMs);
  }
  return undefined;
}

/** Where clients reach each listener, by the name it was configured with and the port it got. */
function toUrls(bound: readonly ListenerAddress[]): readonly string[] {
  const urls = bound.map(({ address, isTls, configured }) => {
    if (isUnixAddress(address) || isUnixAddress(configured.address)) return toListenerUrl(address, isTls);
    return toListenerUrl({ host: configured.address.host, port: address.port }, isTls);
  });
  return [...new Set(urls)];
}

/** The admin port answers to its own addresses, and to no host of a route. */
function toAdminGate({ admin, gate: { hosts: names, origins } }: Config): Gate {
  return createGate({ bound: admin === undefined ? [] : [admin.host], names, origins });
}

/** Undefined where it is turned off. */
async function startAdmin(
  { config: { admin }, onQuit, onReload }: ProxyOptions,
  state: State,
  endpoints: readonly Endpoint[],
): Promise<AdminServer | undefined> {
  if (admin === undefined) return undefined;
  return createAdminServer({
    config: admin,
    gate: (request) => state.gate(request),
    endpoints: [
      ...endpoints,
      ...(onQuit === undefined ? [] : [createQuitEndpoint(onQuit)]),
      ...(onReload === undefined ? [] : [createReloadEndpoint(onReload)]),
    ],
  });
}
