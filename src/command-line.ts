import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import yargs, { type Argv } from 'yargs';
import { DOTENV_FLAG, EXEC_FLAGS, STAND_IN_FLAGS, toList, WAIT_FLAGS } from './command-flags.ts';
import { SHELLS } from './commands/completion.ts';
import type { Io } from './commands/io.ts';
import { parseDuration } from './config/duration.ts';
import { nearest } from './config/nearest.ts';
import type { ConfigFlags } from './config/resolve.ts';
import { isProxyError, ProxyError } from './errors.ts';
import { redactSecrets } from './observe/redact.ts';
import { readVersion } from './version.ts';

const COMMANDS = [
  'start',
  'exec',
  'wait',
  'check',
  'token',
  'link',
  'init',
  'export',
  'emulate',
  'schema',
  'completion',
] as const;

/** Reads the command line, runs the command and ends the process with its exit code. The only place that exits. */
export async function main(): Promise<void> {
  // Libraries warn of what is said better elsewhere (no metadata server: the token's own error); and a warning may quote.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => {
    if (name !== 'MetadataLookupWarning') process.stderr.write(`${name}: ${redactSecrets(message)}\n`);
  });
  // The variables hold secrets where the configuration says `env:NAME`; a diagnostic report (--report-on-signal, say) has no need of them.
  if (process.report !== undefined) process.report.excludeEnv = true;
  process.on('uncaughtException', (error) => {
    process.stderr.write(
      `gcp-bearer-proxy: unexpected error\n${redactSecrets(error.stack ?? error.message)}\n`,
    );
    process.exit(1);
  });
  const code = await runCommandLine(process.argv.slice(2), createIo()).catch((error: unknown) => {
    process.stderr.write(renderFailure(error));
    return isProxyError(error) ? error.exitCode : 1;
  });
  // What is still open now (a keep-alive socket, say) is of no more use; what was written has to be out first.
  process.stdout.write('', () => process.exit(code));
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The process as the commands see it. */
function createIo(): Io {
  const controller = new AbortController();
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(128 + constants.signals[signal]);
    controller.abort(signal);
  };
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    terminal: process.stderr.isTTY === true,
    colour: process.stderr.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
    interactive: process.stdin.isTTY === true,
    hearSignals(listener) {
      for (const signal of SIGNALS) process.on(signal, listener);
      return () => {
        for (const signal of SIGNALS) process.off(signal, listener);
      };
    },
    get stop() {
      // Only commands that ask are stopped gently; the others end at the first signal, as programs do.
      if (process.listenerCount('SIGINT') === 0) {
        process.on('SIGINT', onSignal);
        process.on('SIGTERM', onSignal);
      }
      return controller.signal;
    },
    onHangup(run) {
      const hadTerminal = process.stdin.isTTY || process.stderr.isTTY;
      process.on('SIGHUP', () => {
        if (IS_WINDOWS || (hadTerminal && !hasTerminal())) onSignal('SIGHUP');
        else run();
      });
    },
  };
}

/** There SIGHUP says that the console is being closed, and nothing else does. */
const IS_WINDOWS = process.platform === 'win32';

/** Whether the terminal this was started from is still there. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

function renderFailure(error: unknown): string {
  if (!isProxyError(error)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `gcp-bearer-proxy: unexpected error\n${redactSecrets(text)}\n`;
  }
  return `gcp-bearer-proxy: ${error.message}\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`;
}

/**
 * Runs one command line.
 * @param args what follows the program's name
 * @returns the exit code
 * @throws ProxyError
 */
export async function runCommandLine(args: readonly string[], io: Io): Promise<number> {
  if (args[0] === COMPLETIONS) {
    const words = await complete(args.slice(1), io);
    io.stdout.write(words.map((word) => `${word}\n`).join(''));
    return 0;
  }
  // What follows is another program's command line.
  const dashes = args.indexOf('--');
  const own = dashes === -1 ? args : args.slice(0, dashes);
  const command = dashes === -1 ? [] : args.slice(dashes + 1);
  let code = 0;
  const parser = createParser({
    own,
    command,
    io,
    end: (exitCode) => {
      code = exitCode;
    },
  });
  await parser.parseAsync([...own], {}, (_error: unknown, _argv: unknown, output: string) => {
    if (output !== '') io.stdout.write(`${output}\n`);
  });
  return code;
}

