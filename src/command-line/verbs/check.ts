import type { Argv } from 'yargs';
import { CONFIG_FLAGS, ROUTES, toConfigFlags, withDotenv } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  json: { type: 'boolean', describe: 'one document, for scripts' },
  offline: {
    type: 'boolean',
    describe: 'the configuration alone: sends nothing',
  },
} as const;

/** `check`: tries each route. */
export function addCheck(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    ['check [routes..]', 'doctor'],
    'try each route, and say what to fix',
    (y) =>
      y
        .options(CONFIG_FLAGS)
        .positional('routes', ROUTES)
        .options(FLAGS)
        .example('$0 check', 'every route of proxy.yaml')
        .example('$0 check /orders', 'one of them')
        .epilogue(
          'Sends each upstream two GET requests, one with the token and one without.\n' +
            'Exit codes: 0 all is well, 1 an upstream, 3 configuration, 4 credentials.',
        ),
    async (argv) => {
      const { runCheck } = await import('../../commands/check.ts');
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
  );
}
