import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from '../support/cli.ts';

/** One way in which something under `deploy/` starts the proxy. */
export interface Launch {
  /** Its file. */
  readonly file: string;
  /** What follows the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The proxy.yaml it finds in its working folder. */
  readonly config: string | undefined;
  /** Commands that run inside the container to ask how it is. */
  readonly probes: readonly (readonly string[])[];
  /** URLs that an application beside it is given. */
  readonly urls: readonly string[];
  /** Seconds between being asked to stop and being killed; undefined: not this file's business. */
  readonly stopSeconds: number | undefined;
}

interface Named {
  readonly name: string;
  readonly value?: string;
}

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly Named[];
  readonly securityContext?: { readonly readOnlyRootFilesystem?: boolean; readonly runAsUser?: number };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
}

interface Probe {
  readonly exec?: { readonly command: readonly string[] };
  readonly tcpSocket?: { readonly port: number };
}

/** A pod's description, as Kubernetes and Cloud Run have it. */
export interface Pod {
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly runAsUser?: number };
  readonly terminationGracePeriodSeconds?: number;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly template?: { readonly spec: Pod } };
}

export interface EcsContainer {
  readonly name: string;
  readonly user: string;
  readonly readonlyRootFilesystem?: boolean;
  readonly stopTimeout?: number;
  readonly environment?: readonly Named[];
  readonly secrets?: readonly Named[];
  readonly healthCheck?: { readonly command: readonly string[] };
}

