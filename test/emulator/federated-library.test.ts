import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import {
  type AuthClient,
  ExternalAccountAuthorizedUserClient,
  ExternalAccountClient,
  Impersonated,
  JWT,
} from 'google-auth-library';
import type { CredentialJson, Emulator, MutualTls } from '../../src/emulator/emulator.ts';
import { createFolder } from '../support/stack.ts';
import * as client from './client.ts';

// A machine's own proxy settings are not for loopback, and its own AWS credentials not for tests.
process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1';
for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_REGION']) {
  delete process.env[name];
}
delete process.env.AWS_DEFAULT_REGION;

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

type ExternalClient = NonNullable<ReturnType<typeof ExternalAccountClient.fromJSON>>;
type ExternalOptions = Parameters<typeof ExternalAccountClient.fromJSON>[0];

/** The library's client for a file of type `external_account`. */
function toExternalClient(file: CredentialJson): ExternalClient {
  const made = ExternalAccountClient.fromJSON(file as unknown as ExternalOptions);
  assert.ok(made);
  return made;
}

/** An ID token of `runner` that the service lets in, by way of any other identity. */
async function assertActsAsRunner(
  emulator: Emulator,
  sourceClient: AuthClient,
  endpoint = emulator.google.url,
): Promise<void> {
  const { runner } = emulator.accounts;
  const impersonated = new Impersonated({
    sourceClient,
    targetPrincipal: runner,
    targetScopes: [CLOUD_PLATFORM],
    endpoint,
  });
  const url = client.serviceUrl(emulator, 'hello');
  const token = await impersonated.fetchIdToken(url);
  const reply = await client.call(url, { headers: [client.bearer(token)] });
  assert.equal((reply.json() as { verified: { email: string } }).verified.email, runner);
  assert.match(String((await impersonated.getAccessToken()).token), /^ya29\.c\./);
}

describe('the unmodified google-auth-library, with an identity from elsewhere', () => {
  it('federates a job on GitHub, and finds out the project', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const github = toExternalClient(emulator.credentials.federatedGithub);
    await assertActsAsRunner(emulator, github);
    assert.equal(await github.getProjectId(), 'emulated-project');
    const { githubOidc, sts, generateIdToken, resourceManager } = emulator.requests;
    assert.deepEqual([githubOidc, sts, generateIdToken, resourceManager], [1, 1, 1, 1]);
  });

  it('federates with a token file', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const file = join(await createFolder(t), 'token');
    await writeFile(file, await emulator.federation.issueOidcToken());
    const { credential_source: _, ...rest } = emulator.credentials.federatedGithub;
    await assertActsAsRunner(emulator, toExternalClient({ ...rest, credential_source: { file } }));
    assert.equal(emulator.requests.githubOidc, 0);
  });

  it('is told which permission a foreign repository lacks', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const file = join(await createFolder(t), 'token');
    await writeFile(file, await emulator.federation.issueOidcToken({ repository: 'example/other' }));
    const { credential_source: _, ...rest } = emulator.credentials.federatedGithub;
    const other = toExternalClient({ ...rest, credential_source: { file } });
    await assert.rejects(assertActsAsRunner(emulator, other), /getOpenIdToken/);
    assert.match(String((await other.getAccessToken()).token), /^ya29\.d\./);
  });

  it('federates the role of a machine on AWS by its metadata server', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    await assertActsAsRunner(emulator, toExternalClient(emulator.credentials.federatedAws));
    const { awsMetadata, sts } = emulator.requests;
    assert.deepEqual([awsMetadata, sts], [5, 1], 'two sessions, the zone, the role and its credentials');
  });

  it('federates with AWS’s environment variables, and asks no metadata server', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    Object.assign(process.env, emulator.federation.awsEnv);
    t.after(() => {
      for (const name of Object.keys(emulator.federation.awsEnv)) delete process.env[name];
    });
    await assertActsAsRunner(emulator, toExternalClient(emulator.credentials.federatedAws));
    assert.equal(emulator.requests.awsMetadata, 0);
  });

  it('gets the service account’s access token where the file names one, and no ID token with it', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const runner = toExternalClient(emulator.credentials.federatedGithubRunner);
    assert.match(String((await runner.getAccessToken()).token), /^ya29\.c\./);
    assert.equal(runner.getServiceAccountEmail(), emulator.accounts.runner);
    await assert.rejects(
      assertActsAsRunner(emulator, runner),
      /getOpenIdToken/,
      'runner may not act as itself',
    );
  });

  it('refreshes the token of a person of a workforce pool', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const file = emulator.credentials.workforceUser;
    type Options = ConstructorParameters<typeof ExternalAccountAuthorizedUserClient>[0];
    const toClient = (json: CredentialJson): ExternalAccountAuthorizedUserClient =>
      new ExternalAccountAuthorizedUserClient(json as unknown as Options);
    await assertActsAsRunner(emulator, toClient(file));
    await assert.rejects(toClient({ ...file, refresh_token: 'gone' }).getAccessToken(), {
      message: 'Error code invalid_grant: Token has been expired or revoked.',
    });
    await assert.rejects(toClient({ ...file, client_secret: 'guess' }).getAccessToken(), /invalid_client/);
  });
});