interface CommandLine {
  /** Our own part of it. */
  readonly own: readonly string[];
  /** What follows two dashes: another program's. */
  readonly command: readonly string[];
  readonly io: Io;
  /** Told the exit code. */
  readonly end: (code: number) => void;
}

/** Every command with its flags. */
function createParser({ own, command, io, end }: CommandLine) {
  // `--help` alone is about all commands, and has to fit on a screen.
  const isOverview = own.length > 0 && !own.includes('start');
  return yargs([...own])
    .scriptName('gcp-bearer-proxy')
    .usage('Relays requests to private Google Cloud services with a fresh token on each.')
    .command(
      ['start [routes..]', '$0'],
      'run the proxy',
      (y) =>
        withoutRareFlags(withConfigFlags(y), isOverview)
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'https://SERVICE or /path=https://SERVICE',
          })
          .options(STAND_IN_FLAGS)
          .option('json-ready', { type: 'boolean', describe: 'one JSON line on stdout once ready' })
          .option('port-file', {
            type: 'string',
            requiresArg: true,
            describe: 'write the port there once ready',
          })
          .option('quiet', {
            alias: 'q',
            type: 'boolean',
            describe: 'only warnings and errors',
          })
          .option('watch', {
            type: 'boolean',
            describe: 'reload on change; or --no-watch',
          })
          .option('drain-timeout', {
            type: 'string',
            requiresArg: true,
            describe: 'requests’ time at the end; 10s',
          })
          .option('drain-delay', {
            type: 'string',
            requiresArg: true,
            describe: 'first /readyz says 503 this long',
          })
          .option('max-lifetime', {
            type: 'string',
            requiresArg: true,
            describe: 'end by itself after, such as 55m',
          })
          .option('exit-zero-on-sigterm', {
            type: 'boolean',
            describe: 'exit code 0, not 143',
          })
          .example('$0', 'run proxy.yaml of this folder')
          .example('$0 https://orders-abc-an.a.run.app', 'one service, no file')
          .example('$0 /orders=https://... /users=https://...', 'several services, no file'),
      async (argv) => {
        const routes = argv.routes ?? [];
        refuseMistypedCommand(routes);
        const { runStart } = await import('./commands/start.ts');
        const { jsonReady = false, quiet = false, portFile, watch } = argv;
        const more = { jsonReady, quiet, portFile, watch, lifetime: argv };
        end(
          await runStart(
            { flags: toConfigFlags(argv), routes, ...more, ...toStandIns(argv) },
            await withDotenv(argv, io),
          ),
        );
      },
    )
    .command(
      'exec [routes..]',
      'run a command with a proxy of its own',
      (y) =>
        y
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'names of configured routes, or routes to make',
          })
          .options({ ...EXEC_FLAGS, ...STAND_IN_FLAGS, ...DOTENV_FLAG })
          .option('ca-file', CA_FILE)
          .example('$0 exec -- npm test', 'with all routes of proxy.yaml')
          .example('$0 exec --env ORDERS_URL=/orders -- npm test', 'one more variable')
          .example('$0 exec --emulate -- npm test', 'nothing real is called')
          .epilogue(
            'The command finds GBP_URL and GBP_URL_<ROUTE> in its environment.\n' +
              'Exit code: the command’s; 1 or 4 not ready, 126 or 127 it can’t be run.',
          ),
      async (argv) => {
        const { runExec } = await import('./commands/exec.ts');
        const { verbose = false, checkUpstreams = false } = argv;
        // Before anything is loaded for the proxy alone.
        const commandEnv = { ...io.env };
        end(
          await runExec(
            {
              flags: toConfigFlags(argv),
              positionals: argv.routes ?? [],
              command,
              commandEnv,
              env: toList(argv.env),
              readyTimeoutMs: readDuration('--ready-timeout', argv.readyTimeout),
              checkUpstreams,
              verbose,
              ...toStandIns(argv),
            },
            await withDotenv(argv, io),
          ),
        );
      },
    )
    .command(
      'wait',
      'wait until a running proxy is ready',
      (y) =>
        y
          .options({ ...WAIT_FLAGS, ...DOTENV_FLAG })
          .example('$0 wait', 'for the one of this folder')
          .example('$0 wait --url http://127.0.0.1:9902 --timeout 1m', 'for another one')
          .epilogue('Exit codes: 0 it is ready, 1 it wasn’t in time, with what is missing.'),
      async (argv) => {
        const { runWait } = await import('./commands/wait.ts');
        const timeoutMs = readDuration('--timeout', argv.timeout);
        end(
          await runWait({ flags: toConfigFlags(argv), url: argv.url, timeoutMs }, await withDotenv(argv, io)),
        );
      },
    )
    .command(
      ['check [routes..]', 'doctor'],
      'try each route, and say what to fix',
      (y) =>
        withConfigFlags(y)
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'names of configured routes, or routes to make',
          })
          .option('json', { type: 'boolean', describe: 'one document, for scripts' })
          .option('offline', {
            type: 'boolean',
            describe: 'the configuration alone: sends nothing',
          })
          .example('$0 check', 'every route of proxy.yaml')
          .example('$0 check /orders', 'one of them')
          .epilogue(
            'Sends each upstream two GET requests, one with the token and one without.\n' +
              'Exit codes: 0 all is well, 1 an upstream, 3 configuration, 4 credentials.',
          ),
      async (argv) => {
        const { runCheck } = await import('./commands/check.ts');
        end(
          await runCheck(
            {
              ...toConfigFlags(argv),
              json: argv.json ?? false,
              offline: argv.offline ?? false,
              positionals: argv.routes ?? [],
            },
            await withDotenv(argv, io),
          ),
        );
      },
    )
    .command(
      'token [target]',
      'print a token',
      (y) =>
        withConfigFlags(y)
          .positional('target', {
            type: 'string',
            describe: 'a route (/orders) or an audience (https://...)',
          })
          .option('access', {
            type: 'boolean',
            describe: 'an access token, not an ID token',
          })
          .option('scopes', { type: 'string', array: true, describe: 'scopes of the access token' })
          .option('credentials', {
            type: 'string',
            describe: 'which credentials of the configuration to use',
          })
          .option('claims', {
            type: 'boolean',
            describe: 'the decoded claims instead of the token',
          })
          .option('header', { type: 'boolean', describe: 'a ready Authorization header' })
          .option('json', {
            type: 'boolean',
            describe: 'token, expiry, identity and project',
          })
          .conflicts({ claims: ['header', 'json'], header: 'json' })
          .example('curl -H "$($0 token /orders --header)" https://...', 'call a service directly'),
      async (argv) => {
        const { runToken } = await import('./commands/token.ts');
        const { target, access = false, scopes, credentials, claims, header, json } = argv;
        const form = claims ? 'claims' : header ? 'header' : json ? 'json' : 'token';
        end(
          await runToken(
            { flags: toConfigFlags(argv), target, access, scopes, credentials, form },
            await withDotenv(argv, io),
          ),
        );
      },
    )
    .command(
      'link [routes..]',
      'print links that sign browsers in',
      (y) =>
        withConfigFlags(y)
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'names of configured routes, or routes to make',
          })
          .example('$0 link', 'one for each host that proxy.yaml serves')
          .epilogue('A link works once, within ten minutes. It is made from the secret: no proxy is asked.'),
      async (argv) => {
        const { runLink } = await import('./commands/link.ts');
        end(
          await runLink(
            { flags: toConfigFlags(argv), positionals: argv.routes ?? [] },
            await withDotenv(argv, io),
          ),
        );
      },
    )
    .command(
      'init',
      'write proxy.yaml for a whole project',
      (y) =>
        y
          .option('project', {
            type: 'string',
            requiresArg: true,
            describe: 'id or number of the project; that of the credentials if left out',
          })
          .option('region', {
            type: 'string',
            array: true,
            requiresArg: true,
            describe: 'only this region; may repeat',
          })
          .option('output', {
            alias: 'o',
            type: 'string',
            requiresArg: true,
            describe: 'file to write, or - for stdout; proxy.yaml if left out',
          })
          .option('force', { type: 'boolean', describe: 'write over a file that is there' })
          .option('json', { type: 'boolean', describe: 'print what was found, and write no file' })
          .option('config', {
            alias: 'c',
            type: 'string',
            requiresArg: true,
            describe: 'configuration whose credentials to use, in place of the default ones',
          })
          .option('credentials', {
            type: 'string',
            requiresArg: true,
            describe: 'which credentials of that configuration',
          })
          .option('ca-file', CA_FILE)
          .conflicts({ json: ['output', 'force'] })
          .example('$0 init --project my-project', 'every region')
          .example('$0 init --project my-project --region europe-west1 -o -', 'one region, on stdout')
          .epilogue(
            'Exit codes: 0 there is a route, 1 there is none, 2 a file is there already, 4 credentials.',
          ),
      async (argv) => {
        const { runInit } = await import('./commands/init.ts');
        const { project, region: regions, output, force = false, json = false } = argv;
        const { config, credentials, caFile } = argv;
        end(await runInit({ project, regions, output, force, json, config, credentials, caFile }, io));
      },
    )
    .command(
      'export <format> [routes..]',
      'write the configuration for Envoy',
      (y) =>
        withConfigFlags(y)
          .positional('format', { choices: ['envoy'] as const, demandOption: true })
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'routes to make, as for start',
          })
          .option('json', { type: 'boolean', default: false, describe: 'JSON, without comments, for YAML' })
          .option('strict', {
            type: 'boolean',
            default: false,
            describe: 'fail, and write nothing, where something can’t be carried over',
          })
          .option('metadata-address', {
            type: 'string',
            requiresArg: true,
            describe: 'HOST:PORT of the metadata server, in place of Google’s',
          })
          .option('ca-bundle', {
            type: 'string',
            requiresArg: true,
            describe: 'file on Envoy’s machine of the certificates it trusts',
          })
          .option('output', { alias: 'o', type: 'string', requiresArg: true, describe: 'file to write' })
          .example('$0 export envoy -o envoy.yaml', 'then: envoy -c envoy.yaml')
          .epilogue('Exit codes: 0 written, 3 the configuration is wrong, or --strict and not all of it is.'),
      async (argv) => {
        const { runExport } = await import('./commands/export.ts');
        const { json, strict, metadataAddress, caBundle, output } = argv;
        const options = { json, strict, metadataAddress, caBundle, output };
        end(
          await runExport(
            { flags: toConfigFlags(argv), positionals: argv.routes ?? [], ...options },
            await withDotenv(argv, io),
          ),
        );
      },
    )
    .command(
      'emulate [services..]',
      'Google and private services, offline',
      (y) =>
        y
          .positional('services', {
            type: 'string',
            array: true,
            describe: 'which services to run; all if left out',
          })
          .option('dir', {
            type: 'string',
            requiresArg: true,
            describe: 'write ready-to-use credential files there',
          })
          .option('port', {
            type: 'number',
            requiresArg: true,
            default: 0,
            describe: 'port of the Google endpoints; 0 for any',
          })
          .option('json-ready', { type: 'boolean', describe: 'one JSON line on stdout once ready' })
          .example('$0 emulate --dir /tmp/google', 'then point any Google client at the files in it'),
      async (argv) => {
        const { runEmulate } = await import('./commands/emulate.ts');
        const { dir, services } = argv;
        const port = checkPort(argv.port) ?? 0;
        end(
          await runEmulate(
            {
              port,
              jsonReady: argv.jsonReady ?? false,
              ...(dir !== undefined && { dir }),
              ...(services?.length && { services }),
            },
            io,
          ),
        );
      },
    )
    .command(
      'schema',
      'print the file’s JSON Schema',
      (y) =>
        y.option('output', { type: 'string', requiresArg: true, describe: 'write it to a file instead' }),
      async (argv) => {
        const { runSchema } = await import('./commands/schema.ts');
        end(await runSchema({ ...(argv.output !== undefined && { output: argv.output }) }, io));
      },
    )
    .command(
      'completion <shell>',
      'print a shell’s completion script',
      (y) =>
        y
          .positional('shell', { choices: SHELLS, demandOption: true, describe: 'which shell' })
          .example('source <($0 completion bash)', 'in ~/.bashrc; zsh alike')
          .example('$0 completion fish | source', 'in config.fish')
          .example('$0 completion powershell | Out-String | Invoke-Expression', 'in $PROFILE'),
      async (argv) => {
        const { runCompletion } = await import('./commands/completion.ts');
        end(runCompletion(argv.shell, io));
      },
    )
    .check((argv) => {
      if (command.length === 0 || argv._[0] === 'exec') return true;
      throw new ProxyError('usage', 'What follows -- is a command, and only `exec` runs one.', {
        hint: `gcp-bearer-proxy exec -- ${command[0]} ...`,
      });
    })
    .strictOptions()
    .version(readVersion())
    .alias('version', 'V')
    .help()
    .alias('help', 'h')
    .epilogue(
      'Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 credentials,\n' +
        '5 address in use, 143 SIGTERM.',
    )
    .wrap(80)
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw error ?? toUsageError(message, own);
    });
}

