import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import yargs, { type Argv } from 'yargs';
import type { Io } from './commands/io.ts';
import { nearest } from './config/nearest.ts';
import type { ConfigFlags } from './config/resolve.ts';
import { isProxyError, ProxyError } from './errors.ts';
import { redactSecrets } from './observe/redact.ts';
import { readVersion } from './version.ts';

const COMMANDS = ['start', 'check', 'token', 'link', 'init', 'export', 'emulate', 'schema'] as const;

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
  let code = 0;
  const parser = yargs([...args])
    .scriptName('gcp-bearer-proxy')
    .usage('Relays local requests to private Google Cloud services with a fresh Google token on each.')
    .command(
      ['start [routes..]', '$0'],
      'run the proxy',
      (y) =>
        withConfigFlags(y)
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'https://SERVICE or /path=https://SERVICE',
          })
          .option('json-ready', {
            type: 'boolean',
            default: false,
            describe: 'print one JSON line on stdout once ready',
          })
          .option('quiet', {
            alias: 'q',
            type: 'boolean',
            default: false,
            describe: 'only warnings and errors',
          })
          .option('watch', {
            type: 'boolean',
            default: true,
            describe: 'reload when a file of the configuration changes; --no-watch leaves that to SIGHUP',
          })
          .option('drain-timeout', {
            type: 'string',
            requiresArg: true,
            describe: 'at the end requests under way have this long; 10s if left out',
          })
          .option('drain-delay', {
            type: 'string',
            requiresArg: true,
            describe: 'before that /readyz says 503 this long, and requests are taken',
          })
          .option('max-lifetime', {
            type: 'string',
            requiresArg: true,
            describe: 'end by itself after this long, such as 55m',
          })
          .option('exit-zero-on-sigterm', {
            type: 'boolean',
            describe: 'exit code 0 after SIGTERM, not 143',
          })
          .example('$0', 'run proxy.yaml of this folder')
          .example('$0 https://orders-abc-an.a.run.app', 'one service, no file')
          .example('$0 /orders=https://... /users=https://...', 'several services, no file'),
      async (argv) => {
        const routes = argv.routes ?? [];
        refuseMistypedCommand(routes);
        const { runStart } = await import('./commands/start.ts');
        code = await runStart(
          {
            flags: toConfigFlags(argv),
            routes,
            jsonReady: argv.jsonReady,
            quiet: argv.quiet,
            watch: argv.watch,
            lifetime: argv,
          },
          io,
        );
      },
    )
    .command(
      ['check [routes..]', 'doctor'],
      'explain configuration, identity, token and upstream of each route, and what to fix',
      (y) =>
        withConfigFlags(y)
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'names of configured routes (all if left out), or routes to make, as for start',
          })
          .option('json', { type: 'boolean', default: false, describe: 'one document, for scripts' })
          .option('offline', {
            type: 'boolean',
            default: false,
            describe: 'only the configuration: asks nobody and sends nothing',
          })
          .example('$0 check', 'every route of proxy.yaml')
          .example('$0 check /orders', 'one of them')
          .epilogue(
            'Sends each upstream two GET requests for its base path, one with the token and one without.\n' +
              'Exit codes: 0 all is well, 1 an upstream refuses or can’t be reached, 3 configuration, 4 credentials.',
          ),
      async (argv) => {
        const { runCheck } = await import('./commands/check.ts');
        code = await runCheck(
          {
            ...toConfigFlags(argv),
            json: argv.json,
            offline: argv.offline,
            positionals: argv.routes ?? [],
          },
          io,
        );
      },
    )
    .command(
      'token [target]',
      'print a token for a route or an audience',
      (y) =>
        withConfigFlags(y)
          .positional('target', {
            type: 'string',
            describe: 'a route (/orders) or an audience (https://...)',
          })
          .option('access', {
            type: 'boolean',
            default: false,
            describe: 'an OAuth access token instead of an ID token',
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
        const { target, access, scopes, credentials, claims, header, json } = argv;
        const form = claims ? 'claims' : header ? 'header' : json ? 'json' : 'token';
        code = await runToken({ flags: toConfigFlags(argv), target, access, scopes, credentials, form }, io);
      },
    )
    .command(
      'link [routes..]',
      'print links that sign browsers in, where a client secret is asked for',
      (y) =>
        withConfigFlags(y)
          .positional('routes', {
            type: 'string',
            array: true,
            describe: 'names of configured routes (all if left out), or routes to make, as for start',
          })
          .example('$0 link', 'one for each host that proxy.yaml serves')
          .epilogue('A link works once, within ten minutes. It is made from the secret: no proxy is asked.'),
      async (argv) => {
        const { runLink } = await import('./commands/link.ts');
        code = await runLink({ flags: toConfigFlags(argv), positionals: argv.routes ?? [] }, io);
      },
    )
    .command(
      'init',
      'write proxy.yaml from the services and functions of a project that you may call',
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
        code = await runInit({ project, regions, output, force, json, config, credentials, caFile }, io);
      },
    )
    .command(
      'export <format> [routes..]',
      'write the configuration as one for Envoy, and say what of it can’t be carried over',
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
        code = await runExport(
          { flags: toConfigFlags(argv), positionals: argv.routes ?? [], ...options },
          io,
        );
      },
    )
    .command(
      'emulate [services..]',
      'private services and Google’s token endpoints, offline',
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
          .option('json-ready', {
            type: 'boolean',
            default: false,
            describe: 'print one JSON line on stdout once ready',
          })
          .example('$0 emulate --dir /tmp/google', 'then point any Google client at the files in it'),
      async (argv) => {
        const { runEmulate } = await import('./commands/emulate.ts');
        const { dir, services } = argv;
        const port = checkPort(argv.port) ?? 0;
        code = await runEmulate(
          {
            port,
            jsonReady: argv.jsonReady,
            ...(dir !== undefined && { dir }),
            ...(services?.length && { services }),
          },
          io,
        );
      },
    )
    .command(
      'schema',
      'print the JSON Schema of the configuration file',
      (y) =>
        y.option('output', { type: 'string', requiresArg: true, describe: 'write it to a file instead' }),
      async (argv) => {
        const { runSchema } = await import('./commands/schema.ts');
        code = await runSchema({ ...(argv.output !== undefined && { output: argv.output }) }, io);
      },
    )
    .strictOptions()
    .version(readVersion())
    .alias('version', 'V')
    .help()
    .alias('help', 'h')
    .epilogue(
      'Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 credentials, 5 address in use, 143 SIGTERM.',
    )
    .wrap(110)
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw error ?? toUsageError(message, args);
    });
  await parser.parseAsync([...args], {}, (_error, _argv, output) => {
    if (output !== '') io.stdout.write(`${output}\n`);
  });
  return code;
}

