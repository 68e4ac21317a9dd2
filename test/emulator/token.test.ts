import assert from 'node:assert/strict';
import { createHmac, createPublicKey, createSign, generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const AUDIENCE = 'https://orders-abc-an.a.run.app';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

describe('the token endpoint, asked with a service account key', () => {
  it('gives an ID token with Google’s claims for a target audience', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const file = emulator.credentials.serviceAccount;
    const claims = { target_audience: AUDIENCE };
    const reply = await client.exchange(
      emulator,
      client.signAssertion({ file, nowMs: clock.now().wallMs, claims }),
    );

    assert.equal(reply.status, 200);
    assert.deepEqual(Object.keys(reply.json()), ['id_token']);
    const iat = Math.floor(clock.now().wallMs / 1000);
    assert.deepEqual(client.readToken(reply.json().id_token), {
      iss: 'https://accounts.google.com',
      aud: AUDIENCE,
      azp: emulator.accounts.developer,
      sub: file.client_id,
      email: emulator.accounts.developer,
      email_verified: true,
      iat,
      exp: iat + 3600,
    });
    const header = client.readTokenHeader(reply.json().id_token);
    assert.equal(header.alg, 'RS256');
    assert.match(String(header.kid), /^[0-9a-f]{40}$/);
    assert.match(String(file.client_id), /^\d{21}$/);
  });

  it('gives an access token for a scope', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(Date.now()), services: [] });
    const file = emulator.credentials.serviceAccount;
    const reply = await client.exchange(
      emulator,
      client.signAssertion({ file, nowMs: Date.now(), claims: { scope: SCOPE } }),
    );
    const { access_token, expires_in, ...rest } = reply.json();
    assert.equal(reply.status, 200);
    assert.match(String(access_token), /^ya29\./);
    assert.ok(expires_in === 3600 || expires_in === 3599);
    assert.deepEqual(rest, { token_type: 'Bearer' });
    assert.match(String(reply.headers['cache-control']), /no-store/);
  });

  it('gives the ID token where both are asked for, as Google does', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const file = emulator.credentials.serviceAccount;
    const claims = { scope: SCOPE, target_audience: AUDIENCE };
    const reply = await client.exchange(emulator, client.signAssertion({ file, nowMs: Date.now(), claims }));
    assert.deepEqual(Object.keys(reply.json()), ['id_token']);
  });

  it('accepts every audience Google answers to, its own URL among them', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const file = emulator.credentials.serviceAccount;
    for (const aud of [
      'https://oauth2.googleapis.com/token',
      'https://www.googleapis.com/oauth2/v4/token',
      emulator.google.tokenUrl,
    ]) {
      const claims = { aud, scope: SCOPE };
      const reply = await client.exchange(
        emulator,
        client.signAssertion({ file, nowMs: clock.now().wallMs, claims }),
      );
      assert.equal(reply.status, 200, aud);
    }
  });

  const clock = new FakeClock();
  const nowMs = clock.now().wallMs;
  const now = nowMs / 1000;
  const usual = {
    iss: '',
    aud: 'https://oauth2.googleapis.com/token',
    iat: now,
    exp: now + 3600,
    scope: SCOPE,
  };
  const developer = (emulator: Emulator): object => ({ ...usual, iss: emulator.accounts.developer });
  const own = (emulator: Emulator, claims: Record<string, unknown>): string =>
    client.signAssertion({
      file: emulator.credentials.serviceAccount,
      nowMs,
      claims: { scope: SCOPE, ...claims },
    });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const foreignKey = privateKey.export({ type: 'pkcs8', format: 'pem' });

  const SIGNATURE = 'Invalid JWT Signature.';
  const TIMEFRAME =
    'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. ' +
    'Check your iat and exp values in the JWT claim.';
  const SCOPE_OR_AUDIENCE = 'Invalid OAuth scope or ID token audience provided.';

  const refusals: readonly (readonly [
    what: string,
    make: (emulator: Emulator) => string,
    error: string,
    description: string,
    status?: number,
  ])[] = [
    [
      'signed with a key Google never saw',
      (emulator) => client.forge({ alg: 'RS256' }, developer(emulator), client.signRs256(foreignKey)),
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'signed with another account’s key',
      (emulator) =>
        client.forge(
          { alg: 'RS256' },
          developer(emulator),
          client.signRs256(emulator.credentials.stranger.private_key),
        ),
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'from an account that has no key',
      (emulator) =>
        client.forge(
          { alg: 'RS256' },
          { ...usual, iss: emulator.accounts.runner },
          client.signRs256(emulator.credentials.serviceAccount.private_key),
        ),
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'with a claim changed after signing',
      (emulator) => {
        const [header, , signature] = own(emulator, {}).split('.');
        const claims = Buffer.from(JSON.stringify({ ...developer(emulator), scope: 'openid' })).toString(
          'base64url',
        );
        return `${header}.${claims}.${signature}`;
      },
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'without a signature',
      (emulator) => client.forge({ alg: 'none' }, developer(emulator), () => ''),
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'signed with RS512',
      (emulator) => {
        const key = String(emulator.credentials.serviceAccount.private_key);
        const rs512 = (input: string): string =>
          createSign('RSA-SHA512').update(input).sign(key, 'base64url');
        return client.forge({ alg: 'RS512' }, developer(emulator), rs512);
      },
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'with HS256 over the public key',
      (emulator) => {
        const publicKey = createPublicKey(String(emulator.credentials.serviceAccount.private_key));
        const secret = publicKey.export({ type: 'spki', format: 'pem' });
        const hmac = (input: string): string =>
          createHmac('sha256', secret).update(input).digest('base64url');
        return client.forge({ alg: 'HS256' }, developer(emulator), hmac);
      },
      'invalid_grant',
      SIGNATURE,
    ],
    [
      'from nobody',
      (emulator) => own(emulator, { iss: 'nobody@nowhere.example' }),
      'invalid_grant',
      'Invalid grant: account not found',
    ],
    [
      'from a person',
      (emulator) => own(emulator, { iss: 'dev@example.com' }),
      'invalid_grant',
      'Invalid grant: account not found',
    ],
    [
      'for another endpoint',
      (emulator) => own(emulator, { aud: 'https://example.com/token' }),
      'invalid_grant',
      'Invalid JWT: Failed audience check.',
    ],
    [
      'that has ended',
      (emulator) => own(emulator, { iat: now - 3600, exp: now }),
      'invalid_grant',
      TIMEFRAME,
    ],
    [
      'good for too long',
      (emulator) => own(emulator, { iat: now, exp: now + 3601 }),
      'invalid_grant',
      TIMEFRAME,
    ],
    [
      'from more than 5 minutes ahead',
      (emulator) => own(emulator, { iat: now + 301, exp: now + 3600 }),
      'invalid_grant',
      TIMEFRAME,
    ],
    ['without an end', (emulator) => own(emulator, { exp: undefined }), 'invalid_grant', TIMEFRAME],
    [
      'with its times as text',
      (emulator) => own(emulator, { exp: String(now + 3600) }),
      'invalid_grant',
      TIMEFRAME,
    ],
    [
      'that asks for nothing',
      (emulator) => own(emulator, { scope: undefined }),
      'invalid_scope',
      SCOPE_OR_AUDIENCE,
    ],
    [
      'that asks for an empty audience and no scope',
      (emulator) => own(emulator, { scope: '', target_audience: '' }),
      'invalid_scope',
      SCOPE_OR_AUDIENCE,
    ],
    [
      'in the name of a person, without domain-wide delegation',
      (emulator) => own(emulator, { sub: 'dev@example.com' }),
      'unauthorized_client',
      'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.',
      401,
    ],
    ['that isn’t a JWT', () => 'hello', 'invalid_grant', 'Invalid JWT: Failed to parse the assertion.'],
  ];

  for (const [what, make, error, description, status = 400] of refusals) {
    it(`refuses an assertion ${what}`, async (t) => {
      const emulator = await client.startEmulator(t, { clock, services: [] });
      const reply = await client.exchange(emulator, make(emulator));
      assert.equal(reply.status, status);
      assert.deepEqual(reply.json(), { error, error_description: description });
      assert.deepEqual(emulator.mints, []);
    });
  }

  it('accepts an assertion from a clock that runs 5 minutes ahead', async (t) => {
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const reply = await client.exchange(emulator, own(emulator, { iat: now + 300, exp: now + 3600 }));
    assert.equal(reply.status, 200);
  });
});

