import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type InitOptions, runInit } from '../../src/commands/init.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { isProxyError, type ProxyError } from '../../src/errors.ts';
import { useEmulator } from '../auth/credentials/setting.ts';
import { createFolder } from '../config/resolve-file.ts';
import { assertNoToken } from '../support/canary.ts';
import { createIo } from './config-io.ts';

const setting = useEmulator({ services: ['hello', 'echo'] });

interface Given {
  readonly cwd: string;
  readonly terminal?: boolean;
  readonly colour?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly file?: 'serviceAccount' | 'stranger';
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function init(given: Given, options: Partial<InitOptions> = {}): Promise<Outcome> {
  const { cwd, terminal = false, colour = false, env = {}, file = 'serviceAccount' } = given;
  const { google, credentials, mints } = setting.google;
  const { io, written } = createIo(cwd);
  const usual = {
    GOOGLE_APPLICATION_CREDENTIALS: await setting.write(`${file}.json`, credentials[file]),
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: google.url,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS: google.url,
  };
  const none = { project: undefined, regions: undefined, output: undefined, config: undefined };
  const code = await runInit(
    { ...none, force: false, json: false, credentials: undefined, caFile: undefined, ...options },
    { ...io, terminal, colour, env: { ...usual, ...env } },
  );
  assertNoToken(
    'what init wrote',
    written.stdout + written.stderr,
    mints.map(({ value }) => value),
  );
  return { code, ...written };
}

async function failure(outcome: Promise<Outcome>): Promise<ProxyError> {
  const error = await outcome.then(
    ({ code, stderr }) => assert.fail(`ended with ${code}\n${stderr}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(isProxyError(error), String(error));
  return error;
}

const read = (cwd: string, name = 'proxy.yaml'): string => readFileSync(join(cwd, name), 'utf8');
const namesIn = async (cwd: string): Promise<readonly string[]> =>
  (await resolveConfig({ flags: {}, positionals: [], env: {}, cwd })).routes.map(({ name }) => name);
const folder = (t: TestContext): Given => ({ cwd: createFolder(t) });

test('init writes a proxy.yaml that loads, for the project of the credentials', async (t) => {
  const given = folder(t);
  assert.deepEqual(await init(given), {
    code: 0,
    stdout: '',
    stderr:
      'proxy.yaml has 2 routes; 3 left out, with the reason in a comment.\nGo on with: gcp-bearer-proxy check\n',
  });
  assert.deepEqual(await namesIn(given.cwd), ['/echo', '/hello']);
  assert.match(read(given.cwd), /found by\n# {3}gcp-bearer-proxy init --project emulated-project\n/);
});

test('init writes the same file each time', async (t) => {
  const given = folder(t);
  await init(given);
  const first = read(given.cwd);
  await init(given, { force: true });
  assert.equal(read(given.cwd), first);
});

test('init never writes over a file unless told to, and asks nobody first', async (t) => {
  const given = folder(t);
  writeFileSync(join(given.cwd, 'proxy.yaml'), 'mine');
  const asked = await setting.count(async () => {
    const error = await failure(init(given));
    assert.deepEqual([error.code, error.exitCode], ['usage', 2]);
    assert.match(error.message, /^There is a file proxy\.yaml already\.$/);
    assert.match(String(error.hint), /--force/);
  });
  assert.deepEqual([asked, read(given.cwd)], [{}, 'mine']);
  assert.equal((await init(given, { output: 'other.yaml' })).code, 0);
  assert.equal((await init(given, { force: true })).code, 0);
  assert.equal(read(given.cwd), read(given.cwd, 'other.yaml'));
});

test('init puts no proxy.yaml before a proxy.yml', async (t) => {
  const given = folder(t);
  writeFileSync(join(given.cwd, 'proxy.yml'), 'mine');
  const { message } = await failure(init(given));
  assert.equal(message, 'There is a file proxy.yml already, and proxy.yaml would be read in its place.');
});

test('init says where it can’t write', async (t) => {
  const error = await failure(init(folder(t), { output: join('no', 'such', 'folder.yaml') }));
  assert.deepEqual([error.code, error.exitCode], ['usage', 2]);
  assert.match(error.message, /can't be written \(ENOENT\)/);
});

test('init --output - writes to stdout, whatever files there are', async (t) => {
  const given = folder(t);
  writeFileSync(join(given.cwd, 'proxy.yaml'), 'mine');
  const { code, stdout, stderr } = await init(given, { output: '-', regions: ['europe-west1'] });
  assert.deepEqual([code, stderr], [0, 'Found 2 routes; 1 left out, with the reason in a comment.\n']);
  assert.match(stdout, /^# yaml-language-server: .*\n/);
  assert.match(stdout, / --region europe-west1\n/);
  assert.equal(read(given.cwd), 'mine');
});

test('init --json tells scripts what there is, and writes nothing', async (t) => {
  const given = folder(t);
  setting.google.project.set({ unreachable: ['asia-northeast1'] });
  t.after(() => setting.google.project.set({ unreachable: [] }));
  const { code, stdout, stderr } = await init(given, { json: true });
  const { project, services, unreachable, refused } = JSON.parse(stdout);
  assert.deepEqual([code, stderr, project, refused], [0, '', 'emulated-project', []]);
  assert.deepEqual(unreachable, [
    { product: 'Cloud Run', region: 'asia-northeast1' },
    { product: 'Cloud Functions', region: 'asia-northeast1' },
  ]);
  const region = 'europe-west1';
  const url = setting.google.services.echo?.url;
  assert.deepEqual(services[0], {
    name: 'echo',
    kind: 'function',
    region,
    url,
    invokable: true,
    path: '/echo',
    leftOut: null,
  });
  assert.deepEqual(services.at(-1), {
    name: 'payroll',
    kind: 'service',
    region,
    url: 'https://payroll-abcdefghij-ew.a.run.app',
    invokable: false,
    path: null,
    leftOut: `${setting.google.accounts.developer} may not call it`,
  });
  await assert.rejects(namesIn(given.cwd), { code: 'config_not_found' });
});

test('init writes nothing where there is nothing to call, and says why', async (t) => {
  const given = folder(t);
  const { code, stdout, stderr } = await init(given, { regions: ['us-central1'] });
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^There is nothing to call in the project emulated-project in us-central1\.\n/);
  assert.match(stderr, /\n {2}ledger, a service in us-central1, .*: its ingress is internal/);
  await assert.rejects(namesIn(given.cwd), { code: 'config_not_found' });
  const empty = await init(given, { regions: ['asia-northeast1'], json: true });
  assert.deepEqual([empty.code, JSON.parse(empty.stdout).services], [1, []]);
  assert.match(empty.stderr, /^There is no service and no function in .* in asia-northeast1\.\n$/);
});

test('init shows how far it is on a terminal, and nowhere else', async (t) => {
  const { cwd } = folder(t);
  const bar = async (given: Omit<Given, 'cwd'>): Promise<string> =>
    (await init({ cwd, ...given }, { output: '-' })).stderr;
  const coloured = await bar({ terminal: true, colour: true });
  assert.match(coloured, /Looking for services and functions/);
  assert.ok(coloured.includes('\u001b[36m'), 'it has colours');
  const plain = await bar({ terminal: true });
  assert.ok(!plain.includes('\u001b[36m'), 'NO_COLOR is respected');
  assert.ok(plain.includes('[------------------------] 0/5'));
  assert.ok(plain.includes('[########################] 5/5'));
  assert.ok(plain.includes('\r\u001b[KFound 2 routes'), 'it leaves nothing behind');
  for (const given of [{}, { terminal: true, env: { TERM: 'dumb' } }])
    assert.match(await bar(given), /^Found 2 routes.*\n$/);
});

test('init leaves no half a bar behind when it fails', async (t) => {
  const { io, written } = createIo(folder(t).cwd);
  const env = {
    GOOGLE_APPLICATION_CREDENTIALS: await setting.write('s.json', setting.google.credentials.stranger),
    CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN: setting.google.google.url,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS: setting.google.google.url,
  };
  const options = {
    project: 'emulated-project',
    regions: undefined,
    output: undefined,
    force: false,
    json: false,
  };
  const rest = { config: undefined, credentials: undefined, caFile: undefined };
  await assert.rejects(runInit({ ...options, ...rest }, { ...io, env, terminal: true }), {
    code: 'discovery_failed',
  });
  assert.ok(written.stderr.endsWith('\r\u001b[K'));
});

test('init warns of an API that lists nothing', async (t) => {
  setting.google.project.set({ disabledApis: ['cloudfunctions'] });
  t.after(() => setting.google.project.set({ disabledApis: [] }));
  const given = folder(t);
  const { code, stderr } = await init(given);
  assert.equal(code, 0);
  assert.match(
    stderr,
    /^warning {2}cloudfunctions\.googleapis\.com is not enabled .*\n +gcloud services enable /,
  );
  assert.match(
    read(given.cwd),
    /# Not everything was seen:\n# {3}cloudfunctions\.googleapis\.com is not enabled/,
  );
});

test('init takes the credentials of a configuration, by name', async (t) => {
  const given = folder(t);
  const path = await setting.write('key.json', setting.google.credentials.serviceAccount);
  const yaml = `credentials:\n  here: { kind: key-file, path: ${JSON.stringify(path)} }\n  nobody: { kind: none }\nroutes:\n  - path: /a\n    upstream: emulator:hello\n`;
  writeFileSync(join(given.cwd, 'mine.yaml'), yaml);
  const options = { config: 'mine.yaml', credentials: 'here', project: 'emulated-project' };
  const { code, stdout } = await init({ ...given, file: 'stranger' }, { ...options, output: '-' });
  assert.equal(code, 0);
  assert.match(stdout, /# Found with the credentials here of mine\.yaml/);
  assert.match(
    stdout,
    /\n# {3}gcp-bearer-proxy init --project emulated-project --config mine\.yaml --credentials here\n/,
  );
  assert.match(
    (await failure(init(given, { ...options, credentials: 'her' }))).hint ?? '',
    /Did you mean here/,
  );
  assert.match((await failure(init(given, { ...options, credentials: 'nobody' }))).message, /send no token/);
  assert.equal((await failure(init(given, { credentials: 'here' }))).code, 'usage');
});

test('init refuses what is no project and no region, and asks which project where nobody says', async (t) => {
  const given = folder(t);
  for (const project of ['../../x', 'a/b', 'a?b', '-', '', 'x y']) {
    assert.match(
      (await failure(init(given, { project }))).message,
      /neither a project's id nor its number/,
      project,
    );
  }
  for (const region of ['-', 'europe-west1/x', '', 'a?b'])
    assert.match((await failure(init(given, { regions: [region] }))).message, /is not a region/, region);
  const { project_id: _, ...file } = setting.google.credentials.serviceAccount;
  const env = { GOOGLE_APPLICATION_CREDENTIALS: await setting.write('no-project.json', file) };
  const error = await failure(init({ ...given, env }));
  assert.deepEqual([error.code, error.message], ['usage', 'Which project? The credentials name none.']);
});

test('init has nothing to say without credentials but how to get some', async (t) => {
  const given = folder(t);
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(given.cwd, 'none.json') };
  const error = await failure(init({ ...given, env }, { project: 'emulated-project' }));
  assert.equal(error.exitCode, 4);
  assert.match(String(error.hint), /gcloud auth application-default login/);
});
