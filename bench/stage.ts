import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { buildIfStale } from './build.ts';
import { type Cores, findCores } from './cores.ts';
import { startEmulator } from './emulator.ts';

/** What everything that is started here shares. */
export interface Stage {
  /** Undefined: nothing is held to a core. */
  readonly cores: Cores | undefined;
  /** A new folder for one user's configuration, logs and temporary files. */
  createFolder(user: string): string;
  /** Builds our proxy and starts the emulator when first called; a service account's key file that points at it. */
  keyFile(): Promise<string>;
}

/** Sets the stage in a folder of its own. */
export function createStage(directory: string): Stage {
  const cores = findCores();
  const createFolder = (user: string): string => mkdtempSync(join(directory, `${user}-`));
  let keyFile: Promise<string> | undefined;
  return {
    cores,
    createFolder,
    keyFile() {
      keyFile ??= (async () => {
        buildIfStale();
        return startEmulator(createFolder('emulator'), cores?.load);
      })();
      return keyFile;
    },
  };
}