const CA_FILE = {
  type: 'string',
  requiresArg: true,
  describe: 'PEM file, to trust as well',
} as const;

/** Commands that take names of configured routes. */
const NAMES_ROUTES: readonly string[] = ['check', 'doctor', 'exec', 'token', 'link'];

/** Of `start`, in the order of its help: those that `--help` alone leaves to `start --help`. */
const RARE_FLAGS = [
  'dotenv',
  'listen',
  'admin-token-file',
  'ca-file',
  'client-secret',
  'allow-unauthenticated-clients',
  'emulate',
  'local',
  'json-ready',
  'port-file',
  'log-format',
  'log-level',
  'watch',
  'drain-timeout',
  'drain-delay',
  'max-lifetime',
  'exit-zero-on-sigterm',
];

function withoutRareFlags<T>(y: Argv<T>, isOverview: boolean): Argv<T> {
  return isOverview ? RARE_FLAGS.reduce((argv, flag) => argv.hide(flag), y) : y;
}

/**
 * What could follow on a command line: commands and flags, as yargs knows them, and names of routes where a command takes them.
 * @param typed the program's name and all words up to the one that is being typed
 */
async function complete(typed: readonly string[], io: Io): Promise<readonly string[]> {
  const [program = '', ...words] = typed;
  const current = words.at(-1) ?? '';
  // Behind two dashes it is another program's.
  if (words.slice(0, -1).includes('--') || FILE_FLAGS.includes(words.at(-2) ?? '')) return [];
  const command = words
    .slice(0, -1)
    .find((word) => COMMANDS.some((known) => known === word) || word === 'doctor');
  // Flags without a command are those of `start`.
  const named = command === undefined && current.startsWith('-') ? ['start', ...words] : words;
  let found: readonly string[] = [];
  await createParser({ own: [], command: [], io, end: () => {} })
    .completion('__yargs_script', false, completeByYargs)
    .parseAsync([COMPLETIONS, program, ...named], {}, (_error: unknown, _argv: unknown, output: string) => {
      // A flag of one letter has one dash.
      found = output.split('\n').filter((word) => word !== '' && !/^--\w(?:$|:|\t)/.test(word));
    });
  if (command === undefined || !NAMES_ROUTES.includes(command) || current.startsWith('-')) return found;
  const { listRouteNames } = await import('./commands/completion.ts');
  const flag = words.findLastIndex((word) => word === '--config' || word === '-c');
  const config = flag === -1 ? undefined : words[flag + 1];
  return [...(await listRouteNames(config, io)), ...found];
}

