import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningCli, startCli } from '../support/cli.ts';
import { type Commander, giveOrders, type Orders } from '../support/orders.ts';
import type { ReadyLine } from '../support/stack.ts';
import { type Version, Versions } from './configuration.ts';
import type { FarSideOrders } from './far-side.ts';
import { startFastTime } from './fast-clock.ts';
import type { ProxyOrders } from './inside-proxy.ts';
import type { LoadOrders } from './load.ts';
import { STAGE_ROUTES } from './stage-routes.ts';

/** The proxy as users run it, between clients on one side and Google with upstreams on the other: three processes. */
export interface Stage {
  readonly folder: string;
  readonly cli: RunningCli;
  readonly proxy: Commander<ProxyOrders>;
  readonly load: Commander<LoadOrders>;
  readonly farSide: Commander<FarSideOrders>;
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
  readonly versions: Versions;
  /** What the proxy was started with. */
  readonly first: Version;
  /** Ends every process, however far it is, and removes the folder. */
  close(): Promise<void>;
}

/** Those that stay open to the end. */
export const WEBSOCKETS = 12;

/** @throws what is in the way of it; then nothing is left running */
export async function openStage(seed: number): Promise<Stage> {
  const endings: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  try {
    return { ...(await open(seed, (end) => endings.push(end))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(seed: number, atEnd: (end: () => unknown) => void): Promise<Omit<Stage, 'close'>> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  atEnd(() => rm(folder, { recursive: true, force: true }));
  const time = startFastTime();
  const farSide = startProgram<FarSideOrders>('far-side.ts', time, atEnd);
  const { origins, metadataHost, credentials, authority, listener } = await farSide.ask('open');
  const versions = new Versions(origins, seed);
  const first = versions.usual();
  const files = {
    'ca.pem': authority,
    'cert.pem': listener.cert,
    'key.pem': listener.key,
    'service-account.json': JSON.stringify(credentials.serviceAccount),
    'adc.json': JSON.stringify(credentials.impersonated),
    'federated.json': JSON.stringify(credentials.federatedGithubRunner),
    'proxy.yaml': first.yaml,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);

  const inside = new URL('inside-proxy.ts', import.meta.url).href;
  const cli = startCli(
    { after: (end) => atEnd(end as () => unknown) },
    [
      'start',
      '--config',
      join(folder, 'proxy.yaml'),
      '--json-ready',
      '--admin-token-file',
      join(folder, 'admin-token'),
    ],
    {
      cwd: folder,
      env: {
        ...time,
        GCE_METADATA_HOST: metadataHost,
        GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'adc.json'),
      },
      nodeArgs: ['--expose-gc', '--import', inside],
      ipc: true,
    },
  );
  const { addresses, adminUrl, routes } = await cli.ready<ReadyLine>();
  const [plainUrl = '', tlsUrl = ''] = addresses;
  const waiting = routes.find(({ ready }) => !ready);
  if (adminUrl === null || waiting !== undefined)
    throw new Error(`the proxy isn't ready: ${waiting?.name} ${waiting?.error}\n${cli.output.stderr}`);

  const load = startProgram<LoadOrders>('load.ts', {}, atEnd);
  await load.ask('prepare', {
    seed,
    plainUrl,
    tlsUrl,
    ca: authority,
    routes: STAGE_ROUTES.map(({ name }) => name),
    webSocketRoutes: STAGE_ROUTES.flatMap(({ name, upstream }) => (upstream === 'plain' ? [name] : [])),
    webSockets: WEBSOCKETS,
  });
  const proxy = giveOrders<ProxyOrders>(cli.child, () => cli.output.stderr);
  const { pid = 0 } = cli.child;
  return { folder, cli, proxy, load, farSide, url: plainUrl, adminUrl, pid, versions, first };
}

function startProgram<O extends Orders>(
  file: string,
  env: Readonly<Record<string, string>>,
  atEnd: (end: () => unknown) => void,
): Commander<O> {
  const child: ChildProcess = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return giveOrders<O>(child, () => said);
}
