import { existsSync } from 'node:fs';
import { delimiter, extname, join, resolve } from 'node:path';
import { ProxyError } from '../errors.ts';

/** What to give to the system to start a program. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  /** Windows: the arguments are one text already. */
  readonly verbatim: boolean;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  /** Whether there is such a file; the system's own answer unless given. */
  readonly isThere?: (file: string) => boolean;
}

/** What `cmd` would still expand, or end a quotation or a line at, inside of quotation marks. */
const NOT_FOR_BATCH = /["%!\r\n\0]/;

/**
 * How a program is started without a shell, so that no argument is read as anything but itself. Windows starts `.exe` alone
 * like that: `npm` there is `npm.cmd`, which only its command interpreter runs, and which reads its arguments a second time.
 * Those that it would take for something else are refused rather than escaped.
 * @throws ProxyError `usage` for an argument that no batch file can be given
 */
export function findProgram(options: ProgramOptions): Program {
  const { command, args, platform } = options;
  if (platform !== 'win32') return { file: command, args, verbatim: false };
  const file = searchPath(options) ?? command;
  if (!/\.(?:cmd|bat)$/i.test(file)) return { file, args, verbatim: false };
  const unsafe = [file, ...args].find((text) => NOT_FOR_BATCH.test(text));
  if (unsafe !== undefined) {
    throw new ProxyError(
      'usage',
      `${command} is a batch file, which can't be given ${JSON.stringify(unsafe)} unchanged.`,
      {
        hint: 'Leave out ", %, ! and line ends; or start the program behind it: node FILE.js ...',
      },
    );
  }
  const line = [file, ...args].map(quote).join(' ');
  // /d: no AutoRun; /s with marks around all of it: what is within is taken as it is.
  return {
    file: readVariable(options.env, 'ComSpec') ?? 'cmd.exe',
    args: ['/d', '/s', '/c', `"${line}"`],
    verbatim: true,
  };
}

/** Backslashes before the closing mark would escape it for the program that reads the line at last. */
function quote(text: string): string {
  return `"${text.replace(/\\+$/, '$&$&')}"`;
}

/** As the command interpreter looks for a word: the working folder is not searched, as that is how others' programs get run. */
function searchPath({ command, env, cwd, isThere = existsSync }: ProgramOptions): string | undefined {
  const extensions = (readVariable(env, 'PATHEXT') ?? '.COM;.EXE;.BAT;.CMD')
    .split(';')
    .filter((one) => one !== '');
  const isPath = /[\\/]/.test(command);
  const folders = isPath
    ? [cwd]
    : (readVariable(env, 'Path') ?? '').split(delimiter).filter((one) => one !== '');
  const hasExtension = extensions.some((one) => one.toLowerCase() === extname(command).toLowerCase());
  const endings = hasExtension ? ['', ...extensions] : extensions;
  return folders
    .flatMap((folder) =>
      endings.map((ending) => (isPath ? resolve(folder, command) : join(folder, command)) + ending),
    )
    .find(isThere);
}

function readVariable(env: ProgramOptions['env'], name: string): string | undefined {
  const key = Object.keys(env).find((candidate) => candidate.toUpperCase() === name.toUpperCase());
  return key === undefined ? undefined : env[key];
}