type Complete = (done: (error: Error | null, words: string[] | undefined) => void) => void;

/** What yargs knows, and an empty word at the end: where nothing is printed it goes on to run the command. */
function completeByYargs(
  _current: string,
  _argv: unknown,
  known: Complete,
  done: (words: string[]) => void,
): void {
  known((_error, words = []) => done([...words, '']));
}

const COMPLETIONS = '--get-yargs-completions';

/** Before the name of a file, which shells complete better. */
const FILE_FLAGS = [
  '--config',
  '-c',
  '--dotenv',
  '--ca-file',
  '--port-file',
  '--admin-token-file',
  '--output',
  '-o',
  '--dir',
];

function toStandIns({
  emulate = false,
  local,
}: {
  readonly emulate?: boolean | undefined;
  readonly local?: string | undefined;
}) {
  return { emulate, local: toList(local) };
}

async function withDotenv({ dotenv }: { readonly dotenv: string | undefined }, io: Io): Promise<Io> {
  if (dotenv === undefined) return io;
  const { loadDotenv } = await import('./commands/dotenv.ts');
  return loadDotenv(toList(dotenv), io);
}

function readDuration(flag: string, text: string): number {
  const durationMs = parseDuration(text, (message, hint) => {
    throw new ProxyError('usage', `${flag}: ${message}`, { hint });
  });
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new ProxyError('usage', `${flag} is a time to wait, such as 30s or 2m.`);
}

