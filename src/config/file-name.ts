import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Refuse } from './issues.ts';
import { isSecret } from './secret.ts';

/** What a file name written somewhere is relative to. */
export interface FileNameContext {
  readonly folder: string;
  /** Says which folder `~` is. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Reads the name of a file into its full name. */
export function parseFileName(text: string, context: FileNameContext, refuse: Refuse): string | undefined {
  if (text.trim() === '') return refuse('The file name is empty.');
  if (isSecret(text)) {
    return refuse(
      'This is the content of a file where its name should be.',
      'Save it in a file and name that.',
    );
  }
  if (/\p{Cc}/u.test(text)) return refuse('This is not the name of a file: it has control characters in it.');
  if (/^file:/i.test(text)) return refuse('A file name stands here, without `file:`.');
  if (/^env:/i.test(text)) {
    return refuse(
      'A file name stands here, not a variable.',
      'For a key in a variable there is `{ kind: key-file, key: env:NAME }`.',
    );
  }
  return toFullName(text, context);
}

function toFullName(name: string, { env, folder }: FileNameContext): string {
  if (!/^~(?:[\\/]|$)/.test(name)) return resolve(folder, name);
  const home = process.platform === 'win32' ? env.USERPROFILE : env.HOME;
  return join(home || homedir(), name.slice(1));
}