export interface ComposeService {
  readonly user?: string;
  readonly read_only?: boolean;
  readonly network_mode?: string;
  readonly stop_grace_period?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

/** Stands for what a secret store would put into a variable. */
export const SECRET = 'a-secret-from-a-secret-store';

/** Every file under `deploy/`, as `deploy/ci/gitlab-ci.yaml`. */
export const DEPLOY_FILES = readdirSync(join(ROOT, 'deploy'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) =>
    join(entry.parentPath, entry.name)
      .slice(ROOT.length + 1)
      .split(sep)
      .join('/'),
  )
  .toSorted();

export function readRepositoryFile(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8').replaceAll('\r\n', '\n');
}

/** The documents of a YAML file. @throws with what is wrong with it, duplicate keys among that */
export function readYaml<T>(file: string): readonly T[] {
  return parseAllDocuments(readRepositoryFile(file)).map((document) => {
    for (const problem of [...document.errors, ...document.warnings]) throw problem;
    return document.toJS() as T;
  });
}

export function readEcsContainers(file: string): readonly EcsContainer[] {
  return JSON.parse(readRepositoryFile(file)).containerDefinitions;
}

export function readComposeServices(): Readonly<Record<string, ComposeService>> {
  const [compose] = readYaml<{ services: Record<string, ComposeService> }>('deploy/compose.yaml');
  return compose?.services ?? {};
}

/** The pod that a Kubernetes or Cloud Run file makes. */
export function readPod(file: string): Pod {
  const pods = readYaml<Resource>(file).flatMap(({ spec }) => spec?.template?.spec ?? []);
  if (pods.length !== 1 || pods[0] === undefined) throw new Error(`${file} makes ${pods.length} pods`);
  return pods[0];
}

/** The exec form of an instruction of the last stage of the Dockerfile. */
export function readImageCommand(instruction: 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK'): readonly string[] {
  const lines = readRepositoryFile('deploy/Dockerfile').replaceAll('\\\n', ' ').split('\n');
  const line = lines.findLast((one) => one.startsWith(`${instruction} `));
  return JSON.parse(line?.slice(line.indexOf('[')) ?? '[]');
}

/** Every way in which something under `deploy/` starts the proxy. */
export function readLaunches(): readonly Launch[] {
  return [
    toImageLaunch(),
    toComposeLaunch(),
    toServiceLaunch(),
    toPodLaunch('deploy/kubernetes/sidecar.yaml'),
    toPodLaunch('deploy/kubernetes/gateway.yaml'),
    toPodLaunch('deploy/cloud-run/service.yaml'),
    toEcsLaunch('deploy/ecs/sidecar.json'),
    toEcsLaunch('deploy/ecs/gateway.json'),
    toScriptLaunch('deploy/ci/gitlab-ci.yaml', 'deploy/ci/gitlab-proxy.yaml'),
    toScriptLaunch('deploy/ci/cloud-build.yaml'),
  ];
}

function toImageLaunch(): Launch {
  const probe = readImageCommand('HEALTHCHECK');
  const config = readRepositoryFile('deploy/proxy.yaml');
  const rest = { env: {}, config, probes: [probe], urls: [], stopSeconds: undefined };
  return { file: 'deploy/Dockerfile', args: readImageCommand('CMD'), ...rest };
}

function toComposeLaunch(): Launch {
  const { proxy = {}, app = {} } = readComposeServices();
  return {
    file: 'deploy/compose.yaml',
    args: readImageCommand('CMD'),
    env: proxy.environment ?? {},
    config: readRepositoryFile('deploy/proxy.yaml'),
    probes: [proxy.healthcheck?.test.slice(1) ?? []],
    urls: Object.values(app.environment ?? {}),
    stopSeconds: Number.parseInt(proxy.stop_grace_period ?? '', 10),
  };
}

function toServiceLaunch(): Launch {
  const file = 'deploy/gcp-bearer-proxy.service';
  const read = (key: string): string =>
    new RegExp(`^${key}=(.*)$`, 'm').exec(readRepositoryFile(file))?.[1] ?? '';
  const [, ...args] = read('ExecStart').split(' ');
  const config = readRepositoryFile('deploy/proxy.yaml');
  const stopSeconds = Number.parseInt(read('TimeoutStopSec'), 10);
  return { file, args: moveConfig(args), env: {}, config, probes: [], urls: [], stopSeconds };
}

function toPodLaunch(file: string): Launch {
  const pod = readPod(file);
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  const proxy = containers.find(({ name }) => name === 'proxy');
  const { startupProbe, readinessProbe, livenessProbe } = proxy ?? {};
  return {
    file,
    args: proxy?.args ?? [],
    env: toRecord(proxy?.env),
    config: readYaml<Resource>(file).find(({ kind }) => kind === 'ConfigMap')?.data?.['proxy.yaml'],
    probes: [startupProbe, readinessProbe, livenessProbe].flatMap((probe) =>
      probe?.exec === undefined ? [] : [probe.exec.command],
    ),
    urls: containers.filter((one) => one !== proxy).flatMap(({ env }) => Object.values(toRecord(env))),
    stopSeconds: pod.terminationGracePeriodSeconds,
  };
}

function toEcsLaunch(file: string): Launch {
  const containers = readEcsContainers(file);
  const proxy = containers.find(({ name }) => name === 'proxy');
  const secrets = proxy?.secrets?.map(({ name }) => [name, SECRET]) ?? [];
  return {
    file,
    args: readImageCommand('CMD'),
    env: { ...toRecord(proxy?.environment), ...Object.fromEntries(secrets) },
    config: readRepositoryFile('deploy/ecs/proxy.yaml'),
    probes: [proxy?.healthCheck?.command.slice(1) ?? []],
    urls: containers
      .filter((one) => one !== proxy)
      .flatMap(({ environment }) => Object.values(toRecord(environment))),
    stopSeconds: proxy?.stopTimeout,
  };
}

/** A script that starts the proxy through npx, in the background. */
function toScriptLaunch(file: string, config?: string): Launch {
  const text = readRepositoryFile(file).replaceAll(/\\\n\s*/g, '');
  const line = /npx gcp-bearer-proxy (.*) &$/m.exec(text)?.[1] ?? '';
  return {
    file,
    args: moveConfig(line.split(' ')),
    env: {},
    config: config === undefined ? undefined : readRepositoryFile(config),
    probes: [],
    urls: [...text.matchAll(/http:\/\/localhost:\S+/g)].map(([url]) => url),
    stopSeconds: undefined,
  };
}

/** The file is looked at where the test puts it, not where the manifest has it. */
function moveConfig(args: readonly string[]): readonly string[] {
  return args.map((arg, index) => (args[index - 1] === '--config' ? 'proxy.yaml' : arg));
}

function toRecord(named: readonly Named[] = []): Record<string, string> {
  return Object.fromEntries(named.map(({ name, value = '' }) => [name, value]));
}
