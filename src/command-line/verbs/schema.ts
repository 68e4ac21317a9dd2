import type { Argv } from 'yargs';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  output: { type: 'string', requiresArg: true, describe: 'write it to a file instead' },
} as const;

/** `schema`: prints the JSON Schema of the file. */
export function addSchema(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'schema',
    'print the file’s JSON Schema',
    (y) => y.options(FLAGS),
    async (argv) => {
      const { runSchema } = await import('../../commands/schema.ts');
      end(await runSchema({ ...(argv.output !== undefined && { output: argv.output }) }, io));
    },
  );
}
