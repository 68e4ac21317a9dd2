import { rmSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ProxyError } from '../errors.ts';

/** A file that says which port was taken, for as long as it is. */
export interface PortFile {
  /** Writes the number and a line end, in one step: whoever finds the file finds all of it. */
  write(port: number): Promise<void>;
  /** Removes it. Happens at the end of the process as well, however that ends it. */
  remove(): void;
}

/**
 * Makes ready to write one. What an earlier run left there is removed at once, as nobody may take it for this run's.
 * @throws ProxyError `usage` where there is a file that says something else, or where none can be
 */
export async function openPortFile(name: string, cwd: string): Promise<PortFile> {
  const file = resolve(cwd, name);
  await refuseOthers(name, file);
  await rm(file, { force: true }).catch((cause: unknown) => refuse(name, cause));
  let isThere = false;
  const remove = (): void => {
    if (isThere) rmSync(file, { force: true });
    isThere = false;
    process.off('exit', remove);
  };
  return {
    async write(port) {
      const draft = `${file}.${process.pid}`;
      await writeFile(draft, `${port}\n`, { flag: 'wx' }).catch((cause: unknown) => refuse(name, cause));
      process.once('exit', remove);
      isThere = true;
      await rename(draft, file);
    },
    remove,
  };
}

async function refuseOthers(name: string, file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '1\n';
    return refuse(name, error);
  });
  if (/^\d{1,5}\n$/.test(text)) return;
  throw new ProxyError('usage', `There is a file ${name} already, and no port is in it.`, {
    hint: 'Name another one: --port-file FILE.',
  });
}

function refuse(name: string, cause: unknown): never {
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  throw new ProxyError('usage', `The port can't be written to ${name}${code}.`, {
    cause,
    hint: 'Name a file in a folder that is there and can be written to: --port-file FILE.',
  });
}
