import type { TokenEvent } from '../auth/token-events.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { type ConfigFlags, resolveConfig } from '../config/resolve.ts';
import { ProxyError } from '../errors.ts';
import { type OpenFront, openFront } from '../front.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createProxyWith, type RunningProxy } from '../proxy.ts';
import { type StandInOptions, standIn } from '../stand-ins.ts';
import { createTracing } from '../tracing.ts';
import { readVersion } from '../version.ts';
import { renderBanner, toTokenWarning } from './banner.ts';
import type { Io } from './io.ts';
import { type Lifetime, type LifetimeFlags, readLifetime, toExitCode } from './lifetime.ts';
import { openPortFile, type PortFile } from './port-file.ts';
import { createReloading, findConfigFile, type Reloading } from './reloading.ts';
import { readWorkers, toWorkerLine } from './workers.ts';

export interface StartOptions extends StandInOptions {
  readonly flags: ConfigFlags;
  /** `https://…` or `/path=https://…`. */
  readonly routes: readonly string[];
  /** Print one JSON line on stdout once every route's token was asked for. */
  readonly jsonReady: boolean;
  /** Write the port to this file then. */
  readonly portFile: string | undefined;
  /** No banner, and only warnings and errors in the log. */
  readonly quiet: boolean;
  readonly lifetime?: LifetimeFlags;
  /** How many processes take requests, or `auto`; `GBP_WORKERS` if left out, and else none but this one. */
  readonly workers?: string | undefined;
  /** Read the configuration again when a file of it changes; so it is if left out. */
  readonly watch?: boolean | undefined;
}

/**
 * Runs the proxy until the user stops it, then lets requests finish.
 * @returns the exit code
 * @throws ProxyError when it can't start
 */
export async function runStart(options: StartOptions, io: Io): Promise<number> {
  const lifetime = readLifetime(options.lifetime ?? {}, io.env);
  const workers = readWorkers(options.workers, io.env);
  const config = await readConfig(options, io);
  const portFile = options.portFile === undefined ? undefined : await openPortFile(options.portFile, io.cwd);
  const log = await createLog({
    stream: io.stderr === process.stderr ? undefined : io.stderr,
    pretty: io.terminal,
    colour: io.colour,
    quiet: options.quiet,
    ...config.log,
    project: io.env.GOOGLE_CLOUD_PROJECT,
  });
  try {
    return await runProxy(config, options, io, { log, lifetime, portFile, workers });
  } finally {
    portFile?.remove();
    log.flush();
  }
}

/** As it is in force: with what stands in, if anything does. */
async function readConfig(options: StartOptions, { env, cwd }: Io): Promise<Config> {
  const { flags, routes: positionals } = options;
  return standIn(await resolveConfig({ flags, positionals, env, cwd }), options);
}

interface Surroundings {
  readonly log: Log;
  readonly lifetime: Lifetime;
  readonly portFile: PortFile | undefined;
  readonly workers: number;
}

async function runProxy(
  config: Config,
  options: StartOptions,
  io: Io,
  { log, lifetime, portFile, workers }: Surroundings,
): Promise<number> {
  const { clock = systemClock } = io;
  let isAnnounced = false;
  const stop = awaitStop(io);
  const cancelEnd = endAfter(lifetime, clock, stop);
  const warned = new Set<string>();
  const started = Promise.withResolvers<Reloading>();
  const reload = async (why: string): Promise<readonly string[]> => (await started.promise).reload(why);
  // From now on SIGHUP doesn't end the process.
  io.onHangup?.(() => void reload('SIGHUP').catch(() => {}));
  const tracing = await createTracing({ observer: log.observer, log, env: io.env, clock });
  const proxy: RunningProxy = await createProxyWith(await chooseFront(workers, options, io, log), {
    config,
    clock,
    env: io.env,
    onToken: (event) => {
      logToken(log, event);
      // Until then the banner says it.
      if (isAnnounced && event.type === 'token-minted') warnOfTokens(proxy, warned, log);
    },
    observer: tracing.observer,
    onQuit: () => stop.ask('POST /quit'),
    onReload: () => reload('POST /reload'),
  });
  const reloading = createReloading({
    proxy,
    config,
    readConfig: () => readConfig(options, io),
    file: findConfigFile(config, options.routes, io.cwd),
    isWatching: options.watch ?? true,
    log,
    clock,
  });
  started.resolve(reloading);
  warnOfDebugging(io, log);
  const early = await Promise.race([proxy.ready, stop.asked]);
  if (early === undefined) {
    await portFile?.write(findPort(proxy));
    announce(proxy, config, options, io, log, warned);
  }
  isAnnounced = true;
  const reason = await stop.asked;
  cancelEnd();
  reloading.close();
  if (!options.quiet) log.info(toFarewell(reason, lifetime));
  await proxy.close(lifetime.drainTimeoutMs, lifetime.drainDelayMs);
  await tracing.close();
  return toExitCode(reason, lifetime);
}

