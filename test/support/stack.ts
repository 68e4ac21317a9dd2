import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createEmulator, type Emulator, type EmulatorOptions } from '../../src/emulator/emulator.ts';
import { assertNoToken } from './canary.ts';
import { type RunningCli, startCli } from './cli.ts';
import { readBody } from './sockets.ts';

export interface StackOptions {
  /** The routes, as YAML, with `<hello>` and so on for the services' addresses. */
  readonly routes: string;
  /** The credentials, as YAML, with `<dir>` for the folder of credential files; the developer's key if left out. */
  readonly credentials?: string;
  readonly emulator?: EmulatorOptions;
  readonly args?: readonly string[];
  readonly env?: (emulator: Emulator) => Promise<Readonly<Record<string, string | undefined>>>;
  /** Turned before the proxy starts. */
  readonly prepare?: (emulator: Emulator) => void;
}

export interface ReadyLine {
  readonly url: string;
  readonly addresses: readonly string[];
  readonly adminUrl: string | null;
  readonly routes: readonly {
    readonly name: string;
    readonly url: string;
    readonly upstream: string;
    readonly audience?: string;
    readonly identity?: string;
    readonly ready: boolean;
    readonly error?: string;
  }[];
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  json<T>(): T;
}

/** The program in a process of its own, with an emulated Google in this one. */
export interface Stack {
  readonly emulator: Emulator;
  readonly cli: RunningCli;
  readonly ready: ReadyLine;
  /** Where the proxy is: an address, not a name. */
  readonly url: string;
  readonly dir: string;
  call(
    target: string,
    options?: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<Reply>;
}

/**
 * Starts both. After the test the canary looks at everything the program wrote and every answer it made itself (R23), so
 * that it runs over the whole end-to-end suite.
 */
export async function startStack(t: TestContext, options: StackOptions): Promise<Stack> {
  const emulator = await createEmulator(options.emulator);
  t.after(() => emulator.close());
  options.prepare?.(emulator);
  const dir = await createFolder(t);
  const config = join(dir, 'proxy.yaml');
  for (const [name, file] of Object.entries(emulator.credentials)) {
    await writeFile(join(dir, `${name}.json`), JSON.stringify(file));
  }
  const variables: Record<string, string> = { dir };
  for (const service of Object.values(emulator.services)) variables[service.name] = service.url;
  const fill = (text: string) =>
    text.replace(/<(\w+)>/g, (_, name: string) => variables[name] ?? `no ${name}`);
  const credentials = options.credentials ?? 'default: { kind: key-file, path: "<dir>/serviceAccount.json" }';
  await writeFile(
    config,
    fill(`credentials:\n  ${credentials}\nroutes:\n${options.routes}\n`.replaceAll('\\', '/')),
  );

  const answers: string[] = [];
  const cli = startCli(
    t,
    ['start', '--config', config, '--port', '0', '--json-ready', ...(options.args ?? [])],
    {
      cwd: dir,
      env: (await options.env?.(emulator)) ?? {},
    },
  );
  t.after(() => {
    const tokens = emulator.mints.map(({ value }) => value);
    assertNoToken('what the program wrote', cli.output.stdout + cli.output.stderr, tokens);
    for (const answer of answers) assertNoToken('an answer of the proxy', answer, tokens);
  });
  const ready = await cli.ready<ReadyLine>();
  const [url = ready.url] = ready.addresses;
  return {
    emulator,
    cli,
    ready,
    url,
    dir,
    async call(target, { method = 'GET', headers = {}, body } = {}) {
      const reply = await send(url, target, method, headers, body);
      if (String(reply.headers['proxy-status'] ?? '').includes('error='))
        answers.push(`${JSON.stringify(reply.headers)}\n${reply.text}`);
      return reply;
    },
  };
}

/** A folder that goes away with the test. */
export async function createFolder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'gbp-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** One request with any header a client could send, `Host` and `Origin` included, and no redirect followed. */
export async function send(
  origin: string,
  target: string,
  method = 'GET',
  headers: Record<string, string> = {},
  body?: string,
): Promise<Reply> {
  const { hostname, port } = new URL(origin);
  const request = httpRequest({
    host: hostname.replace(/^\[|\]$/g, ''),
    port,
    path: target,
    method,
    headers,
  });
  request.end(body);
  const [response] = await once(request, 'response');
  const text = (await readBody(response)).toString();
  return { status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) };
}
