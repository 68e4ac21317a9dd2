import { join } from 'node:path';
import { cliFile } from './contenders/gcp-bearer-proxy.ts';
import { startPinned } from './pinned-process.ts';

/** Starts Google's token endpoint, offline, and gives a service account's key file that points at it. */
export async function startEmulator(directory: string, core: number | undefined): Promise<string> {
  const command = [process.execPath, cliFile, 'emulate', '--dir', directory, '--json-ready'];
  await startPinned(command, { core }).firstLine();
  return join(directory, 'service-account.json');
}