function withConfigFlags<T>(y: Argv<T>) {
  return y
    .options(DOTENV_FLAG)
    .option('config', { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration file' })
    .option('listen', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'HOST:PORT or unix:FILE; may repeat',
    })
    .option('port', {
      alias: 'p',
      type: 'number',
      requiresArg: true,
      describe: 'port; 0 for any free one',
    })
    .option('admin', { type: 'string', requiresArg: true, describe: 'HOST:PORT of admin port, or off' })
    .option('admin-token-file', {
      type: 'string',
      requiresArg: true,
      describe: 'token for POST /quit, /reload',
    })
    .option('ca-file', CA_FILE)
    .option('log-format', {
      type: 'string',
      requiresArg: true,
      describe: 'json, pretty, or google',
    })
    .option('log-level', { type: 'string', requiresArg: true, describe: 'info, warn or error' })
    .option('client-secret', {
      type: 'string',
      requiresArg: true,
      describe: 'env:NAME or file:PATH',
    })
    .option('allow-unauthenticated-clients', {
      type: 'boolean',
      describe: 'open beyond this machine',
    });
}

/** Each command has some of them. */
interface ParsedFlags {
  readonly config?: string | undefined;
  readonly listen?: string[] | undefined;
  readonly port?: number | undefined;
  readonly admin?: string | undefined;
  readonly adminTokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly logFormat?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly allowUnauthenticatedClients?: boolean | undefined;
}

function toConfigFlags({
  config,
  listen,
  port,
  admin,
  adminTokenFile,
  caFile,
  logFormat,
  logLevel,
  clientSecret,
  allowUnauthenticatedClients,
}: ParsedFlags): ConfigFlags {
  const checkedPort = checkPort(port);
  return {
    ...(config !== undefined && { config }),
    ...(listen !== undefined && { listen }),
    ...(checkedPort !== undefined && { port: checkedPort }),
    ...(admin !== undefined && { admin }),
    ...(adminTokenFile !== undefined && { adminTokenFile }),
    ...(caFile !== undefined && { caFile }),
    ...(logFormat !== undefined && { logFormat }),
    ...(logLevel !== undefined && { logLevel }),
    ...(clientSecret !== undefined && { clientSecret }),
    ...(allowUnauthenticatedClients !== undefined && { allowUnauthenticatedClients }),
  };
}

function checkPort(port: number | undefined): number | undefined {
  if (port === undefined || (Number.isInteger(port) && port >= 0 && port <= 65_535)) return port;
  throw new ProxyError('usage', '--port takes a whole number from 0 to 65535.', {
    hint: '--port 0 takes any free port.',
  });
}

/** A bare word where a route was expected was meant to be a command. */
function refuseMistypedCommand(routes: readonly string[]): void {
  const word = routes.find((route) => /^[\w-]+$/.test(route));
  if (word === undefined) return;
  const guess = nearest(word, COMMANDS);
  throw new ProxyError('usage', `"${word}" is neither a command nor a route.`, {
    hint:
      guess === undefined
        ? `Commands: ${COMMANDS.join(', ')}. Routes: https://SERVICE or /path=https://SERVICE.`
        : `Did you mean "gcp-bearer-proxy ${guess}"?`,
  });
}

const FLAGS = [
  'config',
  'listen',
  'port',
  'admin',
  'admin-token-file',
  'ca-file',
  'log-format',
  'log-level',
  'client-secret',
  'allow-unauthenticated-clients',
  'dotenv',
  'emulate',
  'local',
  'env',
  'ready-timeout',
  'check-upstreams',
  'verbose',
  'timeout',
  'url',
  'json-ready',
  'port-file',
  'quiet',
  'no-watch',
  'drain-timeout',
  'drain-delay',
  'max-lifetime',
  'exit-zero-on-sigterm',
  'json',
  'offline',
  'access',
  'scopes',
  'credentials',
  'claims',
  'header',
  'dir',
  'output',
  'project',
  'region',
  'force',
  'strict',
  'metadata-address',
  'ca-bundle',
  'help',
  'version',
] as const;

function toUsageError(message: string, args: readonly string[]): ProxyError {
  const unknown = /^Unknown arguments?: (\S+?)(?:,|$)/.exec(message)?.[1];
  if (unknown === undefined)
    return new ProxyError('usage', message, { hint: 'gcp-bearer-proxy --help shows how.' });
  const typed = args.find((arg) => arg.replace(/^-+/, '').split('=', 1)[0] === unknown) ?? `--${unknown}`;
  if (unknown === 'env-file') {
    return new ProxyError(
      'usage',
      'There is no flag --env-file: Node takes that one itself, wherever it stands.',
      {
        hint: 'Write --dotenv FILE.',
      },
    );
  }
  const guess = nearest(unknown, FLAGS);
  return new ProxyError('usage', `There is no flag ${typed.split('=', 1)[0]}.`, {
    hint: guess === undefined ? 'gcp-bearer-proxy --help lists them.' : `Did you mean --${guess}?`,
  });
}