describe('the token endpoint, asked with a refresh token', () => {
  it('gives an ID token for the OAuth client, whatever audience was asked for', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const reply = await client.refreshUser(emulator, { target_audience: AUDIENCE });
    const { access_token, id_token, scope, token_type } = reply.json();
    assert.equal(reply.status, 200);
    assert.equal(token_type, 'Bearer');
    assert.match(String(scope), /openid/);
    assert.match(String(access_token), /^ya29\./);
    const { aud, azp, email } = client.readToken(id_token);
    const clientId = emulator.credentials.authorizedUser.client_id;
    assert.deepEqual({ aud, azp, email }, { aud: clientId, azp: clientId, email: 'dev@example.com' });
  });

  it('gives no ID token where openid was not among the scopes', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const reply = await client.refreshUser(emulator, { scope: SCOPE });
    assert.deepEqual([reply.json().scope, reply.json().id_token], [SCOPE, undefined]);
  });

  const refusals: readonly (readonly [string, Record<string, string>, number, string, string])[] = [
    [
      'a refresh token it doesn’t know',
      { refresh_token: '1//0gone' },
      400,
      'invalid_grant',
      'Token has been expired or revoked.',
    ],
    [
      'an unknown client',
      { client_id: 'x.apps.googleusercontent.com' },
      401,
      'invalid_client',
      'The OAuth client was not found.',
    ],
    [
      'a wrong client secret',
      { client_secret: 'guess' },
      401,
      'invalid_client',
      'The provided client secret is invalid.',
    ],
    ['a scope nobody agreed to', { scope: 'https://mail.google.com/' }, 400, 'invalid_scope', 'Bad Request'],
    [
      'no refresh token',
      { refresh_token: '' },
      400,
      'invalid_request',
      'Missing required parameter: refresh_token',
    ],
    ['no client', { client_id: '' }, 400, 'invalid_request', 'Could not determine client ID from request.'],
    [
      'an unknown grant',
      { grant_type: 'password' },
      400,
      'unsupported_grant_type',
      'Invalid grant_type: password',
    ],
    ['no grant', { grant_type: '' }, 400, 'invalid_request', 'Required parameter is missing: grant_type'],
  ];
  for (const [what, fields, status, error, description] of refusals) {
    it(`refuses ${what}`, async (t) => {
      const emulator = await client.startEmulator(t, { services: [] });
      const reply = await client.refreshUser(emulator, fields);
      assert.equal(reply.status, status);
      assert.deepEqual(reply.json(), { error, error_description: description });
      assert.deepEqual(emulator.mints, []);
    });
  }
});
