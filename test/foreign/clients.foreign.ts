import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { createEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGoogleTls } from '../support/google-tls.ts';
import { createFolder, send } from '../support/stack.ts';
import { type ForeignProgram, prepareGo, preparePython } from './toolchains.ts';

// Google's libraries for other languages, as they are, against the emulator. What isn't on this machine is left out, and
// said so: `npm run test:foreign`.

const dir = await mkdtemp(join(tmpdir(), 'gbp-foreign-'));
after(() => rm(dir, { recursive: true, force: true }));

const [python, go] = await Promise.all([
  announceAbsence('Python', preparePython(dir)),
  announceAbsence('Go', prepareGo(dir)),
]);

async function announceAbsence(
  language: string,
  program: Promise<ForeignProgram>,
): Promise<ForeignProgram | undefined> {
  try {
    return await program;
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    console.error(`\n*** NOT TRIED: ${language}'s clients can't be had on this machine: ${reason}\n`);
    return undefined;
  }
}

type FileName = keyof Emulator['credentials'];

interface Stage {
  readonly emulator: Emulator;
  /** The service's URL, which is its audience. */
  readonly hello: string;
  /** What the program prints, with this credential file where there is one. */
  get(args: readonly string[], file?: FileName, env?: Readonly<Record<string, string>>): Promise<string>;
}

/** An emulator, reached by its own addresses and by Google's. */
async function setUp(t: TestContext, program: ForeignProgram): Promise<Stage> {
  const emulator = await createEmulator({ services: ['hello'] });
  t.after(() => emulator.close());
  const { proxyUrl, caFile } = await startGoogleTls(t, emulator);
  const folder = await createFolder(t);
  const hello = emulator.services.hello?.url ?? '';
  const base = {
    HOME: folder,
    APPDATA: folder,
    CLOUDSDK_CONFIG: folder,
    GOOGLE_CLOUD_PROJECT: 'emulated-project',
    HTTPS_PROXY: proxyUrl,
    REQUESTS_CA_BUNDLE: caFile, // Python's
    SSL_CERT_FILE: caFile, // Go's
  };
  return {
    emulator,
    hello,
    async get(args, file, env = {}) {
      if (file === undefined) return program(args, { ...base, ...env });
      const path = join(folder, `${file}.json`);
      await writeFile(path, JSON.stringify(emulator.credentials[file]));
      return program(args, { ...base, GOOGLE_APPLICATION_CREDENTIALS: path, ...env });
    },
  };
}

/** Whom the service takes the bearer of an ID token for. */
async function introduce(hello: string, token: string): Promise<unknown> {
  const reply = await send(hello, '/', 'GET', { Authorization: `Bearer ${token}` });
  assert.equal(reply.status, 200, reply.text);
  return reply.json<{ verified: { email: unknown } }>().verified.email;
}

/** An ID token of `runner` for the service, made for the bearer of an access token. */
async function actAsRunner({ google, accounts }: Emulator, audience: string, token: string): Promise<string> {
  const path = `/v1/projects/-/serviceAccounts/${accounts.runner}:generateIdToken`;
  const body = JSON.stringify({ audience, includeEmail: true });
  const reply = await send(google.url, path, 'POST', { Authorization: `Bearer ${token}` }, body);
  assert.equal(reply.status, 200, reply.text);
  return reply.json<{ token: string }>().token;
}

/** Whom an access token speaks for. */
function ownerOf({ mints }: Emulator, token: string): string | undefined {
  return mints.find(({ kind, value }) => kind === 'access' && value === token)?.identity;
}

function atMetadata({ google }: Emulator): Record<string, string> {
  return { GCE_METADATA_HOST: google.metadataHost, GCE_METADATA_IP: google.metadataHost };
}

