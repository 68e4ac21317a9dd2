import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const POOL = 'projects/123456789012/locations/global/workloadIdentityPools/ci';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

describe('the token exchange, asked with a token of GitHub’s', () => {
  it('gives an access token that stands for the workflow', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(), services: [] });
    const reply = await client.exchangeSubject(emulator);
    const { access_token, ...rest } = reply.json();
    assert.equal(reply.status, 200);
    assert.match(String(access_token), /^ya29\.d\./);
    assert.deepEqual(rest, { issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: 3600 });
    assert.match(String(reply.headers['cache-control']), /no-store/);
    const identity = `principal://iam.googleapis.com/${POOL}/subject/repo:example/app:ref:refs/heads/main`;
    assert.deepEqual(emulator.mints, [{ endpoint: 'sts', kind: 'access', identity, value: access_token }]);
    assert.equal(emulator.requests.sts, 1);
  });

  it('takes JSON too, with names as Google’s APIs write them', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { github } = emulator.federation.providers;
    const reply = await client.post(`${emulator.google.url}/v1/token`, {
      grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: `//iam.googleapis.com/${github}`,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      requestedTokenType: ACCESS_TOKEN,
      subjectTokenType: 'urn:ietf:params:oauth:token-type:id_token',
      subjectToken: await emulator.federation.issueOidcToken(),
    });
    assert.equal(reply.json().token_type, 'Bearer');
    const call = { method: 'POST', headers: [['Content-Type', 'application/json']] as const, body: '{' };
    assert.equal((await client.call(`${emulator.google.url}/v1/token`, call)).status, 400);
  });

  it('takes the provider’s name as audience of the token, with or without https:', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    for (const scheme of ['', 'https:']) {
      const audience = `${scheme}//iam.googleapis.com/${emulator.federation.providers.github}`;
      const subject_token = await emulator.federation.issueOidcToken({ audience });
      assert.equal((await client.exchangeSubject(emulator, { subject_token })).status, 200, audience);
    }
  });

  it('gives nothing that lives longer than what it was given for', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(), services: [] });
    const subject_token = await emulator.federation.issueOidcToken({ lifetimeMs: 600_000 });
    const { expires_in } = (await client.exchangeSubject(emulator, { subject_token })).json();
    assert.equal(expires_in, 600);
  });

  it('allows for clocks that are a minute apart, and no more', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const iat = clock.now().wallMs / 1000;
    const stale = {
      error: 'invalid_grant',
      error_description: `ID Token issued at ${iat} is stale to sign-in.`,
    };
    const subject_token = await emulator.federation.issueOidcToken({ lifetimeMs: 600_000 });
    await clock.advance(659_000);
    assert.equal((await client.exchangeSubject(emulator, { subject_token })).status, 200);
    await clock.advance(1_000);
    assert.deepEqual((await client.exchangeSubject(emulator, { subject_token })).json(), stale);

    const [nowMs, early] = [clock.now().wallMs, await emulator.federation.issueOidcToken()];
    clock.setWall(nowMs - 60_000);
    assert.equal((await client.exchangeSubject(emulator, { subject_token: early })).status, 200);
    clock.setWall(nowMs - 61_000);
    assert.match((await client.exchangeSubject(emulator, { subject_token: early })).text, /stale to sign-in/);
  });

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const foreign = client.signRs256(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const github = (token: string): object => client.readToken(token);
  const invalid = (name: string): string => `Invalid value for "${name}".`;

  type Fields = Readonly<Record<string, string | undefined>>;
  const refusals: readonly (readonly [
    what: string,
    change: (emulator: Emulator) => Fields | Promise<Fields>,
    error: string,
    description: string,
  ])[] = [
    ['another grant', () => ({ grant_type: 'refresh_token' }), 'invalid_request', invalid('grant_type')],
    ['no grant', () => ({ grant_type: undefined }), 'invalid_request', invalid('grant_type')],
    [
      'a wish for another sort of token',
      () => ({ requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' }),
      'invalid_request',
      invalid('requested_token_type'),
    ],
    ['no audience', () => ({ audience: undefined }), 'invalid_request', invalid('audience')],
    [
      'an audience with https:',
      ({ federation }) => ({ audience: `https://iam.googleapis.com/${federation.providers.github}` }),
      'invalid_request',
      invalid('audience'),
    ],
    [
      'an audience in another universe',
      ({ federation }) => ({ audience: `//iam.example.goog/${federation.providers.github}` }),
      'invalid_request',
      invalid('audience'),
    ],
    [
      'a provider that isn’t there',
      () => ({ audience: `//iam.googleapis.com/${POOL}/providers/gitlab` }),
      'invalid_target',
      'The target service indicated by the "audience" parameters is invalid.',
    ],
    [
      'a sort of token that isn’t the provider’s',
      () => ({ subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request' }),
      'invalid_request',
      invalid('subject_token_type'),
    ],
    ['no token', () => ({ subject_token: '' }), 'invalid_request', invalid('subject_token')],
    ['no scope', () => ({ scope: ' ' }), 'invalid_scope', 'OAuth scopes are required'],
    [
      'what isn’t a token',
      () => ({ subject_token: 'hello' }),
      'invalid_grant',
      'Unable to parse the ID Token',
    ],
    [
      'a token of Google’s own',
      async (emulator) => ({ subject_token: await client.mintIdToken(emulator, 'https://x.example') }),
      'invalid_grant',
      'The issuer in ID Token https://accounts.google.com does not match the expected one in config',
    ],
    [
      'a token under a key GitHub doesn’t have',
      async ({ federation }) => {
        const claims = github(await federation.issueOidcToken());
        return { subject_token: client.forge({ alg: 'RS256', kid: 'unknown' }, claims, foreign) };
      },
      'invalid_grant',
      "Error connecting to the given credential's issuer.",
    ],
    [
      'a token with a forged signature',
      async ({ federation }) => {
        const token = await federation.issueOidcToken();
        return { subject_token: client.forge(client.readTokenHeader(token), github(token), foreign) };
      },
      'invalid_grant',
      'Unable to verify the ID Token signature.',
    ],
    [
      'a token without a signature',
      async ({ federation }) => {
        const token = await federation.issueOidcToken();
        const header = { ...client.readTokenHeader(token), alg: 'none' };
        return { subject_token: client.forge(header, github(token), () => '') };
      },
      'invalid_grant',
      'Unable to verify the ID Token signature.',
    ],
    [
      'a token for GitHub’s own audience',
      async ({ federation }) => ({
        subject_token: await federation.issueOidcToken({ audience: 'https://github.com/example' }),
      }),
      'invalid_grant',
      'The audience in ID Token [https://github.com/example] does not match the expected audience.',
    ],
    [
      'a workflow of somebody else',
      async ({ federation }) => ({
        subject_token: await federation.issueOidcToken({ repository: 'stranger/app' }),
      }),
      'unauthorized_client',
      'The given credential is rejected by the attribute condition.',
    ],
  ];
  for (const [what, change, error, description] of refusals) {
    it(`refuses ${what}`, async (t) => {
      const emulator = await client.startEmulator(t, { services: [] });
      const fields = await change(emulator);
      const minted = emulator.mints.length;
      const reply = await client.exchangeSubject(emulator, fields);
      assert.equal(reply.status, 400);
      assert.equal(reply.json().error, error);
      assert.ok(String(reply.json().error_description).startsWith(description), reply.text);
      assert.equal(emulator.mints.length, minted);
    });
  }
});

describe('a federated token', () => {
  async function federate(emulator: Emulator, repository: string): Promise<readonly [string, string]> {
    const subject_token = await emulator.federation.issueOidcToken({ repository });
    const reply = await client.exchangeSubject(emulator, { subject_token });
    return client.bearer(String(reply.json().access_token));
  }

  it('makes tokens for an account that trusts its repository, and for nobody else', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { runner, developer } = emulator.accounts;
    const app = await federate(emulator, 'example/app');
    const other = await federate(emulator, 'example/other');
    const ask = (account: string, head: readonly [string, string]): Promise<client.Reply> =>
      client.post(client.iamUrl(emulator, account, 'generateIdToken'), { audience: 'https://x.example' }, [
        head,
      ]);
    assert.equal((await ask(runner, app)).status, 200);
    const refused = await ask(runner, other);
    assert.equal(refused.status, 403);
    assert.match(refused.text, /iam\.serviceAccounts\.getOpenIdToken/);
    assert.equal((await ask(developer, app)).status, 403);
  });

  it('ends with its hour', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const head = await federate(emulator, 'example/app');
    await clock.advance(3_600_000);
    const url = client.iamUrl(emulator, emulator.accounts.runner, 'generateIdToken');
    assert.equal((await client.post(url, { audience: 'https://x.example' }, [head])).status, 401);
  });

  it('is unknown to tokeninfo and user info, as at the real ones', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const head = await federate(emulator, 'example/app');
    assert.equal((await client.call(`${emulator.google.url}/tokeninfo`, { headers: [head] })).status, 400);
    const info = await client.call(`${emulator.google.url}/oauth2/v3/userinfo`, { headers: [head] });
    assert.equal(info.status, 401);
  });
});