describe('the unmodified google-auth-library, with a client certificate', () => {
  /** The library has no setting for whom to trust; so the process does. */
  function trust(t: TestContext, { caPem }: MutualTls): void {
    const before = getCACertificates('default');
    setDefaultCACertificates([...before, caPem]);
    t.after(() => setDefaultCACertificates(before));
  }

  async function writeClient(t: TestContext, { client: { cert, key } }: MutualTls): Promise<string> {
    const folder = await createFolder(t);
    const [cert_path, key_path] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    await Promise.all([writeFile(cert_path, cert), writeFile(key_path, key)]);
    const config = join(folder, 'certificate_config.json');
    await writeFile(config, JSON.stringify({ cert_configs: { workload: { cert_path, key_path } } }));
    return config;
  }

  it('federates', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const mutualTls = await emulator.federation.startMutualTls();
    assert.equal(await emulator.federation.startMutualTls(), mutualTls);
    trust(t, mutualTls);
    const file = mutualTls.toCredential(await writeClient(t, mutualTls));
    await assertActsAsRunner(emulator, toExternalClient(file), mutualTls.url);
    assert.match(String(emulator.mints[0]?.identity), /\/subject\/emulated-workload$/);
  });

  it('has to show the certificate on the connection, the very one in the token', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const mutualTls = await emulator.federation.startMutualTls();
    const { caPem: ca, client: keyed, url } = mutualTls;
    const connect = (options: object): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const outgoing = request(`${url}/tokeninfo`, { ca, agent: false, ...options });
        outgoing.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
        outgoing.end();
      });
    assert.equal(await connect(keyed), 400);
    await assert.rejects(connect({}));

    const leaf = keyed.cert.replace(/-----[^-]+-----|\s/g, '');
    const reply = await client.exchangeSubject(emulator, {
      audience: `//iam.googleapis.com/${emulator.federation.providers.certificate}`,
      subject_token_type: 'urn:ietf:params:oauth:token-type:mtls',
      subject_token: JSON.stringify([leaf]),
    });
    assert.equal(reply.json().error, 'invalid_grant');
  });
});

describe('the unmodified google-auth-library, in a universe of its own', () => {
  const universeDomain = 'example-universe.goog';

  it('finds the universe in the files and at the metadata server', async (t) => {
    const emulator = await client.startEmulator(t, { services: [], universeDomain });
    for (const file of Object.values(emulator.credentials))
      assert.equal(file.universe_domain, universeDomain);
    const url = `${emulator.google.url}/computeMetadata/v1/universe/universe-domain`;
    const reply = await client.call(url, { headers: [['Metadata-Flavor', 'Google']] });
    assert.equal(reply.text, universeDomain);
  });

  it('shows a JWT it signed itself, and gets an ID token for it', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'], universeDomain });
    const { developer } = emulator.accounts;
    const { client_email, private_key, private_key_id } = emulator.credentials.serviceAccount;
    const [email, key, keyId] = [client_email, private_key, private_key_id].map(String);
    const jwt = new JWT({ email, key, keyId, scopes: [CLOUD_PLATFORM], universeDomain } as object);
    const audience = client.serviceUrl(emulator, 'hello');
    const { data } = await jwt.request<{ token: string }>({
      url: client.iamUrl(emulator, developer, 'generateIdToken'),
      method: 'POST',
      data: { audience, includeEmail: true },
    });
    const reply = await client.call(audience, { headers: [client.bearer(data.token)] });
    assert.equal((reply.json() as { verified: { email: string } }).verified.email, developer);
    assert.equal(emulator.requests.token, 0);
  });

  it('has accounts that Google’s own token endpoint doesn’t know', async (t) => {
    const emulator = await client.startEmulator(t, { services: [], universeDomain });
    const assertion = client.signAssertion({
      file: emulator.credentials.serviceAccount,
      nowMs: Date.now(),
      claims: { target_audience: 'https://x.example' },
    });
    assert.match((await client.exchange(emulator, assertion)).text, /account not found/);
  });
});
