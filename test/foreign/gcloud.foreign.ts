import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { createCredentials } from '../../src/auth/credentials/index.ts';
import { readFingerprint } from '../../src/auth/file-watch.ts';
import type { Credential, TokenRequest } from '../../src/auth/token-source.ts';
import { systemClock } from '../../src/clock.ts';
import { createEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { createFolder, send } from '../support/stack.ts';

// The gcloud command as it is, asked by our kind of credentials, against the emulator. Where there is none on this machine
// that is said: `npm run test:foreign`.

const run = promisify(execFile);
const IS_WINDOWS = process.platform === 'win32';
const ACCESS: TokenRequest = { kind: 'access', scopes: ['https://www.googleapis.com/auth/cloud-platform'] };

/** Runs the gcloud of this machine with what it keeps in a folder. */
async function gcloud(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(IS_WINDOWS ? 'gcloud.cmd' : 'gcloud', [...args, '--quiet'], {
    env: { ...env },
    shell: IS_WINDOWS,
    timeout: 180_000,
  });
  return stdout;
}

const home = await mkdtemp(join(tmpdir(), 'gbp-gcloud-'));
after(() => rm(home, { recursive: true, force: true }));
const version = await gcloud(toEnv(home), 'version').catch((error: unknown) => {
  const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
  console.error(`\n*** NOT TRIED: there is no gcloud on this machine: ${reason}\n`);
});

function toEnv(folder: string): Record<string, string> {
  const names = ['PATH', 'Path', 'SystemRoot', 'ComSpec', 'CLOUDSDK_PYTHON'];
  const kept = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return {
    ...Object.fromEntries(kept),
    HOME: folder,
    APPDATA: folder,
    CLOUDSDK_CONFIG: join(folder, 'gcloud'),
  };
}

interface Stage {
  readonly emulator: Emulator;
  readonly env: Readonly<Record<string, string>>;
  readonly id: TokenRequest;
  readonly make: (account?: string) => Credential;
}

async function setUp(t: TestContext): Promise<Stage> {
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const folder = await createFolder(t);
  const env = toEnv(folder);
  await mkdir(join(folder, 'gcloud'));
  return {
    emulator,
    env,
    id: { kind: 'id', audience: emulator.services.hello?.url ?? '' },
    make(account) {
      const endpoints = { apisUrl: emulator.google.url };
      const { it } = createCredentials(
        { it: { kind: 'gcloud', account } },
        { endpoints, env, clock: systemClock },
      );
      assert.ok(it);
      return it;
    },
  };
}

/** Logs a service account in. */
async function activate({ emulator, env }: Stage): Promise<string> {
  const key = join(env.HOME ?? '', 'key.json');
  await writeFile(key, JSON.stringify(emulator.credentials.serviceAccount));
  await gcloud(env, 'auth', 'activate-service-account', `--key-file=${key}`);
  return emulator.accounts.developer;
}

/** Logs a person in, as gcloud keeps one: it has no command for it that opens no browser. */
async function logIn(stage: Stage): Promise<string> {
  await activate(stage);
  const { emulator, env } = stage;
  const {
    account: _,
    quota_project_id: __,
    universe_domain: ___,
    ...login
  } = emulator.credentials.authorizedUser;
  const database = new DatabaseSync(join(env.CLOUDSDK_CONFIG ?? '', 'credentials.db'));
  const row = JSON.stringify({ ...login, revoke_uri: `${emulator.google.url}/revoke` });
  database.prepare('INSERT INTO credentials VALUES (?, ?)').run(emulator.accounts.user, row);
  database.close();
  await gcloud(env, 'config', 'set', 'account', emulator.accounts.user);
  return emulator.accounts.user;
}

async function introduce({ emulator }: Stage, token: string): Promise<unknown> {
  const reply = await send(emulator.services.hello?.url ?? '', '/', 'GET', {
    Authorization: `Bearer ${token}`,
  });
  assert.equal(reply.status, 200, reply.text);
  return reply.json<{ verified: { email: unknown } }>().verified.email;
}

const look = (credential: Credential): Promise<readonly string[]> =>
  Promise.all(credential.files().map(readFingerprint));

if (version !== undefined) {
  describe(`gcloud ${/SDK (\S+)/.exec(version)?.[1]}`, () => {
    it('gives a service account ID tokens for the audience, and access tokens', async (t) => {
      const stage = await setUp(t);
      const email = await activate(stage);
      const minted = await stage.make().mint(stage.id);
      assert.equal(minted.audience, stage.id.kind === 'id' && stage.id.audience);
      assert.deepEqual([minted.identity, await introduce(stage, minted.value)], [email, email]);
      const access = await stage.make(email).mint(ACCESS);
      assert.equal(access.identity, email);
      assert.ok(Math.abs(access.expiresAtMs - Date.now() - 3_600_000) < 60_000);
      const scopes = ['https://www.googleapis.com/auth/bigquery.readonly'];
      const scoped = await stage.make().mint({ kind: 'access', scopes });
      assert.notEqual(scoped.value, access.value);
      assert.equal(scoped.identity, email);
    });

    it('gives a person ID tokens for the OAuth client, and access tokens', async (t) => {
      const stage = await setUp(t);
      const email = await logIn(stage);
      const minted = await stage.make().mint(stage.id);
      assert.match(minted.audience ?? '', /\.apps\.googleusercontent\.com$/);
      assert.deepEqual([minted.identity, await introduce(stage, minted.value)], [email, email]);
      assert.equal((await stage.make().mint(ACCESS)).identity, email);
      await assert.rejects(
        stage.make().mint({ kind: 'access', scopes: ['https://www.googleapis.com/auth/bigquery'] }),
        {
          code: 'credentials_invalid',
          message: /have the scopes they logged in with\.$/,
        },
      );
      await assert.rejects(stage.make().mint({ kind: 'jwt', audience: 'x' }), {
        code: 'credentials_invalid',
      });
    });

    it('changes the files we watch at a login or another setting, and not for a token', async (t) => {
      const stage = await setUp(t);
      const credential = stage.make();
      const nobody = await look(credential);
      await activate(stage);
      const one = await look(credential);
      assert.notDeepEqual(one, nobody);
      await activate(stage);
      const again = await look(credential);
      assert.notDeepEqual(again, one);
      await credential.mint(stage.id);
      await credential.mint(ACCESS);
      assert.deepEqual(await look(credential), again);
      await logIn(stage);
      assert.notDeepEqual(await look(credential), again);
    });

    it('leaves no token behind in its logs', async (t) => {
      const stage = await setUp(t);
      await activate(stage);
      const { value } = await stage.make().mint(stage.id);
      const logs = join(stage.env.CLOUDSDK_CONFIG ?? '', 'logs');
      for (const name of await readdir(logs, { recursive: true })) {
        const text = name.endsWith('.log') ? await readFile(join(logs, name), 'utf8') : '';
        assert.ok(!text.includes(value.slice(0, 60)), name);
      }
    });

    it('acts as the account that is asked for, whoever it is set to impersonate', async (t) => {
      const stage = await setUp(t);
      const email = await activate(stage);
      await gcloud(
        stage.env,
        'config',
        'set',
        'auth/impersonate_service_account',
        stage.emulator.accounts.runner,
      );
      assert.equal((await stage.make().mint(stage.id)).identity, email);
      assert.equal((await stage.make().mint(ACCESS)).identity, email);
    });

    it('says what is wrong in words we know', async (t) => {
      const stage = await setUp(t);
      const { faults } = stage.emulator;
      const fails = async (credential: Credential, message: RegExp, hint: RegExp): Promise<void> => {
        for (const request of [stage.id, ACCESS])
          await assert.rejects(credential.mint(request), (error: Error & { hint?: string }) => {
            assert.match(error.message, message);
            assert.match(error.hint ?? '', hint);
            return true;
          });
      };
      await fails(stage.make(), /: nobody is logged in to gcloud\.$/, /^gcloud auth login$/);
      await fails(stage.make('x@y.com'), /: gcloud has no login for it\.$/, /^gcloud auth login x@y\.com$/);
      await logIn(stage);
      const revoked = { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' };
      faults.set('token', { status: 400, body: revoked });
      await fails(
        stage.make(),
        /gcloud invalid_grant: Token has been expired or revoked\.$/,
        /^gcloud auth login$/,
      );
      await fails(
        stage.make(stage.emulator.accounts.developer),
        /gcloud invalid_grant/,
        /activate-service-account/,
      );
      faults.set('token', { status: 400, body: { ...revoked, error_subtype: 'invalid_rapt' } });
      await fails(stage.make(), /: your organization wants you to log in again\.$/, /^gcloud auth login$/);
    });
  });
}