const CA_FILE = {
  type: 'string',
  requiresArg: true,
  describe: 'PEM file of certificates to trust besides the usual ones',
} as const;

function withConfigFlags<T>(y: Argv<T>) {
  return y
    .option('config', { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration file' })
    .option('listen', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'HOST:PORT or unix:FILE to listen on; may repeat',
    })
    .option('port', {
      alias: 'p',
      type: 'number',
      requiresArg: true,
      describe: 'port to listen on; 0 for any free one',
    })
    .option('admin', { type: 'string', requiresArg: true, describe: 'HOST:PORT of the admin port, or off' })
    .option('admin-token-file', {
      type: 'string',
      requiresArg: true,
      describe: 'write a token there, for POST /quit and /reload on the admin port',
    })
    .option('ca-file', CA_FILE)
    .option('client-secret', {
      type: 'string',
      requiresArg: true,
      describe: 'env:NAME or file:PATH of the secret that clients have to send',
    })
    .option('allow-unauthenticated-clients', {
      type: 'boolean',
      describe: 'listen beyond loopback although anyone there then acts as you',
    });
}

interface ParsedFlags {
  readonly config: string | undefined;
  readonly listen: string[] | undefined;
  readonly port: number | undefined;
  readonly admin: string | undefined;
  readonly adminTokenFile: string | undefined;
  readonly caFile: string | undefined;
  readonly clientSecret: string | undefined;
  readonly allowUnauthenticatedClients: boolean | undefined;
}

function toConfigFlags({
  config,
  listen,
  port,
  admin,
  adminTokenFile,
  caFile,
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
  'client-secret',
  'allow-unauthenticated-clients',
  'json-ready',
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
  const guess = nearest(unknown, FLAGS);
  return new ProxyError('usage', `There is no flag ${typed.split('=', 1)[0]}.`, {
    hint: guess === undefined ? 'gcp-bearer-proxy --help lists them.' : `Did you mean --${guess}?`,
  });
}
