import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Impersonated, JWT, OAuth2Client, UserRefreshClient } from 'google-auth-library';
import type { Emulator } from '../../src/emulator/emulator.ts';
import * as client from './client.ts';

// A machine's own proxy settings are not for loopback.
process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1';

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

/** The library's client for a key file; it has Google's address built in, so requests are pointed elsewhere on their way. */
function toJwtClient(emulator: Emulator, file: Readonly<Record<string, unknown>>, scopes?: string[]): JWT {
  const { client_email, private_key } = file;
  const jwt = new JWT({ email: String(client_email), key: String(private_key), ...(scopes && { scopes }) });
  jwt.transporter.interceptors.request.add({
    resolved: async (config) => {
      if (String(config.url) === 'https://oauth2.googleapis.com/token')
        config.url = new URL(emulator.google.tokenUrl);
      return config;
    },
  });
  return jwt;
}

function toUserClient(emulator: Emulator, refreshToken?: string): UserRefreshClient {
  const { client_id, client_secret, refresh_token } = emulator.credentials.authorizedUser;
  return new UserRefreshClient({
    clientId: String(client_id),
    clientSecret: String(client_secret),
    refreshToken: refreshToken ?? String(refresh_token),
    endpoints: { oauth2TokenUrl: emulator.google.tokenUrl },
  });
}

async function statusWith(emulator: Emulator, token: string): Promise<readonly [number, unknown]> {
  const reply = await client.call(client.serviceUrl(emulator, 'hello'), { headers: [client.bearer(token)] });
  return [
    reply.status,
    reply.status === 200 ? (reply.json() as { verified: { email: string } }).verified.email : undefined,
  ];
}

describe('the unmodified google-auth-library', () => {
  it('buys an ID token with a key file, and the service lets it in', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const audience = client.serviceUrl(emulator, 'hello');
    const token = await toJwtClient(emulator, emulator.credentials.serviceAccount).fetchIdToken(audience);
    assert.deepEqual(await statusWith(emulator, token), [200, emulator.accounts.developer]);
  });

  it('buys an access token with a key file', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const wanted = [CLOUD_PLATFORM, 'https://www.googleapis.com/auth/userinfo.email'];
    const jwt = toJwtClient(emulator, emulator.credentials.serviceAccount, wanted);
    const { token } = await jwt.getAccessToken();
    const info = new OAuth2Client({ endpoints: { tokenInfoUrl: `${emulator.google.url}/tokeninfo` } });
    const { scopes, email } = await info.getTokenInfo(String(token));
    assert.deepEqual([scopes, email], [wanted, emulator.accounts.developer]);
  });

  it('reports a refusal in Google’s words', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { serviceAccount, stranger } = emulator.credentials;
    const file = { ...serviceAccount, private_key: stranger.private_key };
    await assert.rejects(toJwtClient(emulator, file).fetchIdToken('https://x.example'), {
      message: 'invalid_grant: Invalid JWT Signature.',
    });
    await assert.rejects(toUserClient(emulator, '1//0revoked').getAccessToken(), /invalid_grant/);
  });

  it('gets a person’s ID token for the OAuth client, and the service lets it in', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const token = await toUserClient(emulator).fetchIdToken(client.serviceUrl(emulator, 'hello'));
    assert.equal(client.readToken(token).aud, emulator.credentials.authorizedUser.client_id);
    assert.deepEqual(await statusWith(emulator, token), [200, emulator.accounts.user]);
  });

  it('impersonates a service account from a person or a key', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const sources = [
      toUserClient(emulator),
      toJwtClient(emulator, emulator.credentials.serviceAccount, [CLOUD_PLATFORM]),
    ];
    for (const sourceClient of sources) {
      const impersonated = new Impersonated({
        sourceClient,
        targetPrincipal: emulator.accounts.runner,
        targetScopes: [CLOUD_PLATFORM],
        endpoint: String(emulator.credentials.impersonated.endpoint),
      });
      const token = await impersonated.fetchIdToken(client.serviceUrl(emulator, 'hello'));
      assert.deepEqual(await statusWith(emulator, token), [200, emulator.accounts.runner]);
      assert.match(String((await impersonated.getAccessToken()).token), /^ya29\./);
    }
  });

  it('is told which permission is missing when it may not impersonate', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const impersonated = new Impersonated({
      sourceClient: toJwtClient(emulator, emulator.credentials.stranger, [CLOUD_PLATFORM]),
      targetPrincipal: emulator.accounts.runner,
      targetScopes: [CLOUD_PLATFORM],
      endpoint: emulator.google.iamCredentialsUrl,
    });
    await assert.rejects(
      impersonated.getAccessToken(),
      /PERMISSION_DENIED: unable to impersonate: .*getAccessToken/,
    );
  });

  it('verifies our ID tokens with our certificates, and refuses others', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const other = await client.startEmulator(t, { services: [] });
    const audience = 'https://orders-abc-an.a.run.app';
    const verifier = new OAuth2Client({
      endpoints: { oauth2FederatedSignonPemCertsUrl: emulator.google.certsUrl },
    });
    const idToken = await client.mintIdToken(emulator, audience);
    const ticket = await verifier.verifyIdToken({ idToken, audience });
    assert.equal(ticket.getPayload()?.email, emulator.accounts.developer);
    await assert.rejects(
      verifier.verifyIdToken({ idToken, audience: 'https://other.example' }),
      /Wrong recipient/,
    );
    const foreign = await client.mintIdToken(other, audience);
    await assert.rejects(verifier.verifyIdToken({ idToken: foreign, audience }), /No pem found/);
  });

  it('finds the metadata server through GCE_METADATA_HOST and needs nothing else', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const audience = client.serviceUrl(emulator, 'hello');
    const script = `
      import { GoogleAuth } from 'google-auth-library';
      const auth = new GoogleAuth();
      const client = await auth.getIdTokenClient(${JSON.stringify(audience)});
      const headers = await client.getRequestHeaders();
      const access = await auth.getAccessToken();
      console.log(JSON.stringify([headers.get('authorization'), access, await auth.getProjectId()]));
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', script],
      {
        cwd: import.meta.dirname,
        env: { ...toCleanEnvironment(), GCE_METADATA_HOST: emulator.google.metadataHost },
      },
    );
    const [authorization, access, projectId] = JSON.parse(stdout);
    assert.deepEqual(await statusWith(emulator, authorization.slice('Bearer '.length)), [
      200,
      emulator.accounts.compute,
    ]);
    assert.equal(projectId, 'emulated-project');
    assert.deepEqual(
      emulator.mints.map(({ endpoint, kind, identity }) => [endpoint, kind, identity]),
      [
        ['metadata', 'id', emulator.accounts.compute],
        ['metadata', 'access', emulator.accounts.compute],
      ],
    );
    assert.equal(emulator.mints[1]?.value, access);
  });
});

/** This process's environment without anything that says where credentials are. */
function toCleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(google_|gcloud_|gce_|cloudsdk_|detect_gcp|metadata_server|k_service|function_|node_options|node_test)/i.test(
        name,
      ),
  );
  return { ...Object.fromEntries(kept), CLOUDSDK_CONFIG: join(tmpdir(), 'no-such-folder'), PATH: '' };
}
