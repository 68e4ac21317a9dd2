import type { Argv } from 'yargs';
import { CA_FILE } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  project: {
    type: 'string',
    requiresArg: true,
    describe: 'id or number of the project; that of the credentials if left out',
  },
  region: {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'only this region; may repeat',
  },
  output: {
    alias: 'o',
    type: 'string',
    requiresArg: true,
    describe: 'file to write, or - for stdout; proxy.yaml if left out',
  },
  force: { type: 'boolean', describe: 'write over a file that is there' },
  json: { type: 'boolean', describe: 'print what was found, and write no file' },
  config: {
    alias: 'c',
    type: 'string',
    requiresArg: true,
    describe: 'configuration whose credentials to use, in place of the default ones',
  },
  credentials: {
    type: 'string',
    requiresArg: true,
    describe: 'which credentials of that configuration',
  },
  'ca-file': CA_FILE,
} as const;

/** `init`: writes a configuration for what a project has. */
export function addInit(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'init',
    'write proxy.yaml for a whole project',
    (y) =>
      y
        .options(FLAGS)
        .conflicts({ json: ['output', 'force'] })
        .example('$0 init --project my-project', 'every region')
        .example('$0 init --project my-project --region europe-west1 -o -', 'one region, on stdout')
        .epilogue(
          'Exit codes: 0 there is a route, 1 there is none, 2 a file is there already, 4 credentials.',
        ),
    async (argv) => {
      const { runInit } = await import('../../commands/init.ts');
      const { project, region: regions, output, force = false, json = false } = argv;
      const { config, credentials, caFile } = argv;
      end(await runInit({ project, regions, output, force, json, config, credentials, caFile }, io));
    },
  );
}
