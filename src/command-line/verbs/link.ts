import type { Argv } from 'yargs';
import { CONFIG_FLAGS, ROUTES, toConfigFlags, withDotenv } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

/** `link`: prints links that sign browsers in. */
export function addLink(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'link [routes..]',
    'print links that sign browsers in',
    (y) =>
      y
        .options(CONFIG_FLAGS)
        .positional('routes', ROUTES)
        .example('$0 link', 'one for each host that proxy.yaml serves')
        .epilogue('A link works once, within ten minutes. It is made from the secret: no proxy is asked.'),
    async (argv) => {
      const { runLink } = await import('../../commands/link.ts');
      end(
        await runLink(
          { flags: toConfigFlags(argv), positionals: argv.routes ?? [] },
          await withDotenv(argv, io),
        ),
      );
    },
  );
}
