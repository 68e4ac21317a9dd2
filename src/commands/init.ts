import { access, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createCredentials } from '../auth/credentials/index.ts';
import { toMember } from '../auth/credentials/kind.ts';
import { createTokenCache } from '../auth/token-cache.ts';
import type { Credential, TokenSource } from '../auth/token-source.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import { resolveConfig } from '../config/resolve.ts';
import { toConfigText } from '../discovery/config-text.ts';
import { connectApis } from '../discovery/connect.ts';
import { type Discovery, discover } from '../discovery/discover.ts';
import { type Planned, planRoutes } from '../discovery/plan.ts';
import { toDiscoveryReport } from '../discovery/report.ts';
import { ProxyError } from '../errors.ts';
import { trustCertificates } from '../trust.ts';
import { readVersion } from '../version.ts';
import { createInitText } from './init-text.ts';
import type { Io } from './io.ts';

export interface InitOptions {
  /** The credentials' own if left out. */
  readonly project: string | undefined;
  /** All there are if left out or empty. */
  readonly regions: readonly string[] | undefined;
  /** Where to write; `-` is stdout, `proxy.yaml` if left out. */
  readonly output: string | undefined;
  /** Write over a file that is there. */
  readonly force: boolean;
  /** Print what was found on stdout, and write nothing. */
  readonly json: boolean;
  /** The configuration whose credentials, certificates and universe count; its routes don't. */
  readonly config: string | undefined;
  /** A name among that configuration's credentials; `default` if left out. */
  readonly credentials: string | undefined;
  readonly caFile: string | undefined;
}

/** There is nothing to call. */
const EXIT_NOTHING = 1;
const USUAL_FILE = 'proxy.yaml';
const USUAL_UNIVERSE = 'googleapis.com';
const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

/**
 * Finds the services of a project that the caller may invoke, and writes a configuration with a route for each.
 * @returns the exit code: 0; 1 when there is none
 * @throws ProxyError `usage` for a file that is there already; `config_invalid`, `credentials_invalid`, `token_unavailable`,
 * `discovery_failed`, or as the transport
 */
export async function runInit(options: InitOptions, io: Io): Promise<number> {
  const regions = [...new Set(options.regions ?? [])];
  for (const region of regions) checkRegion(region);
  if (!options.json && !options.force) await refuseExisting(options.output, io);
  const config = await findConfig(options, io);
  if (config.caFile !== undefined) await trustCertificates(config.caFile);
  const { universeDomain, tokenTimeoutMs: timeoutMs } = config.google;
  const made = { endpoints: {}, env: io.env, clock: systemClock, timeoutMs, universeDomain };
  const credential = chooseCredential(options, createCredentials(config.credentials, made));
  const cache = createTokenCache({ clock: systemClock, mintTimeoutMs: timeoutMs });
  try {
    const project = await findProject(options.project, credential);
    const tokens = cache.source(credential, { kind: 'access', scopes: [CLOUD_PLATFORM] });
    // What the environment says of certificates it says to `start`, too.
    const { caFile } = options.caFile === undefined && options.config === undefined ? options : config;
    return await findAndWrite({ ...options, project, regions, universeDomain, caFile, tokens }, io);
  } finally {
    cache.close();
  }
}

interface Search extends InitOptions {
  readonly project: string;
  readonly regions: readonly string[];
  readonly universeDomain: string;
  readonly tokens: TokenSource;
}

async function findAndWrite(search: Search, io: Io): Promise<number> {
  const { project, regions, universeDomain, tokens, json } = search;
  const text = createInitText(io);
  const connection = connectApis({
    tokens,
    universeDomain,
    env: io.env,
    clock: systemClock,
    userAgent: `gcp-bearer-proxy/${readVersion()}`,
  });
  try {
    const { identity } = await tokens.obtain();
    const asked = { project, identity, member: toMember(identity) };
    const { onProgress } = text;
    const discovery = await discover({ apis: connection.apis, regions, asked, onProgress }).finally(
      text.endProgress,
    );
    const planned = planRoutes(discovery.services, asked);
    const hasRoutes = planned.some(({ leftOut }) => leftOut === undefined);
    if (json)
      io.stdout.write(`${JSON.stringify(toDiscoveryReport(project, planned, discovery), undefined, 2)}\n`);
    else text.writeGaps(discovery);
    if (!hasRoutes) text.writeNothing(project, regions, planned);
    else if (!json) await writeConfig(search, toText(search, identity, planned, discovery), planned, io);
    return hasRoutes ? 0 : EXIT_NOTHING;
  } finally {
    connection.close();
  }
}

function toText(
  search: Search,
  identity: string | undefined,
  planned: readonly Planned[],
  { unreachable, refused }: Discovery,
): string {
  const { project, config, credentials = 'default', universeDomain, caFile } = search;
  return toConfigText({
    project,
    command: toCommand(search),
    identity,
    credentials: config === undefined ? undefined : { name: credentials, file: config },
    universeDomain: universeDomain === USUAL_UNIVERSE ? undefined : universeDomain,
    caFile,
    planned,
    unreachable,
    refused: refused.map(({ message }) => message),
  });
}

