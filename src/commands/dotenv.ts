import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { ProxyError } from '../errors.ts';
import type { Io } from './io.ts';

/**
 * Loads `.env` files into the program's own environment: as Node does, what is set already stays, and so does what an
 * earlier file said. Of Node's own settings they change nothing, as Node has read those before.
 * @returns the same world with that environment
 * @throws ProxyError `config_not_found` for a file that can't be read
 */
export async function loadDotenv(files: readonly string[], io: Io): Promise<Io> {
  if (files.length === 0) return io;
  const added: Record<string, string | undefined> = {};
  for (const file of files) {
    const text = await readFile(resolve(io.cwd, file), 'utf8').catch((cause: unknown) => {
      throw new ProxyError('config_not_found', `The file ${file}, which --dotenv names, can't be read.`, {
        cause,
        hint: 'It holds lines such as NAME=value.',
      });
    });
    for (const [name, value] of Object.entries(parseEnv(text))) {
      if (io.env[name] === undefined) added[name] ??= value;
    }
  }
  // Google's library reads the process's own.
  if (io.env === process.env) Object.assign(process.env, added);
  // A spread would fix `stop` before anybody asked for it.
  return Object.create(io, { env: { value: { ...added, ...io.env }, enumerable: true } }) as Io;
}
