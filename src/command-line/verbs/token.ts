import type { Argv } from 'yargs';
import { CONFIG_FLAGS, toConfigFlags, withDotenv } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  access: {
    type: 'boolean',
    describe: 'an access token, not an ID token',
  },
  scopes: { type: 'string', array: true, describe: 'scopes of the access token' },
  credentials: {
    type: 'string',
    describe: 'which credentials of the configuration to use',
  },
  claims: {
    type: 'boolean',
    describe: 'the decoded claims instead of the token',
  },
  header: { type: 'boolean', describe: 'a ready Authorization header' },
  json: {
    type: 'boolean',
    describe: 'token, expiry, identity and project',
  },
} as const;

/** `token`: prints a token. */
export function addToken(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'token [target]',
    'print a token',
    (y) =>
      y
        .options(CONFIG_FLAGS)
        .positional('target', {
          type: 'string',
          describe: 'a route (/orders) or an audience (https://...)',
        })
        .options(FLAGS)
        .conflicts({ claims: ['header', 'json'], header: 'json' })
        .example('curl -H "$($0 token /orders --header)" https://...', 'call a service directly'),
    async (argv) => {
      const { runToken } = await import('../../commands/token.ts');
      const { target, access = false, scopes, credentials, claims, header, json } = argv;
      const form = claims ? 'claims' : header ? 'header' : json ? 'json' : 'token';
      end(
        await runToken(
          { flags: toConfigFlags(argv), target, access, scopes, credentials, form },
          await withDotenv(argv, io),
        ),
      );
    },
  );
}
