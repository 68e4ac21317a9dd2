import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { toJsonSchema } from '../config/schema.ts';
import { ProxyError } from '../errors.ts';
import type { Io } from './io.ts';

/**
 * Prints the configuration file's JSON Schema for editors, or writes it to the file `output`.
 * @returns the exit code
 * @throws ProxyError `usage` when the file can't be written
 */
export async function runSchema(options: { readonly output?: string }, io: Io): Promise<number> {
  const text = `${JSON.stringify(toJsonSchema(), undefined, 2)}\n`;
  const { output } = options;
  if (output === undefined) {
    io.stdout.write(text);
    return 0;
  }
  await writeFile(resolve(io.cwd, output), text).catch((cause: unknown) => {
    throw new ProxyError('usage', `The schema can't be written to ${output}.`, {
      cause,
      hint: 'Name a file in a folder that exists.',
    });
  });
  return 0;
}
