import type { Argv } from 'yargs';
import { CONFIG_FLAGS, toConfigFlags, withDotenv } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  json: { type: 'boolean', default: false, describe: 'JSON, without comments, for YAML' },
  strict: {
    type: 'boolean',
    default: false,
    describe: 'fail, and write nothing, where something can’t be carried over',
  },
  'metadata-address': {
    type: 'string',
    requiresArg: true,
    describe: 'HOST:PORT of the metadata server, in place of Google’s',
  },
  'ca-bundle': {
    type: 'string',
    requiresArg: true,
    describe: 'file on Envoy’s machine of the certificates it trusts',
  },
  output: { alias: 'o', type: 'string', requiresArg: true, describe: 'file to write' },
} as const;

/** `export`: writes the configuration for another proxy. */
export function addExport(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'export <format> [routes..]',
    'write the configuration for Envoy',
    (y) =>
      y
        .options(CONFIG_FLAGS)
        .positional('format', { choices: ['envoy'] as const, demandOption: true })
        .positional('routes', {
          type: 'string',
          array: true,
          describe: 'routes to make, as for start',
        })
        .options(FLAGS)
        .example('$0 export envoy -o envoy.yaml', 'then: envoy -c envoy.yaml')
        .epilogue('Exit codes: 0 written, 3 the configuration is wrong, or --strict and not all of it is.'),
    async (argv) => {
      const { runExport } = await import('../../commands/export.ts');
      const { json, strict, metadataAddress, caBundle, output } = argv;
      const options = { json, strict, metadataAddress, caBundle, output };
      end(
        await runExport(
          { flags: toConfigFlags(argv), positionals: argv.routes ?? [], ...options },
          await withDotenv(argv, io),
        ),
      );
    },
  );
}
