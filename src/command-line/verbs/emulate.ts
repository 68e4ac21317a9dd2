import type { Argv } from 'yargs';
import { checkPort } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  dir: {
    type: 'string',
    requiresArg: true,
    describe: 'write ready-to-use credential files there',
  },
  port: {
    type: 'number',
    requiresArg: true,
    default: 0,
    describe: 'port of the Google endpoints; 0 for any',
  },
  'json-ready': { type: 'boolean', describe: 'one JSON line on stdout once ready' },
} as const;

/** `emulate`: runs the emulator alone. */
export function addEmulate(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'emulate [services..]',
    'Google and private services, offline',
    (y) =>
      y
        .positional('services', {
          type: 'string',
          array: true,
          describe: 'which services to run; all if left out',
        })
        .options(FLAGS)
        .example('$0 emulate --dir /tmp/google', 'then point any Google client at the files in it'),
    async (argv) => {
      const { runEmulate } = await import('../../commands/emulate.ts');
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
  );
}
