import type { Argv } from 'yargs';
import {
  CA_FILE,
  DOTENV_FLAG,
  ROUTES,
  readDuration,
  STAND_IN_FLAGS,
  toConfigFlags,
  toList,
  toStandIns,
  withDotenv,
} from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  config: { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration file' },
  env: { type: 'string', requiresArg: true, describe: 'NAME=/ROUTE[/PATH]; may repeat' },
  'ready-timeout': { type: 'string', requiresArg: true, default: '30s', describe: 'longest wait' },
  'check-upstreams': { type: 'boolean', describe: 'each has to answer, too' },
  port: { alias: 'p', type: 'number', requiresArg: true, describe: 'port; any free one if left out' },
  admin: { type: 'string', requiresArg: true, describe: 'HOST:PORT of an admin port' },
  'client-secret': {
    type: 'string',
    requiresArg: true,
    describe: 'env:NAME or file:PATH',
  },
  verbose: { type: 'boolean', describe: 'a line for each request' },
  ...STAND_IN_FLAGS,
  ...DOTENV_FLAG,
  'ca-file': CA_FILE,
} as const;

/** `exec`: runs another program with a proxy of its own. */
export function addExec(parser: Argv, { command, io, end }: CommandLine): Argv {
  return parser.command(
    'exec [routes..]',
    'run a command with a proxy of its own',
    (y) =>
      y
        .positional('routes', ROUTES)
        .options(FLAGS)
        .example('$0 exec -- npm test', 'with all routes of proxy.yaml')
        .example('$0 exec --env ORDERS_URL=/orders -- npm test', 'one more variable')
        .example('$0 exec --emulate -- npm test', 'nothing real is called')
        .epilogue(
          'The command finds GBP_URL and GBP_URL_<ROUTE> in its environment.\n' +
            'Exit code: the command’s; 1 or 4 not ready, 126 or 127 it can’t be run.',
        ),
    async (argv) => {
      const { runExec } = await import('../../commands/exec.ts');
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
  );
}
