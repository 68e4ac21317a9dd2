import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createFolder } from '../config/resolve-file.ts';
import { ROOT } from '../support/cli.ts';
import { readRepositoryFile, readYaml } from './manifests.ts';

interface Step {
  readonly run: string;
  readonly env: Readonly<Record<string, string>>;
}

interface Action {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, { readonly value: string }>>;
  readonly runs: { readonly steps: readonly Step[] };
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** The configuration it wrote. */
  readonly config: unknown;
}

/** Runs what `action.yml` runs, with this repository's own program in place of an installed one. */
async function runAction(t: TestContext, env: Readonly<Record<string, string>>): Promise<Outcome> {
  let pid: string | undefined;
  t.after(() => pid !== undefined && process.kill(Number(pid)));
  const folder = createFolder(t);
  const output = join(folder, 'output');
  const { PATH, SystemRoot, TEMP } = process.env;
  const args = [
    '--disable-warning=ExperimentalWarning',
    join(ROOT, 'deploy', 'action', 'start.ts'),
    join(ROOT, 'src', 'cli.ts'),
  ];
  const options = {
    cwd: ROOT,
    env: {
      PATH,
      SystemRoot,
      TEMP,
      RUNNER_TEMP: folder,
      GITHUB_OUTPUT: output,
      GBP_ADMIN: '127.0.0.1:0',
      ...env,
    },
  };
  const [code, stdout] = await new Promise<[number, string]>((resolve) => {
    execFile(process.execPath, args, options, (error, text) => resolve([Number(error?.code ?? 0), text]));
  });
  const lines = existsSync(output) ? readFileSync(output, 'utf8').trimEnd().split('\n') : [];
  const outputs = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
  pid = outputs.pid;
  const file = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((name) =>
    name.endsWith('proxy.yaml'),
  );
  const config = file === undefined ? undefined : JSON.parse(readFileSync(join(folder, file), 'utf8'));
  return { code, stdout, outputs, config };
}

test('the action leaves a proxy running, and says where each route is', async (t) => {
  const routes = '/hello=emulator:hello\n  shop.localhost/api=emulator:hello\n\n';
  const { code, stdout, outputs } = await runAction(t, { INPUT_ROUTES: routes, INPUT_PORT: '0' });
  assert.equal(code, 0, stdout);
  const { url = '', urls = '', 'admin-url': adminUrl = '' } = outputs;
  assert.deepEqual(JSON.parse(urls), {
    '/hello': `${url}/hello`,
    'shop.localhost/api': `${url.replace('localhost', 'shop.localhost')}/api`,
  });
  assert.equal((await fetch(`${url}/hello`)).status, 200);
  assert.equal((await fetch(`${adminUrl}/readyz`)).status, 200);
});

test('the action makes of its inputs a federated identity, and no value becomes a key', async (t) => {
  const { code, config, stdout } = await runAction(t, {
    INPUT_ROUTES: '/orders=https://orders-abc123-an.a.run.app',
    INPUT_PROVIDER: 'projects/1/locations/global/workloadIdentityPools/ci/providers/github',
    INPUT_SERVICE_ACCOUNT: 'a@b.iam.gserviceaccount.com\nroutes: []',
    ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:9/',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
  });
  assert.equal(code, 1);
  assert.doesNotMatch(stdout, /of-the-job/);
  assert.match(stdout, /serviceAccount/, 'what the proxy says of it');
  assert.deepEqual(config, {
    credentials: {
      default: {
        kind: 'federated',
        provider: 'projects/1/locations/global/workloadIdentityPools/ci/providers/github',
        from: 'github',
        serviceAccount: 'a@b.iam.gserviceaccount.com\nroutes: []',
      },
    },
    routes: [{ path: '/orders', upstream: 'https://orders-abc123-an.a.run.app' }],
  });
});

const MISTAKES: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
  [
    'nothing to serve',
    {},
    /^::error title=gcp-bearer-proxy::There is nothing to serve: give routes or config\.$/m,
  ],
  ['a line that is no route', { INPUT_ROUTES: 'orders' }, /"orders" is no route/],
  [
    'routes beside a file',
    { INPUT_ROUTES: '/a=emulator:hello', INPUT_CONFIG: 'proxy.yaml' },
    /config goes without/,
  ],
  [
    'an account alone',
    { INPUT_ROUTES: '/a=emulator:hello', INPUT_SERVICE_ACCOUNT: 'a@b.c' },
    /needs workload-id/,
  ],
  [
    'a job without the permission',
    { INPUT_ROUTES: '/a=emulator:hello', INPUT_PROVIDER: 'projects/1' },
    /permissions: \{ id-token: write \}/,
  ],
  [
    'credentials that are not there',
    {
      INPUT_ROUTES: '/a=https://a-abc123-an.a.run.app',
      GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/credentials.json',
    },
    /::error .*\/a: The credential file \S+ does not exist/,
  ],
];

for (const [name, env, message] of MISTAKES) {
  test(`the action fails with what to do: ${name}`, async (t) => {
    const { code, stdout, outputs } = await runAction(t, env);
    assert.equal(code, 1);
    assert.match(stdout, message);
    assert.deepEqual(outputs, {});
  });
}

test('every input of the action is used, every output is written, and no input is part of a script', () => {
  const text = readRepositoryFile('action.yml');
  const [action] = readYaml<Action>('action.yml');
  const program = readRepositoryFile('deploy/action/start.ts');
  for (const name of Object.keys(action?.inputs ?? {}))
    assert.ok(text.includes(`\${{ inputs.${name} }}`), name);
  for (const [name, { value }] of Object.entries(action?.outputs ?? {})) {
    assert.equal(value, `\${{ steps.start.outputs.${name} }}`);
    assert.match(program, new RegExp(`\\b${name}\\b`));
  }
  for (const { run, env } of action?.runs.steps ?? []) {
    assert.doesNotMatch(run, /\$\{\{/);
    for (const name of Object.keys(env)) {
      if (name.startsWith('INPUT_')) assert.ok(program.includes(`'${name.slice('INPUT_'.length)}'`), name);
    }
  }
});
