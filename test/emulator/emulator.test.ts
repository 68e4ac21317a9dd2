import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createEmulator, type Fault, SERVICE_NAMES } from '../../src/emulator/emulator.ts';
import { isProxyError } from '../../src/errors.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import * as client from './client.ts';

const AUDIENCE = 'https://orders-abc-an.a.run.app';
const FLAVOR = ['Metadata-Flavor', 'Google'] as const;

describe('an emulator', () => {
  it('starts every service on an origin of its own, on loopback', async (t) => {
    const { services, google } = await client.startEmulator(t);
    assert.deepEqual(Object.keys(services), SERVICE_NAMES);
    const origins = [google.url, ...Object.values(services).map(({ url }) => url)];
    assert.equal(new Set(origins).size, 6);
    for (const origin of origins) assert.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/);
    for (const { url, audience } of Object.values(services)) assert.equal(audience, url);
  });

  it('starts only the services asked for', async (t) => {
    const { services } = await client.startEmulator(t, { services: ['echo', 'hello', 'echo'] });
    assert.deepEqual(Object.keys(services), ['echo', 'hello']);
  });

  it('has new keys and secrets at each start: an old key file buys nothing', async (t) => {
    const first = await client.startEmulator(t, { services: [] });
    const second = await client.startEmulator(t, { services: [] });
    const { serviceAccount, authorizedUser } = first.credentials;
    const assertion = { file: serviceAccount, nowMs: Date.now(), claims: { target_audience: AUDIENCE } };
    assert.equal((await client.exchange(second, client.signAssertion(assertion))).status, 400);
    assert.notEqual(authorizedUser.refresh_token, second.credentials.authorizedUser.refresh_token);
    assert.notEqual(serviceAccount.private_key_id, second.credentials.serviceAccount.private_key_id);
  });

  it('says which port is taken and how to take a free one, and leaves nothing running', async (t) => {
    const squatter = createServer().listen(0, '127.0.0.1');
    t.after(() => squatter.close());
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as AddressInfo;
    await assert.rejects(createEmulator({ port }), (error) => {
      assert.ok(isProxyError(error));
      assert.equal(error.code, 'address_in_use');
      assert.match(error.message, new RegExp(String(port)));
      assert.match(String(error.hint), /--port 0/);
      return true;
    });
  });

  it('stops listening when closed, and cuts off who still waits', async (t) => {
    const emulator = await createEmulator({ services: ['hello'] });
    t.after(() => emulator.close());
    emulator.faults.set('token', 'hang');
    const waiting = assert.rejects(client.mintIdToken(emulator, AUDIENCE));
    while (emulator.requests.token === 0) await settle();
    await emulator.close();
    await waiting;
    await assert.rejects(client.call(emulator.google.jwksUrl), { code: 'ECONNREFUSED' });
    await assert.rejects(client.call(client.serviceUrl(emulator, 'hello')), { code: 'ECONNREFUSED' });
  });

  it('dates its answers by the injected clock', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: ['hello'] });
    for (const url of [emulator.google.jwksUrl, client.serviceUrl(emulator, 'hello')]) {
      assert.equal((await client.call(url)).headers.date, 'Thu, 01 Jan 2026 00:00:00 GMT');
    }
  });

  it('makes every token as short-lived as asked', async (t) => {
    const clock = new FakeClock();
    const nowMs = clock.now().wallMs;
    const emulator = await client.startEmulator(t, { clock, services: [], tokenLifetimeMs: 90_000 });
    const { iat, exp } = client.readToken(await client.mintIdToken(emulator, AUDIENCE, { nowMs }));
    assert.equal(Number(exp) - Number(iat), 90);
    const { expires_in } = (await client.refreshUser(emulator)).json();
    assert.equal(expires_in, 90);
  });

  it('keeps a record of every token it gave out', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { developer, runner, compute, user } = emulator.accounts;
    const id = await client.mintIdToken(emulator, AUDIENCE);
    const access = await client.mintAccessToken(emulator, 'https://www.googleapis.com/auth/iam');
    const url = `${emulator.google.iamCredentialsUrl}/v1/projects/-/serviceAccounts/${runner}`;
    const head = [client.bearer(access)];
    const generated = await client.post(`${url}:generateIdToken`, { audience: AUDIENCE }, head);
    const impersonated = await client.post(`${url}:generateAccessToken`, { scope: ['x'] }, head);
    const identity = `${emulator.google.url}/computeMetadata/v1/instance/service-accounts/default/identity`;
    const machine = await client.call(`${identity}?audience=${AUDIENCE}`, { headers: [FLAVOR] });
    const person = (await client.refreshUser(emulator)).json();

    const clientId = emulator.credentials.authorizedUser.client_id;
    assert.deepEqual(emulator.mints, [
      { endpoint: 'token', kind: 'id', audience: AUDIENCE, identity: developer, value: id },
      { endpoint: 'token', kind: 'access', identity: developer, value: access },
      {
        endpoint: 'generateIdToken',
        kind: 'id',
        audience: AUDIENCE,
        identity: runner,
        value: generated.json().token,
      },
      {
        endpoint: 'generateAccessToken',
        kind: 'access',
        identity: runner,
        value: impersonated.json().accessToken,
      },
      { endpoint: 'metadata', kind: 'id', audience: AUDIENCE, identity: compute, value: machine.text },
      { endpoint: 'token', kind: 'access', identity: user, value: person.access_token },
      { endpoint: 'token', kind: 'id', audience: clientId, identity: user, value: person.id_token },
    ]);
    const { token, generateIdToken, generateAccessToken, metadata } = emulator.requests;
    assert.deepEqual([token, generateIdToken, generateAccessToken, metadata], [3, 1, 1, 1]);
  });
});

