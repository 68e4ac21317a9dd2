import type { Io } from '../commands/io.ts';
import { COMPLETIONS, complete } from './completions.ts';
import { createParser } from './parser.ts';

/**
 * Runs one command line.
 * @param args what follows the program's name
 * @returns the exit code
 * @throws ProxyError
 */
export async function runCommandLine(args: readonly string[], io: Io): Promise<number> {
  if (args[0] === COMPLETIONS) {
    const words = await complete(args.slice(1), io);
    io.stdout.write(words.map((word) => `${word}\n`).join(''));
    return 0;
  }
  // What follows is another program's command line.
  const dashes = args.indexOf('--');
  const own = dashes === -1 ? args : args.slice(0, dashes);
  const command = dashes === -1 ? [] : args.slice(dashes + 1);
  let code = 0;
  const parser = createParser({
    own,
    command,
    io,
    end: (exitCode) => {
      code = exitCode;
    },
  });
  await parser.parseAsync([...own], {}, (_error: unknown, _argv: unknown, output: string) => {
    if (output !== '') io.stdout.write(`${output}\n`);
  });
  return code;
}
