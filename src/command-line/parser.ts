import yargs, { type Argv } from 'yargs';
import { ProxyError } from '../errors.ts';
import { readVersion } from '../version.ts';
import { toUsageError } from './mistakes.ts';
import type { AddVerb, CommandLine } from './verb.ts';
import { addCheck } from './verbs/check.ts';
import { addCompletion } from './verbs/completion.ts';
import { addEmulate } from './verbs/emulate.ts';
import { addExec } from './verbs/exec.ts';
import { addExport } from './verbs/export.ts';
import { addInit } from './verbs/init.ts';
import { addLink } from './verbs/link.ts';
import { addSchema } from './verbs/schema.ts';
import { addStart } from './verbs/start.ts';
import { addToken } from './verbs/token.ts';
import { addWait } from './verbs/wait.ts';

/** Every command, in the order of `--help`; a new one is one line here. */
const VERBS: readonly AddVerb[] = [
  addStart,
  addExec,
  addWait,
  addCheck,
  addToken,
  addLink,
  addInit,
  addExport,
  addEmulate,
  addSchema,
  addCompletion,
];

/**
 * Every command with its flags.
 * @returns a parser that runs the command; it throws ProxyError, prints nothing and ends nothing
 */
export function createParser(line: CommandLine): Argv {
  const { own, command } = line;
  const parser = yargs([...own])
    .scriptName('gcp-bearer-proxy')
    .usage('Relays requests to private Google Cloud services with a fresh token on each.');
  return VERBS.reduce<Argv>((defined, add) => add(defined, line), parser)
    .check((argv) => {
      if (command.length === 0 || argv._[0] === 'exec') return true;
      throw new ProxyError('usage', 'What follows -- is a command, and only `exec` runs one.', {
        hint: `gcp-bearer-proxy exec -- ${command[0]} ...`,
      });
    })
    .strictOptions()
    .version(readVersion())
    .alias('version', 'V')
    .help()
    .alias('help', 'h')
    .epilogue(
      'Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 credentials,\n' +
        '5 address in use, 143 SIGTERM.',
    )
    .wrap(80)
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw error ?? toUsageError(message, own);
    });
}
