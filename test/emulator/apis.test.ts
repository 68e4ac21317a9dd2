import assert from 'node:assert/strict';
import { createPublicKey, verify, type webcrypto, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
const EMAIL = 'https://www.googleapis.com/auth/userinfo.email';

const clock = new FakeClock();
const nowMs = clock.now().wallMs;
const now = nowMs / 1000;

const start = (t: Parameters<typeof client.startEmulator>[0], universeDomain?: string): Promise<Emulator> =>
  client.startEmulator(t, { clock, services: [], ...(universeDomain && { universeDomain }) });

describe('signJwt', () => {
  async function sign(emulator: Emulator, body: object, file?: object): Promise<client.Reply> {
    const token = await client.mintAccessToken(emulator, CLOUD_PLATFORM, { nowMs, ...file });
    return client.post(client.iamUrl(emulator, emulator.accounts.runner, 'signJwt'), body, [
      client.bearer(token),
    ]);
  }

  it('signs any claims with a key of the account that everybody can look up', async (t) => {
    const emulator = await start(t);
    const { runner } = emulator.accounts;
    const claims = { iss: runner, sub: runner, aud: 'https://shop.example.com/*', iat: now, exp: now + 600 };
    const { keyId, signedJwt } = (await sign(emulator, { payload: JSON.stringify(claims) })).json();
    assert.deepEqual(client.readToken(signedJwt), claims);
    assert.deepEqual(client.readTokenHeader(signedJwt), { alg: 'RS256', kid: keyId, typ: 'JWT' });
    assert.deepEqual(emulator.mints.at(-1), {
      endpoint: 'signJwt',
      kind: 'jwt',
      identity: runner,
      value: signedJwt,
    });

    const { keys } = (await client.call(`${emulator.google.url}/service_accounts/v1/jwk/${runner}`)).json();
    const jwk = (keys as (webcrypto.JsonWebKey & { kid: string })[]).find(({ kid }) => kid === keyId);
    const certificates = (
      await client.call(`${emulator.google.url}/robot/v1/metadata/x509/${runner}`)
    ).json();
    const own = new X509Certificate(String(certificates[String(keyId)]));
    const [header, payload, signature = ''] = String(signedJwt).split('.');
    for (const key of [createPublicKey({ key: jwk ?? {}, format: 'jwk' }), own.publicKey]) {
      const input = Buffer.from(`${header}.${payload}`);
      assert.ok(verify('sha256', input, key, Buffer.from(signature, 'base64url')));
    }
  });

  it('adds an end in an hour where there is none', async (t) => {
    const emulator = await start(t);
    const { signedJwt } = (await sign(emulator, { payload: '{"sub":"x"}' })).json();
    assert.deepEqual(client.readToken(signedJwt), { sub: 'x', exp: now + 3600 });
  });

  it('signs claims that end within 12 hours, and no others', async (t) => {
    const emulator = await start(t);
    for (const exp of [now, now + 43_200]) {
      assert.equal((await sign(emulator, { payload: JSON.stringify({ exp }) })).status, 200);
    }
    for (const exp of [now - 1, now + 43_201, now + 0.5, `${now}`, null]) {
      const reply = await sign(emulator, { payload: JSON.stringify({ exp }) });
      assert.deepEqual([reply.status, /exp/.test(reply.text)], [400, true], String(exp));
    }
  });

  it('signs nothing but a JSON object in text', async (t) => {
    const emulator = await start(t);
    for (const payload of [undefined, '', 'x', '[]', 'null', '"x"', { sub: 'x' }]) {
      assert.equal((await sign(emulator, { payload })).status, 400, JSON.stringify(payload));
    }
  });

  it('answers 403 to a caller without iam.serviceAccounts.signJwt', async (t) => {
    const emulator = await start(t);
    const reply = await sign(emulator, { payload: '{}' }, { file: emulator.credentials.stranger });
    assert.equal(reply.status, 403);
    assert.match(reply.text, /iam\.serviceAccounts\.signJwt/);
  });

  it('makes assertions that the token endpoint takes', async (t) => {
    const emulator = await start(t);
    const iss = emulator.accounts.runner;
    const claims = {
      iss,
      aud: 'https://oauth2.googleapis.com/token',
      iat: now,
      exp: now + 600,
      scope: EMAIL,
    };
    const { signedJwt } = (await sign(emulator, { payload: JSON.stringify(claims) })).json();
    assert.equal((await client.exchange(emulator, String(signedJwt))).status, 200);
  });
});

describe('public keys', () => {
  it('are there for service accounts only', async (t) => {
    const emulator = await start(t);
    for (const path of ['service_accounts/v1/jwk', 'robot/v1/metadata/x509']) {
      for (const account of ['nobody@nowhere.example', 'dev@example.com']) {
        assert.equal((await client.call(`${emulator.google.url}/${path}/${account}`)).status, 404);
      }
    }
  });
});

describe('a JWT that a service account signed itself', () => {
  const usual = (emulator: Emulator): Record<string, unknown> => {
    const { developer } = emulator.accounts;
    return { iss: developer, sub: developer, scope: CLOUD_PLATFORM, iat: now, exp: now + 3600 };
  };
  function ask(
    emulator: Emulator,
    claims: object,
    file = emulator.credentials.serviceAccount,
  ): Promise<client.Reply> {
    const token = client.forge({ alg: 'RS256' }, claims, client.signRs256(file.private_key));
    const url = client.iamUrl(emulator, emulator.accounts.runner, 'generateAccessToken');
    return client.post(url, { scope: [CLOUD_PLATFORM] }, [client.bearer(token)]);
  }

  it('is as good as an access token: for scopes, or for the API as its audience', async (t) => {
    const emulator = await start(t);
    assert.equal((await ask(emulator, usual(emulator))).status, 200);
    for (const aud of ['https://iamcredentials.googleapis.com/', `${emulator.google.url}/`]) {
      assert.equal((await ask(emulator, { ...usual(emulator), scope: undefined, aud })).status, 200, aud);
    }
    const elsewhere = await start(t, 'example-universe.goog');
    const aud = 'https://iamcredentials.example-universe.goog/';
    assert.equal((await ask(elsewhere, { ...usual(elsewhere), scope: undefined, aud })).status, 200);
  });

  it('is refused where anything about it is wrong', async (t) => {
    const emulator = await start(t);
    const { stranger, user } = emulator.accounts;
    const wrong: readonly Record<string, unknown>[] = [
      { scope: undefined },
      { scope: undefined, aud: 'https://run.googleapis.com/' },
      { sub: stranger },
      { iss: user, sub: user },
      { iss: 'nobody', sub: 'nobody' },
      { exp: now },
      { exp: now + 3601 },
      { iat: now + 301, exp: now + 600 },
      { iat: undefined },
    ];
    for (const change of wrong) {
      const reply = await ask(emulator, { ...usual(emulator), ...change });
      assert.equal(reply.status, 401, JSON.stringify(change));
    }
    assert.equal((await ask(emulator, usual(emulator), emulator.credentials.stranger)).status, 401);
    assert.equal((await ask(emulator, { ...usual(emulator), scope: EMAIL })).status, 403);
  });
});

describe('tokeninfo and user info', () => {
  it('tell the e-mail address only under a scope for it', async (t) => {
    const emulator = await start(t);
    const read = async (scope: string): Promise<readonly [unknown, client.Reply]> => {
      const head = [client.bearer(await client.mintAccessToken(emulator, scope, { nowMs }))];
      const info = await client.call(`${emulator.google.url}/tokeninfo`, { headers: head });
      return [
        info.json().email,
        await client.call(`${emulator.google.url}/oauth2/v3/userinfo`, { headers: head }),
      ];
    };
    const { developer } = emulator.accounts;
    const sub = emulator.credentials.serviceAccount.client_id;
    const [email, full] = await read(`openid ${EMAIL}`);
    assert.equal(email, developer);
    assert.deepEqual(full.json(), { sub, email: developer, email_verified: true });
    const [hidden, bare] = await read('openid');
    assert.deepEqual([hidden, bare.json()], [undefined, { sub }]);
    const [none, refused] = await read(CLOUD_PLATFORM);
    assert.deepEqual([none, refused.status], [undefined, 403]);
  });

  it('answer 401 or 400 without a token', async (t) => {
    const emulator = await start(t);
    assert.equal((await client.call(`${emulator.google.url}/oauth2/v3/userinfo`)).status, 401);
    assert.equal((await client.call(`${emulator.google.url}/tokeninfo`)).status, 400);
  });
});

describe('the resource manager', () => {
  async function find(emulator: Emulator, name: string, change: object = {}): Promise<client.Reply> {
    const token = await client.mintAccessToken(emulator, CLOUD_PLATFORM, { nowMs, ...change });
    return client.call(`${emulator.google.url}/v1/projects/${name}`, { headers: [client.bearer(token)] });
  }

  it('knows the project by number and by id', async (t) => {
    const emulator = await start(t);
    for (const name of ['123456789012', 'emulated-project']) {
      const { projectId, projectNumber, lifecycleState } = (await find(emulator, name)).json();
      assert.deepEqual(
        [projectId, projectNumber, lifecycleState],
        ['emulated-project', '123456789012', 'ACTIVE'],
      );
    }
  });

  it('shows it to those who may see it, and no other project to anybody', async (t) => {
    const emulator = await start(t);
    assert.equal((await find(emulator, '999')).status, 403);
    assert.equal((await find(emulator, '123456789012', { file: emulator.credentials.stranger })).status, 403);
    assert.equal((await client.call(`${emulator.google.url}/v1/projects/123456789012`)).status, 401);
  });
});