describe('a fault', () => {
  it('answers with the status asked for, until cleared', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const body = { error: 'invalid_grant', error_description: 'reauth related error (invalid_rapt)' };
    emulator.faults.set('token', { status: 400, body });
    emulator.faults.set('metadata', { status: 503, headers: { 'Retry-After': '7' } });
    for (let turn = 0; turn < 2; turn += 1) {
      const reply = await client.refreshUser(emulator);
      assert.deepEqual([reply.status, reply.json()], [400, body]);
    }
    const metadata = await client.call(`${emulator.google.url}/`, { headers: [FLAVOR] });
    assert.deepEqual([metadata.status, metadata.headers['retry-after']], [503, '7']);
    emulator.faults.clear('token');
    assert.equal((await client.refreshUser(emulator)).status, 200);
    assert.equal((await client.call(`${emulator.google.url}/`)).status, 503);
    emulator.faults.clear();
    assert.equal((await client.call(`${emulator.google.url}/`)).status, 200);
    assert.equal(emulator.requests.token, 3);
  });

  it('ends by itself after as many requests as asked for', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    emulator.faults.set('token', { status: 500 }, 2);
    const statuses = [];
    for (let turn = 0; turn < 3; turn += 1) statuses.push((await client.refreshUser(emulator)).status);
    assert.deepEqual(statuses, [500, 500, 200]);
  });

  it('answers with garbage, with nothing, or not at all', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const under = async (fault: Fault): Promise<client.Reply> => {
      emulator.faults.set('token', fault);
      return client.refreshUser(emulator);
    };
    const garbage = await under('garbage');
    assert.equal(garbage.status, 200);
    assert.throws(() => garbage.json());
    const empty = await under('empty');
    assert.deepEqual([empty.status, empty.text], [200, '']);
    await assert.rejects(under('reset'), { code: 'ECONNRESET' });
    assert.deepEqual(emulator.mints, []);
  });

  it('delays an answer on the injected clock', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    emulator.faults.set('token', { delayMs: 6_000 });
    const reply = client.refreshUser(emulator);
    while (clock.pending === 0) await settle();
    assert.equal(emulator.mints.length, 0);
    await clock.advance(6_000);
    assert.equal((await reply).status, 200);
  });

  it('gives the same token again however old it is', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const mint = (): Promise<string> => client.mintIdToken(emulator, AUDIENCE, { nowMs: clock.now().wallMs });
    emulator.faults.set('token', 'same-token');
    const first = await mint();
    await clock.advance(7_200_000);
    assert.equal(await mint(), first);
    assert.deepEqual(
      emulator.mints.map(({ value }) => value),
      [first, first],
    );
    emulator.faults.clear();
    assert.notEqual(await mint(), first);
  });

  it('has ID tokens made for another audience', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    for (const endpoint of ['token', 'metadata', 'githubOidc'] as const) {
      emulator.faults.set(endpoint, { audience: 'https://other.example' }, 1);
    }
    const token = await client.mintIdToken(emulator, AUDIENCE);
    assert.equal(client.readToken(token).aud, 'https://other.example');
    assert.equal(emulator.mints[0]?.audience, 'https://other.example');
    const path = `computeMetadata/v1/instance/service-accounts/default/identity?audience=${AUDIENCE}`;
    const identity = async (): Promise<unknown> =>
      client.readToken((await client.call(`${emulator.google.url}/${path}`, { headers: [FLAVOR] })).text).aud;
    assert.deepEqual([await identity(), await identity()], ['https://other.example', AUDIENCE]);
    const { ACTIONS_ID_TOKEN_REQUEST_URL: url = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: own = '' } =
      emulator.federation.githubEnv;
    const { value } = (await client.call(url, { headers: [client.bearer(own)] })).json();
    assert.equal(client.readToken(value).aud, 'https://other.example');
  });

  it('has tokens made that end early', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    emulator.faults.set('token', { lifetimeMs: 20_000 });
    emulator.faults.set('sts', { lifetimeMs: 20_000 });
    const { access_token, expires_in, id_token } = (await client.refreshUser(emulator)).json();
    const { iat, exp } = client.readToken(id_token);
    assert.deepEqual([expires_in, Number(exp) - Number(iat)], [20, 20]);
    assert.equal((await client.exchangeSubject(emulator)).json().expires_in, 20);
    await clock.advance(20_000);
    const info = await client.call(`${emulator.google.url}/tokeninfo?access_token=${access_token}`);
    assert.equal(info.status, 400);
  });

  it('answers by a clock that is off', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    emulator.faults.set('token', { dateOffsetMs: 600_000 });
    const reply = await client.refreshUser(emulator);
    assert.equal(reply.headers.date, 'Thu, 01 Jan 2026 00:10:00 GMT');
    const { id_token, expires_in } = reply.json();
    const { iat, exp } = client.readToken(id_token);
    const off = clock.now().wallMs / 1000 + 600;
    assert.deepEqual([iat, exp, expires_in], [off, off + 3600, 3600]);
  });
});
