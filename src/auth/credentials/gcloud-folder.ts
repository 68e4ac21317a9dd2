import { homedir } from 'node:os';
import { join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/** The folder in which gcloud keeps its accounts and its settings. */
export function findGcloudFolder(env: Env): string {
  if (env.CLOUDSDK_CONFIG) return env.CLOUDSDK_CONFIG;
  if (process.platform === 'win32')
    return join(env.APPDATA || join(homedir(), 'AppData', 'Roaming'), 'gcloud');
  return join(env.HOME || homedir(), '.config', 'gcloud');
}

/** The file that `gcloud auth application-default login` writes. */
export function findLoginFile(env: Env): string {
  return join(findGcloudFolder(env), 'application_default_credentials.json');
}