/** The program that runs in one process doesn't load what starts others. */
async function chooseFront(count: number, { quiet }: StartOptions, io: Io, log: Log): Promise<OpenFront> {
  if (count === 1) return openFront;
  const { createCrewFront } = await import('../crew-front.ts');
  const { env, terminal: pretty, colour } = io;
  return createCrewFront({
    count,
    env,
    log: { pretty, colour, quiet, project: env.GOOGLE_CLOUD_PROJECT },
    onWorker(event) {
      const { level, message, fields } = toWorkerLine(event);
      log[level](message, fields);
    },
  });
}

function toFarewell(reason: string, { drainDelayMs }: Lifetime): string {
  if (drainDelayMs === 0) return `Stopping (${reason}): requests under way may finish.`;
  return `Stopping (${reason}) in ${drainDelayMs} ms: until then requests are taken, and readiness says 503.`;
}

function endAfter({ maxLifetimeMs }: Lifetime, clock: Clock, stop: Stop): () => void {
  if (maxLifetimeMs === undefined) return () => {};
  return clock.schedule(maxLifetimeMs, () => stop.ask('--max-lifetime'));
}

/** @throws ProxyError `usage` where there are unix sockets alone */
function findPort({ addresses }: RunningProxy): number {
  const port = addresses.flatMap((address) => /:(\d+)$/.exec(address)?.[1] ?? [])[0];
  if (port !== undefined) return Number(port);
  throw new ProxyError('usage', 'There is no port to write down: the proxy listens on unix sockets alone.', {
    hint: 'Leave --port-file out, or listen on a port as well: --listen localhost:0.',
  });
}

interface Stop {
  /** Resolves with what asked first: a signal's name, `POST /quit`. */
  readonly asked: Promise<string>;
  ask(reason: string): void;
}

function awaitStop({ stop }: Io): Stop {
  const { promise, resolve } = Promise.withResolvers<string>();
  if (stop.aborted) resolve(String(stop.reason));
  stop.addEventListener('abort', () => resolve(String(stop.reason)), { once: true });
  return { asked: promise, ask: resolve };
}

function announce(
  proxy: RunningProxy,
  config: Config,
  options: StartOptions,
  io: Io,
  log: Log,
  warned: Set<string>,
): void {
  if (options.jsonReady) io.stdout.write(`${JSON.stringify(toReadyLine(proxy))}\n`);
  if (!options.quiet) {
    io.stderr.write(
      renderBanner({
        proxy,
        version: readVersion(),
        source: config.source,
        listener: config.listen[0] ?? {},
        // What isn't read by a person is kept, by whom is not known.
        signInLink: io.terminal ? proxy.signInLink() : undefined,
        colour: io.colour,
      }),
    );
    for (const { route } of proxy.routes.flatMap(toTokenWarning)) warned.add(route ?? '');
    return;
  }
  for (const { route, message, hint } of proxy.warnings) log.warn(message, { route, hint });
  warnOfTokens(proxy, warned, log);
}

/** Says once per route what there is to know about its token. */
function warnOfTokens(proxy: RunningProxy, warned: Set<string>, log: Log): void {
  for (const { route = '', message, hint } of proxy.routes.flatMap(toTokenWarning)) {
    if (warned.has(route)) continue;
    warned.add(route);
    log.warn(`${route}: ${message}`, { route, hint });
  }
}

/** The line that tells a script everything is up: addresses, and per route whether it has its token. */
function toReadyLine(proxy: RunningProxy): object {
  return {
    url: proxy.url,
    addresses: proxy.addresses,
    adminUrl: proxy.adminUrl ?? null,
    routes: proxy.routes.map((route) => {
      const status = route.status();
      return {
        name: route.name,
        url: route.url,
        upstream: route.upstream,
        ...(route.token?.kind === 'id' && { audience: route.token.audience }),
        ...(route.token?.kind === 'access' && { scopes: route.token.scopes }),
        ...(status?.identity !== undefined && { identity: status.identity }),
        ready: status === undefined || status.remainingMs !== undefined,
        ...(status?.error !== undefined && { error: status.error.message }),
      };
    }),
  };
}

/** What is known to print tokens was refused; of other sections, and those of later versions of Node, nobody can promise it. */
export function warnOfDebugging(io: Io, log: Log): void {
  if (io.env.NODE_DEBUG) log.warn('NODE_DEBUG is set: what Node prints is not looked through for secrets.');
}

/** Mints that fail are worth a line each; those that succeed only when they end an outage. */
export function logToken(log: Log, event: TokenEvent): void {
  if (event.type === 'token-failed') {
    const { error, failures, servingMs, nextTryMs } = event;
    const serving =
      servingMs === undefined
        ? 'Requests that need it are refused.'
        : `The present one serves ${seconds(servingMs)} more.`;
    log.warn(`${error.message} ${serving} Next try in ${seconds(nextTryMs)}.`, {
      error: error.code,
      hint: error.hint,
      failures,
    });
  } else if (event.type === 'token-recovered') {
    log.info(`Tokens from ${event.credential} are back after ${seconds(event.outageMs)}.`);
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
