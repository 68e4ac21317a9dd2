import assert from 'node:assert/strict';
import { createPublicKey, createVerify, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import * as client from './client.ts';

const AUDIENCE = 'https://orders-abc-an.a.run.app';

function isSignedBy(token: string, key: Parameters<typeof createPublicKey>[0]): boolean {
  const [header, claims, signature] = token.split('.');
  const verify = createVerify('RSA-SHA256').update(`${header}.${claims}`);
  return verify.verify(createPublicKey(key), signature ?? '', 'base64url');
}

describe('Google’s signing keys', () => {
  it('are served as a JWK set that verifies ID tokens, and may be cached', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const token = await client.mintIdToken(emulator, AUDIENCE);
    const reply = await client.call(emulator.google.jwksUrl);
    const [key] = (reply.json() as { keys: { kid: string; n: string; e: string; kty: string }[] }).keys;
    assert.ok(key);
    assert.equal(client.readTokenHeader(token).kid, key.kid);
    assert.ok(isSignedBy(token, { key, format: 'jwk' }));
    assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'nothing private');
    assert.match(String(reply.headers['cache-control']), /max-age=\d+/);
  });

  it('are served as self-signed X.509 certificates by key id', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const token = await client.mintIdToken(emulator, AUDIENCE);
    const reply = await client.call(emulator.google.certsUrl);
    const pem = String(reply.json()[String(client.readTokenHeader(token).kid)]);
    const certificate = new X509Certificate(pem);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.ok(isSignedBy(token, pem));
    assert.match(String(reply.headers['cache-control']), /max-age=\d+/);
  });

  it('are found through discovery', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { issuer, jwks_uri, token_endpoint } = (await client.call(emulator.google.discoveryUrl)).json();
    assert.deepEqual(
      [issuer, jwks_uri, token_endpoint],
      ['https://accounts.google.com', emulator.google.jwksUrl, emulator.google.tokenUrl],
    );
  });
});

describe('tokeninfo', () => {
  it('tells what an ID token says, all in strings', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const token = await client.mintIdToken(emulator, AUDIENCE);
    const info = (await client.call(`${emulator.google.url}/tokeninfo?id_token=${token}`)).json();
    assert.deepEqual([info.aud, info.email_verified, typeof info.exp], [AUDIENCE, 'true', 'string']);
  });

  it('refuses what Google didn’t sign, and what it never gave', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const token = await client.mintIdToken(emulator, AUDIENCE);
    for (const query of [`id_token=${token.slice(0, -8)}AAAAAAAA`, 'access_token=ya29.x', '']) {
      const reply = await client.call(`${emulator.google.url}/tokeninfo?${query}`);
      assert.deepEqual([reply.status, reply.json().error], [400, 'invalid_token']);
    }
  });
});

describe('Google’s hosts', () => {
  it('answer 404 to an unknown path, 405 to a wrong method, 413 to a body that is no token request', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    assert.equal((await client.call(`${emulator.google.url}/nowhere`)).status, 404);
    assert.equal((await client.call(emulator.google.tokenUrl)).status, 405);
    const huge = 'x'.repeat(65_537);
    assert.equal((await client.call(emulator.google.tokenUrl, { method: 'POST', body: huge })).status, 413);
  });
});