function toCommand({ project, regions, config, credentials }: Search): string {
  const flags = [`--project ${project}`, ...regions.map((region) => `--region ${region}`)];
  if (config !== undefined) flags.push(`--config ${config}`);
  if (credentials !== undefined) flags.push(`--credentials ${credentials}`);
  return `gcp-bearer-proxy init ${flags.join(' ')}`;
}

async function writeConfig(
  { output = USUAL_FILE, force }: Search,
  content: string,
  planned: readonly Planned[],
  io: Io,
): Promise<void> {
  const text = createInitText(io);
  if (output === '-') {
    io.stdout.write(content);
    text.writeSummary(undefined, planned);
    return;
  }
  await writeFile(resolve(io.cwd, output), content, { flag: force ? 'w' : 'wx' }).catch((cause: unknown) => {
    if (codeOf(cause) === 'EEXIST') throw toExistsError(output, output);
    throw new ProxyError('usage', `${output} can't be written (${codeOf(cause)}).`, {
      cause,
      hint: 'Name a file in a folder that exists: --output FILE. Or print it: --output -',
    });
  });
  text.writeSummary(output, planned);
}

/** Before Google is asked anything, as that may take a while. */
async function refuseExisting(output: string | undefined, { cwd }: Io): Promise<void> {
  if (output === '-') return;
  // Of the two usual names, the other one would be passed over from then on.
  for (const name of output === undefined ? [USUAL_FILE, 'proxy.yml'] : [output]) {
    const isThere = await access(resolve(cwd, name)).then(
      () => true,
      (error: unknown) => codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR',
    );
    if (isThere) throw toExistsError(name, output ?? USUAL_FILE);
  }
}

function toExistsError(name: string, output: string): ProxyError {
  const message =
    name === output
      ? `There is a file ${name} already.`
      : `There is a file ${name} already, and ${output} would be read in its place.`;
  return new ProxyError('usage', message, {
    hint: 'Print it instead: --output -. Write another file: --output FILE. Write over it: --force.',
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault';
}

/** Whose credentials, certificates and universe count. A `proxy.yaml` in this folder isn't looked at: it is to be made. */
function findConfig({ config, credentials, caFile }: InitOptions, io: Io): Promise<Config> {
  if (config === undefined && credentials !== undefined) {
    throw new ProxyError('usage', '--credentials names credentials of a configuration, and there is none.', {
      hint: `gcp-bearer-proxy init --config FILE --credentials ${credentials}`,
    });
  }
  const flags = { ...(config !== undefined && { config }), ...(caFile !== undefined && { caFile }) };
  const env = { ...io.env, GBP_CONFIG: undefined };
  // Without a file the configuration is what the environment says around some route, which nobody takes.
  const positionals = config === undefined ? ['https://run.googleapis.com'] : [];
  return resolveConfig({ flags, positionals, env, cwd: io.cwd });
}

function chooseCredential(
  { credentials: name = 'default', config }: InitOptions,
  made: Readonly<Record<string, Credential>>,
): Credential {
  const credential = Object.hasOwn(made, name) ? made[name] : undefined;
  if (credential !== undefined && credential.kind !== 'none') return credential;
  const names = Object.keys(made);
  const guess = nearest(name, names);
  if (credential !== undefined)
    throw new ProxyError('usage', `The credentials "${name}" of ${config} send no token.`);
  throw new ProxyError('usage', `There are no credentials named "${name}" in ${config}.`, {
    hint: guess === undefined ? `Credentials: ${names.join(', ')}` : `Did you mean ${guess}?`,
  });
}

/** Ids, numbers, and ids with a domain before them: nothing that would lead to another path. */
const PROJECT = /^(?:[a-z0-9][a-z0-9.-]*:)?[a-z0-9][a-z0-9-]{0,62}$/;
const REGION = /^[a-z][a-z0-9-]{0,62}$/;

async function findProject(given: string | undefined, credential: Credential): Promise<string> {
  const project = given ?? (await credential.projectId());
  if (project === undefined) {
    throw new ProxyError('usage', 'Which project? The credentials name none.', {
      hint: 'gcp-bearer-proxy init --project PROJECT. To see yours: gcloud projects list',
    });
  }
  if (PROJECT.test(project)) return project;
  throw new ProxyError('usage', `${JSON.stringify(project)} is neither a project's id nor its number.`, {
    hint: 'gcloud projects list',
  });
}

function checkRegion(region: string): void {
  if (REGION.test(region)) return;
  throw new ProxyError('usage', `${JSON.stringify(region)} is not a region.`, {
    hint: 'Write one such as europe-west1; several: --region europe-west1 --region us-central1',
  });
}
