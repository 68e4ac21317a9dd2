/**
 * What `action.yml` runs: starts the proxy, waits until every route has its token, writes the outputs, and leaves it
 * running. `node start.ts <the proxy's cli.js>`, with the inputs in `INPUT_*`. It uses nothing but Node, and nothing of
 * `src/`: the proxy it starts may be of another version.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What `--json-ready` prints, as far as it is needed here. */
interface ReadyLine {
  readonly url: string;
  readonly adminUrl: string | null;
  readonly routes: readonly {
    readonly name: string;
    readonly url: string;
    readonly ready: boolean;
    readonly error?: string;
  }[];
}

const LOOK_EVERY_MS = 100;

const input = (name: string): string => process.env[`INPUT_${name}`]?.trim() ?? '';

/** Takes `/path=URL`, `host=URL`, `host/path=URL` or a URL alone apart, as the command line does. */
function parseRoute(line: string): object {
  const [, place = '/', upstream] = /^(?:([^=:]+)=)?(https?:.+|emulator:.+)$/.exec(line) ?? [];
  if (upstream === undefined) throw new Error(`"${line}" is no route. Write /orders=https://SERVICE`);
  const slash = place.indexOf('/');
  const host = slash === -1 ? place : place.slice(0, slash);
  const path = slash === -1 ? undefined : place.slice(slash);
  return { ...(host !== '' && { host }), ...(path !== undefined && { path }), upstream };
}

/** The file that the proxy starts with; JSON is YAML, and leaves no room for a value to become a key. */
function writeConfig(folder: string): string {
  const [config, provider, serviceAccount] = [input('CONFIG'), input('PROVIDER'), input('SERVICE_ACCOUNT')];
  const lines = input('ROUTES')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (config !== '') {
    if (lines.length + provider.length + serviceAccount.length === 0) return config;
    throw new Error(
      'config goes without routes, workload-identity-provider and service-account: they are in it.',
    );
  }
  if (lines.length === 0) throw new Error('There is nothing to serve: give routes or config.');
  if (serviceAccount !== '' && provider === '') {
    throw new Error('service-account needs workload-identity-provider.');
  }
  if (provider !== '' && !process.env.ACTIONS_ID_TOKEN_REQUEST_URL) {
    throw new Error('GitHub gives this job no identity. Add to it:  permissions: { id-token: write }');
  }
  const credential = {
    kind: 'federated',
    provider,
    from: 'github',
    ...(serviceAccount && { serviceAccount }),
  };
  const content = {
    ...(provider && { credentials: { default: credential } }),
    routes: lines.map(parseRoute),
  };
  const file = join(folder, 'proxy.yaml');
  writeFileSync(file, JSON.stringify(content, null, 2));
  return file;
}

async function start(cli: string): Promise<void> {
  const folder = mkdtempSync(join(process.env.RUNNER_TEMP ?? tmpdir(), 'gcp-bearer-proxy-'));
  const files = { ready: join(folder, 'ready.json'), log: join(folder, 'log') };
  const timeoutMs = Number(input('TIMEOUT') || '60') * 1_000;
  const args = ['start', '--config', writeConfig(folder), '--port', input('PORT') || '0', '--json-ready'];
  // Files, not pipes: those would break once this program is done.
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', cli, ...args], {
    detached: true,
    stdio: ['ignore', openSync(files.ready, 'w'), openSync(files.log, 'w')],
  });
  let failure: string | undefined;
  child.once('error', (error) => {
    failure = error.message;
  });
  child.once('exit', (code, signal) => {
    failure = `it ended with ${code ?? signal}`;
  });
  try {
    const ready = await waitUntilReady(files.ready, timeoutMs, () => failure);
    writeOutputs(ready, child.pid);
    child.unref();
  } catch (error) {
    child.kill();
    console.log(readFileSync(files.log, 'utf8'));
    throw error;
  }
}

async function waitUntilReady(
  file: string,
  timeoutMs: number,
  findFailure: () => string | undefined,
): Promise<ReadyLine> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const failure = findFailure();
    if (failure !== undefined)
      throw new Error(`gcp-bearer-proxy did not start: ${failure}. Its log is above.`);
    const [line, rest] = readFileSync(file, 'utf8').split('\n', 2);
    if (line !== undefined && rest !== undefined) {
      const ready: ReadyLine = JSON.parse(line);
      const without = ready.routes.filter((route) => !route.ready);
      if (without.length === 0) return ready;
      const reasons = without.map(({ name, error }) => `${name}: ${error ?? 'no token yet'}`);
      throw new Error(`Not every route has its token. ${reasons.join(' ')}`);
    }
    if (performance.now() > deadline)
      throw new Error(`gcp-bearer-proxy was not ready in ${timeoutMs / 1_000} s.`);
    await sleep(LOOK_EVERY_MS);
  }
}

function writeOutputs({ url, adminUrl, routes }: ReadyLine, pid: number | undefined): void {
  const urls = JSON.stringify(Object.fromEntries(routes.map((route) => [route.name, route.url])));
  const outputs = { url, urls, 'admin-url': adminUrl ?? '', pid };
  const lines = Object.entries(outputs).map(([name, value]) => `${name}=${value}\n`);
  if (process.env.GITHUB_OUTPUT) appendFileSync(process.env.GITHUB_OUTPUT, lines.join(''));
  for (const route of routes) console.log(`${route.name}  ${route.url}`);
}

start(process.argv[2] ?? '').catch((error: unknown) => {
  // What a workflow command takes for the end of a line has to be escaped.
  const message = (error instanceof Error ? error.message : String(error)).replaceAll('%', '%25');
  console.log(`::error title=gcp-bearer-proxy::${message.replaceAll('\r', '%0D').replaceAll('\n', '%0A')}`);
  process.exitCode = 1;
});
