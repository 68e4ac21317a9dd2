import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { type EmulateOptions, runEmulate } from '../../src/commands/emulate.ts';
import { isProxyError } from '../../src/errors.ts';

interface Run {
  readonly exit: Promise<number>;
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  stop(): void;
}

function run(t: TestContext, options: Partial<EmulateOptions> = {}): Run {
  const [stdout, stderr] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const stopping = new AbortController();
  const io = {
    stdout,
    stderr,
    env: {},
    cwd: tmpdir(),
    terminal: false,
    colour: false,
    stop: stopping.signal,
    hearSignals: () => () => {},
    interactive: false,
  };
  const exit = runEmulate({ port: 0, jsonReady: true, services: ['hello'], ...options }, io);
  exit.catch(() => undefined);
  t.after(async () => {
    stopping.abort('SIGTERM');
    await exit.catch(() => undefined);
  });
  return { exit, stdout, stderr, stop: () => stopping.abort('SIGINT') };
}

/** What a stream says first; the run's failure, if it fails before. */
async function firstWords({ exit }: Run, stream: PassThrough): Promise<string> {
  const words = new Promise<string>((resolve) => stream.once('data', resolve));
  return Promise.race([words, exit.then(() => assert.fail('the command ended'))]);
}

interface Ready {
  readonly google: Record<string, string>;
  readonly services: Record<string, { name: string; url: string; audience: string }>;
  readonly accounts: Record<string, string>;
  readonly files: Record<string, string>;
}

async function ready(running: Run): Promise<Ready> {
  const line = await firstWords(running, running.stdout);
  assert.match(line, /^[^\n]+\n$/);
  return JSON.parse(line);
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'emulate-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function rejection(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; hint: string | undefined }> {
  const error = await promise.then(
    () => assert.fail('expected a failure'),
    (reason: unknown) => reason,
  );
  assert.ok(isProxyError(error), String(error));
  return error;
}

describe('emulate', () => {
  it('prints one JSON line once everything listens, and ends with 0 when asked to stop', async (t) => {
    const running = run(t);
    const { google, services, accounts, files } = await ready(running);
    assert.deepEqual(Object.keys(services), ['hello']);
    assert.equal((await fetch(services.hello?.url ?? '')).status, 403);
    assert.equal((await fetch(google.jwksUrl ?? '')).status, 200);
    assert.match(accounts.developer ?? '', /^developer@/);
    assert.deepEqual(files, {});
    running.stop();
    assert.equal(await running.exit, 0);
    assert.equal(running.stdout.read(), null);
    assert.equal(running.stderr.read(), null);
    await assert.rejects(fetch(google.jwksUrl ?? ''));
  });

  it('writes ready-to-use credential files for their owner only, and leaves them there', async (t) => {
    const dir = join(await temporaryDirectory(t), 'new', 'folder');
    const running = run(t, { dir });
    const { google, files, accounts } = await ready(running);
    assert.deepEqual((await readdir(dir)).sort(), [
      'authorized-user.json',
      'federated-aws.json',
      'federated-github-runner.json',
      'federated-github.json',
      'impersonated.json',
      'service-account.json',
      'stranger.json',
      'workforce-user.json',
    ]);
    const read = async (kind: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(files[kind] ?? '', 'utf8'));
    const key = await read('serviceAccount');
    assert.deepEqual(
      [key.type, key.client_email, key.token_uri, key.project_id, key.universe_domain],
      ['service_account', accounts.developer, google.tokenUrl, 'emulated-project', 'googleapis.com'],
    );
    assert.match(String(key.private_key), /^-----BEGIN PRIVATE KEY-----\n/);
    assert.equal((await read('stranger')).client_email, accounts.stranger);
    const user = await read('authorizedUser');
    assert.deepEqual([user.type, user.token_uri], ['authorized_user', google.tokenUrl]);
    const impersonated = await read('impersonated');
    assert.deepEqual(
      [impersonated.type, impersonated.endpoint, impersonated.source_credentials],
      ['impersonated_service_account', google.url, user],
    );
    const url = `${google.url}/v1/projects/-/serviceAccounts/${accounts.runner}:generateAccessToken`;
    assert.equal(impersonated.service_account_impersonation_url, url);
    const federated = await read('federatedGithub');
    assert.deepEqual([federated.type, federated.token_url], ['external_account', `${google.url}/v1/token`]);
    assert.equal(federated.service_account_impersonation_url, undefined);
    assert.equal((await read('federatedGithubRunner')).service_account_impersonation_url, url);
    assert.match(String((await read('federatedAws')).audience), /\/providers\/aws$/);
    assert.equal((await read('workforceUser')).type, 'external_account_authorized_user');
    if (process.platform !== 'win32') {
      for (const path of Object.values(files)) assert.equal((await stat(path)).mode & 0o777, 0o600);
    }
    running.stop();
    await running.exit;
    assert.equal((await readdir(dir)).length, 8);
  });

  it('replaces files of an earlier run, and never a file that isn’t its own', async (t) => {
    const dir = await temporaryDirectory(t);
    const first = run(t, { dir });
    const { files } = await ready(first);
    const old = await readFile(files.serviceAccount ?? '', 'utf8');
    first.stop();
    await first.exit;

    const second = run(t, { dir });
    await ready(second);
    assert.notEqual(await readFile(files.serviceAccount ?? '', 'utf8'), old);
    second.stop();
    await second.exit;

    const real = '{ "type": "service_account", "token_uri": "https://oauth2.googleapis.com/token" }';
    await writeFile(files.serviceAccount ?? '', real);
    const { code, message } = await rejection(run(t, { dir }).exit);
    assert.equal(code, 'usage');
    assert.match(message, /service-account\.json/);
    assert.equal(await readFile(files.serviceAccount ?? '', 'utf8'), real);
  });

  it('says so when it can’t write there', async (t) => {
    const file = join(await temporaryDirectory(t), 'file');
    await writeFile(file, '');
    const { code, message } = await rejection(run(t, { dir: file }).exit);
    assert.equal(code, 'usage');
    assert.ok(message.includes(file), message);
  });

  it('shows people where everything is, on stderr', async (t) => {
    const dir = await temporaryDirectory(t);
    const running = run(t, { dir, jsonReady: false });
    const summary = await firstWords(running, running.stderr);
    const [, url] = /curl -i (http:\/\/127\.0\.0\.1:\d+\/)/.exec(summary) ?? [];
    assert.equal((await fetch(url ?? '')).status, 403);
    assert.ok(summary.includes(`GOOGLE_APPLICATION_CREDENTIALS=${join(dir, 'service-account.json')}`));
    assert.match(summary, /GCE_METADATA_HOST=127\.0\.0\.1:\d+/);
    assert.ok(!summary.includes('\u001b'), 'no colours unless there is a terminal');
    running.stop();
    assert.equal(await running.exit, 0);
    assert.equal(running.stdout.read(), null);
  });

  it('names the port that is taken, and the way around', async (t) => {
    const squatter = createServer().listen(0, '127.0.0.1');
    t.after(() => squatter.close());
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as AddressInfo;
    const { code, message, hint } = await rejection(run(t, { port }).exit);
    assert.equal(code, 'address_in_use');
    assert.ok(message.includes(String(port)));
    assert.match(String(hint), /--port 0/);
  });

  it('names the services there are when asked for another one', async (t) => {
    const { code, message, hint } = await rejection(run(t, { services: ['helo'] }).exit);
    assert.equal(code, 'usage');
    assert.match(message, /"helo"/);
    assert.match(String(hint), /hello, echo, slow, stream, status/);
  });
});
