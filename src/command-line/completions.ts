import type { Io } from '../commands/io.ts';
import { COMMANDS } from './mistakes.ts';
import { createParser } from './parser.ts';

/** First word of the command line by which a shell's completion script asks. */
export const COMPLETIONS = '--get-yargs-completions';

/** Commands that take names of configured routes. */
const NAMES_ROUTES: readonly string[] = ['check', 'doctor', 'exec', 'token', 'link'];

/**
 * What could follow on a command line: commands and flags, as yargs knows them, and names of routes where a command takes them.
 * @param typed the program's name and all words up to the one that is being typed
 */
export async function complete(typed: readonly string[], io: Io): Promise<readonly string[]> {
  const [program = '', ...words] = typed;
  const current = words.at(-1) ?? '';
  // Behind two dashes it is another program's.
  if (words.slice(0, -1).includes('--') || FILE_FLAGS.includes(words.at(-2) ?? '')) return [];
  const command = words
    .slice(0, -1)
    .find((word) => COMMANDS.some((known) => known === word) || word === 'doctor');
  // Flags without a command are those of `start`.
  const named = command === undefined && current.startsWith('-') ? ['start', ...words] : words;
  let found: readonly string[] = [];
  await createParser({ own: [], command: [], io, end: () => {} })
    .completion('__yargs_script', false, completeByYargs)
    .parseAsync([COMPLETIONS, program, ...named], {}, (_error: unknown, _argv: unknown, output: string) => {
      // A flag of one letter has one dash.
      found = output.split('\n').filter((word) => word !== '' && !/^--\w(?:$|:|\t)/.test(word));
    });
  if (command === undefined || !NAMES_ROUTES.includes(command) || current.startsWith('-')) return found;
  const { listRouteNames } = await import('../commands/completion.ts');
  const flag = words.findLastIndex((word) => word === '--config' || word === '-c');
  const config = flag === -1 ? undefined : words[flag + 1];
  return [...(await listRouteNames(config, io)), ...found];
}

type Complete = (done: (error: Error | null, words: string[] | undefined) => void) => void;

/** What yargs knows, and an empty word at the end: where nothing is printed it goes on to run the command. */
function completeByYargs(
  _current: string,
  _argv: unknown,
  known: Complete,
  done: (words: string[]) => void,
): void {
  known((_error, words = []) => done([...words, '']));
}

/** Before the name of a file, which shells complete better. */
const FILE_FLAGS = [
  '--config',
  '-c',
  '--dotenv',
  '--ca-file',
  '--port-file',
  '--admin-token-file',
  '--output',
  '-o',
  '--dir',
];
