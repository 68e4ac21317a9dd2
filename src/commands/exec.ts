import { systemClock } from '../clock.ts';
import { isUnixAddress } from '../config/address.ts';
import type { Config, ListenerConfig, SecretSource } from '../config/config.ts';
import { type ConfigFlags, resolveConfig } from '../config/resolve.ts';
import { ProxyError } from '../errors.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createProxy, type RunningProxy } from '../proxy.ts';
import { type StandInOptions, standIn } from '../stand-ins.ts';
import { createTracing } from '../tracing.ts';
import { awaitReady } from './await-ready.ts';
import { startChild, toExitCode } from './child.ts';
import type { Io } from './io.ts';
import { chooseRoutes, splitPositionals } from './route-arguments.ts';
import { fillVariables, planVariables, type RouteVariable } from './route-variables.ts';
import { logToken, warnOfDebugging } from './start.ts';

export interface ExecOptions extends StandInOptions {
  readonly flags: ConfigFlags;
  /** Names of configured routes; or routes to make, as for `start`. */
  readonly positionals: readonly string[];
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** More variables for it, each as `NAME=/route`. */
  readonly env: readonly string[];
  readonly readyTimeoutMs: number;
  readonly checkUpstreams: boolean;
  /** A line for each request, too. */
  readonly verbose: boolean;
  /** The environment for the command: without what was loaded for the proxy alone. */
  readonly commandEnv: Io['env'];
}

/**
 * Runs a command with a proxy of its own: starts that, waits until it is ready, tells the command where the routes are, and
 * stops it afterwards.
 * @returns the command's exit code; 128 + n where a signal ended it
 * @throws ProxyError when it can't start, isn't ready in time, or the command can't be run
 */
export async function runExec(options: ExecOptions, io: Io): Promise<number> {
  const [command, ...args] = options.command;
  if (command === undefined) {
    throw new ProxyError('usage', 'There is no command to run.', {
      hint: 'It follows two dashes: gcp-bearer-proxy exec -- npm test',
    });
  }
  const config = await findConfig(options, io);
  const variables = planVariables(config.routes, options.env);
  const log = await createLog({
    stream: io.stderr === process.stderr ? undefined : io.stderr,
    pretty: io.terminal,
    colour: io.colour,
    quiet: !options.verbose,
    ...config.log,
    project: io.env.GOOGLE_CLOUD_PROJECT,
  });
  try {
    return await runWithProxy({ command, args, config, variables, options, io, log });
  } finally {
    log.flush();
  }
}

interface Run {
  readonly command: string;
  readonly args: readonly string[];
  readonly config: Config;
  readonly variables: readonly RouteVariable[];
  readonly options: ExecOptions;
  readonly io: Io;
  readonly log: Log;
}

async function runWithProxy(run: Run): Promise<number> {
  const { config, options, io, log } = run;
  const signals = hearSignals(io);
  try {
    const tracing = await createTracing({ observer: log.observer, log, env: io.env });
    const proxy = await createProxy({
      config,
      env: io.env,
      onToken: (event) => logToken(log, event),
      observer: tracing.observer,
    });
    try {
      warnOfDebugging(io, log);
      for (const { route, message, hint } of proxy.warnings) log.warn(message, { route, hint });
      const { readyTimeoutMs: timeoutMs, checkUpstreams } = options;
      await awaitReady({ proxy, clock: systemClock, timeoutMs, checkUpstreams, stopped: signals.first });
      return await runCommand(run, proxy, signals);
    } finally {
      const again = signals.next();
      await Promise.race([proxy.close().then(tracing.close), again]);
    }
  } finally {
    signals.close();
  }
}

async function runCommand(
  { command, args, config, variables, options, io, log }: Run,
  proxy: RunningProxy,
  signals: Signals,
): Promise<number> {
  const { received } = signals;
  if (received !== undefined) return toExitCode(null, received);
  warnOfSecret(config, options.commandEnv, log);
  const env = { ...options.commandEnv, ...fillVariables(variables, proxy) };
  const child = startChild({ command, args, env, cwd: io.cwd });
  signals.forward((signal) => {
    // A terminal sends its Ctrl-C to the command as well; a second one makes many programs drop everything.
    if (signal !== 'SIGINT' || !io.interactive) child.signal(signal);
  });
  return child.ended;
}

interface Signals {
  /** Resolves with the first signal. */
  readonly first: Promise<void>;
  readonly received: NodeJS.Signals | undefined;
  /** Resolves with the next one. */
  next(): Promise<void>;
  forward(to: (signal: NodeJS.Signals) => void): void;
  close(): void;
}

function hearSignals(io: Io): Signals {
  let received: NodeJS.Signals | undefined;
  let listener: (signal: NodeJS.Signals) => void = () => {};
  let coming = Promise.withResolvers<void>();
  const first = coming.promise;
  const close = io.hearSignals((signal) => {
    received ??= signal;
    listener(signal);
    coming.resolve();
    coming = Promise.withResolvers<void>();
  });
  return {
    first,
    get received() {
      return received;
    },
    next: () => coming.promise,
    forward(to) {
      listener = to;
    },
    close,
  };
}

/** The configuration for a proxy that one command uses: on this machine, on a port of its own, without an admin port. */
async function findConfig(options: ExecOptions, io: Io): Promise<Config> {
  const { flags } = options;
  const { names, definitions } = splitPositionals(options.positionals, 'exec');
  const config = await resolveConfig({ flags, positionals: definitions, env: io.env, cwd: io.cwd });
  return standIn(
    {
      ...config,
      listen: [toOwnListener(config.listen, flags.port ?? 0)],
      // Its token file may be that of another proxy, which runs for longer.
      admin:
        flags.admin === undefined || config.admin === undefined
          ? undefined
          : { ...config.admin, tokenFile: undefined },
      routes: chooseRoutes(config, names),
    },
    options,
  );
}

/** Loopback, asking of its clients what the first configured listener asks. TLS is kept only where it is how that is done. */
function toOwnListener(listen: Config['listen'], port: number): ListenerConfig {
  const first = listen.find(({ address }) => !isUnixAddress(address)) ?? listen[0];
  const { tls, clientSecret } = first ?? {};
  return {
    address: { host: 'localhost', port },
    tls: tls?.clientCaFile === undefined ? undefined : tls,
    ...(clientSecret && { clientSecret }),
  };
}

/** The command is given no secret: it has to have it already, or know where it is. */
function warnOfSecret({ listen }: Config, env: Io['env'], log: Log): void {
  for (const { clientSecret } of listen) {
    if (clientSecret === undefined || isKnown(clientSecret, env)) continue;
    const where = clientSecret.kind === 'env' ? `$${clientSecret.name}` : clientSecret.path;
    log.warn(
      `The proxy wants its client secret from the command, which is not given it: it is in ${where}.`,
      {
        hint: 'Export it in the shell, or read it there, and send it: Proxy-Authorization: Bearer SECRET',
      },
    );
  }
}

const isKnown = (source: SecretSource, env: Io['env']): boolean =>
  source.kind === 'env' && Boolean(env[source.name]);
