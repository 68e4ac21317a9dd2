import type { Argv } from 'yargs';
import { DOTENV_FLAG, readDuration, toConfigFlags, withDotenv } from '../flags.ts';
import type { CommandLine } from '../verb.ts';

const FLAGS = {
  timeout: { type: 'string', requiresArg: true, default: '30s', describe: 'longest wait' },
  url: { type: 'string', requiresArg: true, describe: 'where the admin port is' },
  config: { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration that says where' },
  admin: { type: 'string', requiresArg: true, describe: 'HOST:PORT of the admin port' },
  ...DOTENV_FLAG,
} as const;

/** `wait`: waits for a running proxy. */
export function addWait(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'wait',
    'wait until a running proxy is ready',
    (y) =>
      y
        .options(FLAGS)
        .example('$0 wait', 'for the one of this folder')
        .example('$0 wait --url http://127.0.0.1:9902 --timeout 1m', 'for another one')
        .epilogue('Exit codes: 0 it is ready, 1 it wasn’t in time, with what is missing.'),
    async (argv) => {
      const { runWait } = await import('../../commands/wait.ts');
      const timeoutMs = readDuration('--timeout', argv.timeout);
      end(
        await runWait({ flags: toConfigFlags(argv), url: argv.url, timeoutMs }, await withDotenv(argv, io)),
      );
    },
  );
}
