import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const AUDIENCE = 'https://orders-abc-an.a.run.app';
const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';

type Verb = 'generateIdToken' | 'generateAccessToken';

function endpoint(emulator: Emulator, account: string, verb: Verb): string {
  return `${emulator.google.iamCredentialsUrl}/v1/projects/-/serviceAccounts/${account}:${verb}`;
}

async function generate(
  emulator: Emulator,
  account: string,
  verb: Verb,
  body: object,
  token?: string,
): Promise<client.Reply> {
  const bought = token ?? (await client.mintAccessToken(emulator, CLOUD_PLATFORM));
  return client.post(endpoint(emulator, account, verb), body, [client.bearer(bought)]);
}

const delegate = (account: string): string => `projects/-/serviceAccounts/${account}`;

interface ApiError {
  readonly code: number;
  readonly status: string;
  readonly message: string;
  readonly details?: readonly { readonly reason: string; readonly metadata: Record<string, string> }[];
}

function readError(reply: client.Reply): ApiError {
  const { error } = JSON.parse(reply.text) as { error: ApiError };
  assert.equal(error.code, reply.status);
  return error;
}

describe('generateIdToken', () => {
  it('gives a Google-signed token for the account, with its e-mail only when asked', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { runner } = emulator.accounts;
    const bare = await generate(emulator, runner, 'generateIdToken', { audience: AUDIENCE });
    assert.equal(bare.status, 200);
    const bareClaims = client.readToken(bare.json().token);
    assert.deepEqual(
      [bareClaims.aud, bareClaims.email, bareClaims.email_verified],
      [AUDIENCE, undefined, undefined],
    );
    assert.equal(bareClaims.azp, bareClaims.sub);

    const body = { audience: AUDIENCE, includeEmail: true, useEmailAzp: true };
    const full = client.readToken((await generate(emulator, runner, 'generateIdToken', body)).json().token);
    assert.deepEqual(
      [full.email, full.email_verified, full.azp, full.sub],
      [runner, true, runner, bareClaims.sub],
    );
  });

  it('takes a unique id for an address, and snake_case for camelCase', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const body = { audience: AUDIENCE, include_email: true };
    const first = await generate(emulator, emulator.accounts.runner, 'generateIdToken', body);
    const { sub, email } = client.readToken(first.json().token);
    const again = await generate(emulator, String(sub), 'generateIdToken', body);
    assert.equal(client.readToken(again.json().token).email, email);
  });

  it('needs an audience', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    for (const body of [{}, { audience: '' }, { audience: 7 }]) {
      const reply = await generate(emulator, emulator.accounts.runner, 'generateIdToken', body);
      assert.equal(readError(reply).status, 'INVALID_ARGUMENT');
    }
  });
});

describe('generateAccessToken', () => {
  it('gives an access token that speaks for the account', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const nowMs = clock.now().wallMs;
    const source = await client.mintAccessToken(emulator, CLOUD_PLATFORM, { nowMs });
    const email = 'https://www.googleapis.com/auth/userinfo.email';
    const body = { scope: [CLOUD_PLATFORM, email], lifetime: '600s' };
    const reply = await generate(emulator, emulator.accounts.runner, 'generateAccessToken', body, source);
    const { accessToken, expireTime } = reply.json();
    assert.equal(expireTime, '2026-01-01T00:10:00Z');
    const info = await client.call(`${emulator.google.url}/tokeninfo?access_token=${accessToken}`);
    assert.deepEqual([info.json().email, info.json().expires_in], [emulator.accounts.runner, '600']);
  });

  it('bounds the lifetime at one hour and wants a scope', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const wrong = [
      { scope: [CLOUD_PLATFORM], lifetime: '3601s' },
      { scope: [CLOUD_PLATFORM], lifetime: '0s' },
      { scope: [CLOUD_PLATFORM], lifetime: '-1s' },
      { scope: [CLOUD_PLATFORM], lifetime: 3600 },
      { scope: [CLOUD_PLATFORM], lifetime: '1h' },
      { scope: [] },
      { scope: CLOUD_PLATFORM },
      {},
    ];
    for (const body of wrong) {
      const reply = await generate(emulator, emulator.accounts.runner, 'generateAccessToken', body);
      assert.equal(readError(reply).status, 'INVALID_ARGUMENT', JSON.stringify(body));
    }
    const longest = { scope: [CLOUD_PLATFORM], lifetime: '3600s' };
    assert.equal(
      (await generate(emulator, emulator.accounts.runner, 'generateAccessToken', longest)).status,
      200,
    );
  });
});