if (python !== undefined) {
  describe('Python’s google-auth', () => {
    for (const way of ['key-id', 'fetch-id']) {
      it(`gets an ID token for a key file: ${way}`, async (t) => {
        const { emulator, hello, get } = await setUp(t, python);
        const token = await get([way, hello], 'serviceAccount');
        assert.equal(await introduce(hello, token), emulator.accounts.developer);
      });
    }

    it('gets an access token for a key file', async (t) => {
      const { emulator, hello, get } = await setUp(t, python);
      const token = await get(['default-access', hello], 'serviceAccount');
      assert.equal(ownerOf(emulator, token), emulator.accounts.developer);
    });

    it('gets an ID and an access token for a person', async (t) => {
      const { emulator, hello, get } = await setUp(t, python);
      const { user } = emulator.accounts;
      assert.equal(await introduce(hello, await get(['user-id', hello], 'authorizedUser')), user);
      assert.equal(ownerOf(emulator, await get(['default-access', hello], 'authorizedUser')), user);
    });

    it('gets an ID and an access token for an impersonated service account', async (t) => {
      const { emulator, hello, get } = await setUp(t, python);
      const { runner } = emulator.accounts;
      assert.equal(await introduce(hello, await get(['fetch-id', hello], 'impersonated')), runner);
      assert.equal(ownerOf(emulator, await get(['default-access', hello], 'impersonated')), runner);
    });

    it('gets an ID and an access token from the metadata server', async (t) => {
      const { emulator, hello, get } = await setUp(t, python);
      const { compute } = emulator.accounts;
      const env = atMetadata(emulator);
      for (const way of ['metadata-id', 'fetch-id']) {
        assert.equal(await introduce(hello, await get([way, hello], undefined, env)), compute, way);
      }
      for (const way of ['metadata-access', 'default-access']) {
        assert.equal(ownerOf(emulator, await get([way, hello], undefined, env)), compute, way);
      }
    });

    it('gets access tokens for federated identities: a GitHub Actions job, an AWS role', async (t) => {
      const { emulator, hello, get } = await setUp(t, python);
      const { accounts, federation } = emulator;
      const way = ['default-access', hello];
      assert.equal(ownerOf(emulator, await get(way, 'federatedGithubRunner')), accounts.runner);
      for (const token of [
        await get(way, 'federatedGithub'),
        await get(way, 'federatedAws', federation.awsEnv),
        await get(way, 'federatedAws'),
      ]) {
        assert.equal(await introduce(hello, await actAsRunner(emulator, hello, token)), accounts.runner);
      }
    });

    it('verifies an ID token with the certificates served', async (t) => {
      const { emulator, hello, get } = await setUp(t, python);
      const token = await get(['key-id', hello], 'serviceAccount');
      const { certsUrl, jwksUrl } = emulator.google;
      for (const url of [certsUrl, jwksUrl]) {
        assert.equal(await get(['verify', hello, token, url]), emulator.accounts.developer, url);
      }
      await assert.rejects(get(['verify', 'https://else.example', token, certsUrl]), /audience/);
    });
  });
}

if (go !== undefined) {
  describe('Go’s auth and idtoken', () => {
    for (const way of ['api-id', 'default-id']) {
      it(`gets an ID token for a key file: ${way}`, async (t) => {
        const { emulator, hello, get } = await setUp(t, go);
        const token = await get([way, hello], 'serviceAccount');
        assert.equal(await introduce(hello, token), emulator.accounts.developer);
      });

      it(`gets an ID token from the metadata server: ${way}`, async (t) => {
        const { emulator, hello, get } = await setUp(t, go);
        const token = await get([way, hello], undefined, atMetadata(emulator));
        assert.equal(await introduce(hello, token), emulator.accounts.compute);
      });
    }

    // It acts as the account already when it asks for the account's ID token; Google wants a grant for that, too.
    it('is refused an ID token for an impersonated service account that may not make its own', async (t) => {
      const { hello, get } = await setUp(t, go);
      await assert.rejects(get(['api-id', hello], 'impersonated'), /iam\.serviceAccounts\.getOpenIdToken/);
    });

    it('gets access tokens for a key file, a person, an impersonated account and the machine', async (t) => {
      const { emulator, hello, get } = await setUp(t, go);
      const { developer, user, runner, compute } = emulator.accounts;
      const owner = async (file?: FileName, env?: Record<string, string>): Promise<unknown> =>
        ownerOf(emulator, await get(['default-access', hello], file, env));
      assert.equal(await owner('serviceAccount'), developer);
      assert.equal(await owner('authorizedUser'), user);
      assert.equal(await owner('impersonated'), runner);
      assert.equal(await owner(undefined, atMetadata(emulator)), compute);
    });

    it('gets access tokens for federated identities: a GitHub Actions job, an AWS role', async (t) => {
      const { emulator, hello, get } = await setUp(t, go);
      const { accounts, federation } = emulator;
      const way = ['default-access', hello];
      assert.equal(ownerOf(emulator, await get(way, 'federatedGithubRunner')), accounts.runner);
      for (const token of [
        await get(way, 'federatedGithub'),
        await get(way, 'federatedAws', federation.awsEnv),
        await get(way, 'federatedAws'),
      ]) {
        assert.equal(await introduce(hello, await actAsRunner(emulator, hello, token)), accounts.runner);
      }
    });

    it('verifies an ID token with the keys served', async (t) => {
      const { emulator, hello, get } = await setUp(t, go);
      const token = await get(['api-id', hello], 'serviceAccount');
      assert.equal(await get(['verify', hello, token]), emulator.accounts.developer);
      await assert.rejects(get(['verify', 'https://else.example', token]), /audience/);
    });
  });
}
