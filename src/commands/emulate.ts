import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { styleText } from 'node:util';
import { createEmulator, type Emulator } from '../emulator/emulator.ts';
import { isServiceName, SERVICE_NAMES, type ServiceName } from '../emulator/service-names.ts';
import { ProxyError } from '../errors.ts';
import type { Io } from './io.ts';

export interface EmulateOptions {
  /** Where to write credential files; none are written unless given. */
  readonly dir?: string | undefined;
  /** Google's port; 0 for any free one. */
  readonly port: number;
  /** Print one JSON line on stdout once everything listens, instead of the summary. */
  readonly jsonReady: boolean;
  /** Which services to start; all unless given. */
  readonly services?: readonly string[] | undefined;
}

/** Where each credential file was written. */
type CredentialPaths = Readonly<Record<keyof Emulator['credentials'], string>>;

const FILE_NAMES: CredentialPaths = {
  serviceAccount: 'service-account.json',
  authorizedUser: 'authorized-user.json',
  impersonated: 'impersonated.json',
  federatedGithub: 'federated-github.json',
  federatedGithubRunner: 'federated-github-runner.json',
  federatedAws: 'federated-aws.json',
  workforceUser: 'workforce-user.json',
  stranger: 'stranger.json',
};

/**
 * `emulate`: runs Google and the private services until asked to stop; then removes nothing and returns 0.
 * @throws ProxyError `address_in_use`, `address_unavailable`, or `usage` for an unknown service or an unusable directory
 */
export async function runEmulate(options: EmulateOptions, io: Io): Promise<number> {
  const services = options.services?.map(parseServiceName);
  const emulator = await createEmulator({ port: options.port, ...(services && { services }) });
  try {
    const files =
      options.dir === undefined ? undefined : await writeCredentials(emulator, resolve(io.cwd, options.dir));
    if (options.jsonReady) io.stdout.write(`${JSON.stringify(toReadyLine(emulator, files))}\n`);
    else io.stderr.write(toSummary(emulator, files, io.colour));
    await aborted(io.stop);
  } finally {
    await emulator.close();
  }
  return 0;
}

function parseServiceName(text: string): ServiceName {
  if (isServiceName(text)) return text;
  throw new ProxyError('usage', `Cannot emulate ${JSON.stringify(text)}: there is no such service.`, {
    hint: `The services are ${SERVICE_NAMES.join(', ')}.`,
  });
}

async function writeCredentials(emulator: Emulator, dir: string): Promise<CredentialPaths> {
  try {
    await mkdir(dir, { recursive: true });
    const write = async (kind: keyof CredentialPaths): Promise<string> => {
      const path = join(dir, FILE_NAMES[kind]);
      await writePrivateFile(path, `${JSON.stringify(emulator.credentials[kind], undefined, 2)}\n`);
      return path;
    };
    return {
      serviceAccount: await write('serviceAccount'),
      authorizedUser: await write('authorizedUser'),
      impersonated: await write('impersonated'),
      federatedGithub: await write('federatedGithub'),
      federatedGithubRunner: await write('federatedGithubRunner'),
      federatedAws: await write('federatedAws'),
      workforceUser: await write('workforceUser'),
      stranger: await write('stranger'),
    };
  } catch (cause) {
    if (cause instanceof ProxyError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ProxyError('usage', `Cannot write credential files into ${dir}: ${why}.`, {
      hint: 'Name a directory that can be written to: --dir DIR.',
      cause,
    });
  }
}

/** Replaces what an emulator wrote earlier, as its keys are gone, and nothing else: DIR may hold a real key. */
async function writePrivateFile(path: string, text: string): Promise<void> {
  if (!(await isReplaceable(path))) {
    throw new ProxyError('usage', `Cannot write ${path}: there is a file that the emulator did not write.`, {
      hint: 'Name another directory: --dir DIR.',
    });
  }
  await rm(path, { force: true });
  await writeFile(path, text, { mode: 0o600, flag: 'wx' });
}

/** Every file of ours, and no real credential, points at loopback. */
async function isReplaceable(path: string): Promise<boolean> {
  try {
    return (await readFile(path, 'utf8')).includes('"http://127.0.0.1:');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true;
    throw error;
  }
}

function toReadyLine({ google, services, accounts }: Emulator, files: CredentialPaths | undefined): object {
  return { google, services, accounts, files: files ?? {} };
}

function toSummary(emulator: Emulator, files: CredentialPaths | undefined, colour: boolean): string {
  const style = (format: 'bold' | 'dim' | 'cyan', text: string): string =>
    colour ? styleText(format, text, { validateStream: false }) : text;
  const { google } = emulator;
  const services = Object.values(emulator.services);
  const rows = [
    ['Google', google.url, 'token, sts, iamcredentials, metadata, certs, run, cloudfunctions'],
    ...services.map(({ name, url }) => [name, url, 'private service']),
  ];
  const lines = [
    style('bold', 'Google and private services, offline'),
    '',
    ...rows.map(([name = '', url = '', what = '']) => {
      return `  ${name.padEnd(8)}${style('cyan', url.padEnd(24))}${style('dim', what)}`;
    }),
    '',
  ];
  const [first] = services;
  if (first !== undefined)
    lines.push('Without a token, 403 as from Cloud Run:', '', `  curl -i ${first.url}/`, '');
  lines.push('Point any Google client here:', '');
  if (files !== undefined) lines.push(`  GOOGLE_APPLICATION_CREDENTIALS=${files.serviceAccount}`);
  // Python's library finds the server under one name and asks it under the other.
  const { metadataHost } = google;
  lines.push(
    `  GCE_METADATA_HOST=${metadataHost} GCE_METADATA_IP=${metadataHost}`,
    '',
    'With those, gcp-bearer-proxy init looks here for what there is to call:',
    '',
    `  CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=${google.url}/ CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS=${google.url}/`,
    '',
    style('dim', 'Ctrl-C stops.'),
    '',
  );
  return lines.join('\n');
}

/** Resolves once the user asks to stop. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}