describe('GitHub’s token endpoint', () => {
  const ask = async (emulator: Emulator, rest = '', token?: string): Promise<client.Reply> => {
    const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: own = '' } =
      emulator.federation.githubEnv;
    return client.call(`${url}${rest}`, { headers: [['Authorization', `bearer ${token ?? own}`]] });
  };

  it('gives a token about the workflow, for the audience asked for or the owner’s page', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const { value, count } = (await ask(emulator, '&audience=https%3A%2F%2Fx.example')).json();
    assert.equal(count, String(value).length);
    const claims = client.readToken(value);
    const iat = clock.now().wallMs / 1000;
    assert.deepEqual(
      [claims.iss, claims.aud, claims.sub, claims.repository, claims.ref, claims.nbf, claims.iat, claims.exp],
      [
        'https://token.actions.githubusercontent.com',
        'https://x.example',
        'repo:example/app:ref:refs/heads/main',
        'example/app',
        'refs/heads/main',
        iat - 300,
        iat,
        iat + 21_600,
      ],
    );
    const usual = client.readToken((await ask(emulator)).json().value);
    assert.equal(usual.aud, 'https://github.com/example');
    assert.notEqual(usual.jti, claims.jti);
    assert.equal(emulator.requests.githubOidc, 2);
  });

  it('answers 401 without the job’s own request token', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    assert.equal((await ask(emulator, '', 'guess')).status, 401);
    const url = emulator.federation.githubEnv.ACTIONS_ID_TOKEN_REQUEST_URL ?? '';
    assert.equal((await client.call(url)).status, 401);
  });
});
