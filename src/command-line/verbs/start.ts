import type { Argv } from 'yargs';
import { CONFIG_FLAGS, STAND_IN_FLAGS, toConfigFlags, toStandIns, withDotenv } from '../flags.ts';
import { refuseMistypedCommand } from '../mistakes.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  'json-ready': { type: 'boolean', describe: 'one JSON line on stdout once ready' },
  'port-file': {
    type: 'string',
    requiresArg: true,
    describe: 'write the port there once ready',
  },
  quiet: {
    alias: 'q',
    type: 'boolean',
    describe: 'only warnings and errors',
  },
  watch: {
    type: 'boolean',
    describe: 'reload on change; or --no-watch',
  },
  workers: { type: 'string', requiresArg: true, describe: 'processes: 1, a number, or auto' },
  'drain-timeout': {
    type: 'string',
    requiresArg: true,
    describe: 'requests’ time at the end; 10s',
  },
  'drain-delay': {
    type: 'string',
    requiresArg: true,
    describe: 'first /readyz says 503 this long',
  },
  'max-lifetime': {
    type: 'string',
    requiresArg: true,
    describe: 'end by itself after, such as 55m',
  },
  'exit-zero-on-sigterm': {
    type: 'boolean',
    describe: 'exit code 0, not 143',
  },
} as const;

/** `start`: runs the proxy; what is meant where no command is named. */
export function addStart(parser: Argv, { own, io, end }: CommandLine): Argv {
  // `--help` alone is about all commands, and has to fit on a screen.
  const isOverview = own.length > 0 && !own.includes('start');
  return parser.command(
    ['start [routes..]', '$0'],
    'run the proxy',
    (y) =>
      withoutRareFlags(y.options(CONFIG_FLAGS), isOverview)
        .positional('routes', {
          type: 'string',
          array: true,
          describe: 'https://SERVICE or /path=https://SERVICE',
        })
        .options(STAND_IN_FLAGS)
        .options(FLAGS)
        .example('$0', 'run proxy.yaml of this folder')
        .example('$0 https://orders-abc-an.a.run.app', 'one service, no file')
        .example('$0 /orders=https://... /users=https://...', 'several services, no file'),
    async (argv) => {
      const routes = argv.routes ?? [];
      refuseMistypedCommand(routes);
      const { runStart } = await import('../../commands/start.ts');
      const { jsonReady = false, quiet = false, portFile, watch, workers } = argv;
      const more = { jsonReady, quiet, portFile, watch, workers, lifetime: argv };
      end(
        await runStart(
          { flags: toConfigFlags(argv), routes, ...more, ...toStandIns(argv) },
          await withDotenv(argv, io),
        ),
      );
    },
  );
}

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
  'workers',
  'drain-timeout',
  'drain-delay',
  'max-lifetime',
  'exit-zero-on-sigterm',
];

function withoutRareFlags<T>(y: Argv<T>, isOverview: boolean): Argv<T> {
  return isOverview ? RARE_FLAGS.reduce((argv, flag) => argv.hide(flag), y) : y;
}