describe('the IAM Service Account Credentials API', () => {
  it('answers 401 to a request without a credential, and to one with a bad one', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const url = endpoint(emulator, emulator.accounts.runner, 'generateIdToken');
    const bare = await client.post(url, { audience: AUDIENCE });
    assert.deepEqual([bare.status, readError(bare).status], [401, 'UNAUTHENTICATED']);
    assert.equal(readError(bare).details?.[0]?.reason, 'CREDENTIALS_MISSING');

    const nowMs = clock.now().wallMs;
    const idToken = await client.mintIdToken(emulator, AUDIENCE, { nowMs });
    const expired = await client.mintAccessToken(emulator, CLOUD_PLATFORM, { nowMs });
    await clock.advance(3_600_000);
    for (const token of ['ya29.guess', idToken, expired, '']) {
      const reply = await generate(
        emulator,
        emulator.accounts.runner,
        'generateIdToken',
        { audience: AUDIENCE },
        token,
      );
      assert.equal(readError(reply).status, 'UNAUTHENTICATED');
      assert.match(String(reply.headers['www-authenticate']), /error="invalid_token"/);
    }
  });

  it('answers 403 to a token whose scopes don’t cover it', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const narrow = await client.mintAccessToken(
      emulator,
      'https://www.googleapis.com/auth/devstorage.read_only',
    );
    const reply = await generate(
      emulator,
      emulator.accounts.runner,
      'generateIdToken',
      { audience: AUDIENCE },
      narrow,
    );
    const { status, details } = readError(reply);
    assert.deepEqual(
      [status, details?.[0]?.reason],
      ['PERMISSION_DENIED', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT'],
    );
    const iam = await client.mintAccessToken(emulator, 'https://www.googleapis.com/auth/iam');
    assert.equal(
      (await generate(emulator, emulator.accounts.runner, 'generateIdToken', { audience: AUDIENCE }, iam))
        .status,
      200,
    );
  });

  it('answers 403 to a caller who may not create tokens for the account, and names the permission', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const file = emulator.credentials.stranger;
    const stranger = await client.mintAccessToken(emulator, CLOUD_PLATFORM, { file });
    const { runner } = emulator.accounts;
    const id = readError(
      await generate(emulator, runner, 'generateIdToken', { audience: AUDIENCE }, stranger),
    );
    const permission = 'iam.serviceAccounts.getOpenIdToken';
    assert.equal(id.message, `Permission '${permission}' denied on resource (or it may not exist).`);
    assert.equal(id.details?.[0]?.metadata.permission, permission);
    const access = readError(
      await generate(emulator, runner, 'generateAccessToken', { scope: ['x'] }, stranger),
    );
    assert.match(access.message, /^Permission 'iam\.serviceAccounts\.getAccessToken' denied/);
    const own = emulator.accounts.stranger;
    const itself = await generate(emulator, own, 'generateIdToken', { audience: AUDIENCE }, stranger);
    assert.equal(itself.status, 403, 'nobody may act as themselves without a grant');
  });

  it('answers 404 for an account that isn’t there or is a person', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    for (const account of ['nobody@emulated-project.iam.gserviceaccount.com', 'dev@example.com', '%zz']) {
      const reply = await generate(emulator, account, 'generateIdToken', { audience: AUDIENCE });
      assert.equal(readError(reply).status, 'NOT_FOUND');
    }
  });

  it('walks a chain of delegates link by link', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { compute, runner, developer } = emulator.accounts;
    const ask = (delegates: readonly string[]): Promise<client.Reply> =>
      generate(emulator, compute, 'generateIdToken', { audience: AUDIENCE, delegates, includeEmail: true });

    assert.equal((await ask([])).status, 403, 'the developer may not act as compute');
    const reply = await ask([delegate(runner)]);
    assert.equal(client.readToken(reply.json().token).email, compute);
    assert.equal(
      (await ask([delegate(runner), delegate(developer)])).status,
      403,
      'the last link is missing',
    );
    assert.equal((await ask([delegate(developer)])).status, 403, 'the first link is missing');
    assert.equal((await ask([delegate('nobody@nowhere.example')])).status, 404);
  });

  it('wants resource names with the project wildcard', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { runner, compute } = emulator.accounts;
    const plain = await generate(emulator, compute, 'generateIdToken', {
      audience: AUDIENCE,
      delegates: [runner],
    });
    assert.equal(readError(plain).status, 'INVALID_ARGUMENT');
    const token = await client.mintAccessToken(emulator, CLOUD_PLATFORM);
    const url = `${emulator.google.url}/v1/projects/emulated-project/serviceAccounts/${runner}:generateIdToken`;
    const named = await client.post(url, { audience: AUDIENCE }, [client.bearer(token)]);
    assert.equal(readError(named).status, 'INVALID_ARGUMENT');
  });

  it('refuses a body that isn’t its message', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const token = await client.mintAccessToken(emulator, CLOUD_PLATFORM);
    const url = endpoint(emulator, emulator.accounts.runner, 'generateIdToken');
    const unknown = await client.post(url, { audience: AUDIENCE, audiences: [] }, [client.bearer(token)]);
    assert.match(readError(unknown).message, /Unknown name "audiences"/);
    for (const body of ['{', '[]', 'null', '"x"']) {
      const reply = await client.call(url, { method: 'POST', headers: [client.bearer(token)], body });
      assert.equal(readError(reply).status, 'INVALID_ARGUMENT', body);
    }
  });
});
