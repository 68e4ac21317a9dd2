import type { Argv } from 'yargs';
import { SHELLS } from '../../commands/completion.ts';
import type { CommandLine } from '../verb.ts';

/** `completion`: prints the script by which a shell completes our command lines. */
export function addCompletion(parser: Argv, { io, end }: CommandLine): Argv {
  return parser.command(
    'completion <shell>',
    'print a shell’s completion script',
    (y) =>
      y
        .positional('shell', { choices: SHELLS, demandOption: true, describe: 'which shell' })
        .example('source <($0 completion bash)', 'in ~/.bashrc; zsh alike')
        .example('$0 completion fish | source', 'in config.fish')
        .example('$0 completion powershell | Out-String | Invoke-Expression', 'in $PROFILE'),
    async (argv) => {
      const { runCompletion } = await import('../../commands/completion.ts');
      end(runCompletion(argv.shell, io));
    },
  );
}
