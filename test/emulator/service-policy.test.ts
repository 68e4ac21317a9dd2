import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { EmulatedService, Emulator, ServiceName, ServicePolicy } from '../../src/emulator/emulator.ts';
import * as client from './client.ts';

interface Visit {
  readonly emulator: Emulator;
  readonly service: EmulatedService;
  readonly url: string;
  /** The status a request ends with, and the whole answer. */
  ask(token?: string, call?: client.Call): Promise<client.Reply>;
}

async function visit(t: TestContext, name: ServiceName, policy: Partial<ServicePolicy> = {}): Promise<Visit> {
  const emulator = await client.startEmulator(t, { services: [name] });
  const service = emulator.services[name];
  assert.ok(service);
  service.set(policy);
  return {
    emulator,
    service,
    url: service.url,
    ask: (token, call = {}) =>
      client.call(`${service.url}/x?secret=1`, {
        ...call,
        headers: [...(token === undefined ? [] : [client.bearer(token)]), ...(call.headers ?? [])],
      }),
  };
}

/** An expired, forged or otherwise useless token that claims to be Google's. */
const FORGED = client.forge({ alg: 'RS256' }, { iss: 'https://accounts.google.com', sub: '1' }, () => 'x');

describe('a service with ingress for internal traffic only', () => {
  it('answers 404 with Google’s page, token or no token, until it is opened', async (t) => {
    const { emulator, service, url, ask } = await visit(t, 'hello', { ingress: 'internal' });
    const token = await client.mintIdToken(emulator, url);
    for (const reply of [await ask(), await ask(token)]) {
      assert.equal(reply.status, 404);
      assert.equal(reply.headers['content-type'], 'text/html; charset=UTF-8');
      assert.match(reply.text, /<title>404 Page not found<\/title>/);
      assert.match(reply.text, /<h2>The requested URL was not found on this server\.<\/h2>/);
    }
    service.set({ ingress: 'all' });
    assert.equal((await ask(token)).status, 200);
  });
});

describe('a service that is disabled', () => {
  it('answers 404, and comes back as it was', async (t) => {
    const { emulator, service, url, ask } = await visit(t, 'hello', { customAudiences: ['mine'] });
    const token = await client.mintIdToken(emulator, 'mine');
    service.set({ enabled: false });
    assert.equal((await ask(token)).status, 404);
    assert.equal((await client.call(url)).status, 404);
    service.set({ enabled: true });
    assert.equal((await ask(token)).status, 200);
  });
});

describe('a service with invokers of its own', () => {
  it('lets in those named, and nobody else', async (t) => {
    const { emulator, url, ask, service } = await visit(t, 'hello');
    const { developer, stranger } = emulator.accounts;
    const own = await client.mintIdToken(emulator, url);
    const strange = await client.mintIdToken(emulator, url, { file: emulator.credentials.stranger });
    service.set({ invokers: [stranger] });
    assert.deepEqual([(await ask(own)).status, (await ask(strange)).status], [403, 200]);
    service.set({ invokers: [developer] });
    assert.deepEqual([(await ask(own)).status, (await ask(strange)).status], [200, 403]);
    service.set({ invokers: [] });
    assert.equal((await ask(own)).status, 403);
  });
});

describe('a public service', () => {
  it('lets everybody in, says that nobody was verified, and who was if somebody was', async (t) => {
    const { emulator, url, ask } = await visit(t, 'hello', { invokers: 'everybody' });
    const reply = await ask();
    assert.equal(reply.status, 200);
    assert.equal(reply.json().verified, null);
    assert.match(String(reply.json().message), /nobody verified/);
    const token = await client.mintIdToken(emulator, url, { file: emulator.credentials.stranger });
    const verified = (await ask(token)).json().verified as { email: string };
    assert.equal(verified.email, emulator.accounts.stranger);
  });

  it('leaves to the application what Google didn’t sign', async (t) => {
    const { ask } = await visit(t, 'echo', { invokers: 'everybody' });
    const own = client.forge({ alg: 'HS256' }, { iss: 'https://my-app.example' }, () => 'signature');
    for (const value of [`Bearer ${own}`, 'Bearer opaque', 'Basic dXNlcjpwYXNz']) {
      const reply = await ask(undefined, { headers: [['Authorization', value]] });
      assert.equal(reply.status, 200);
      const seen = reply.json().headers as [string, string][];
      assert.equal(seen.find(([name]) => name === 'Authorization')?.[1], value);
    }
  });

  it('refuses a token of Google’s that isn’t valid for it', async (t) => {
    const { emulator, ask } = await visit(t, 'hello', { invokers: 'everybody' });
    assert.equal((await ask(FORGED)).status, 401);
    assert.equal((await ask(await client.mintIdToken(emulator, 'https://else.example'))).status, 401);
  });
});

describe('custom audiences', () => {
  it('are those set last, beside the service’s own URL', async (t) => {
    const { emulator, service, url, ask } = await visit(t, 'hello');
    assert.deepEqual(service.customAudiences, ['https://hello.example.com']);
    service.set({ customAudiences: ['https://api.example.net', 'orders'] });
    assert.deepEqual(service.customAudiences, ['https://api.example.net', 'orders']);
    const statuses: number[] = [];
    for (const audience of [url, 'https://api.example.net', 'orders', 'https://hello.example.com']) {
      statuses.push((await ask(await client.mintIdToken(emulator, audience))).status);
    }
    assert.deepEqual(statuses, [200, 200, 200, 401]);
  });
});

describe('a service with host names', () => {
  const RUN = 'hello-abc123-an.a.run.app';

  it('is found under them through TLS, and under no other', async (t) => {
    const { emulator, url, ask } = await visit(t, 'echo', { hosts: [RUN, 'api.example.net'] });
    const token = await client.mintIdToken(emulator, url);
    for (const host of [RUN, 'api.example.net']) {
      const reply = await ask(token, { host });
      assert.equal(reply.status, 200, host);
      const seen = new Map(reply.json().headers as [string, string][]);
      assert.equal(seen.get('X-Forwarded-Proto'), 'https');
      assert.match(String(seen.get('Forwarded')), /;proto=https$/);
    }
    assert.equal((await ask(token, { host: 'other-abc123-an.a.run.app' })).status, 404);
  });

  it('accepts its run.app URL as an audience, but a custom domain only where that is a custom audience', async (t) => {
    const { emulator, service, ask } = await visit(t, 'hello', { hosts: [RUN, 'api.example.net'] });
    const forRun = await client.mintIdToken(emulator, `https://${RUN}`);
    const forDomain = await client.mintIdToken(emulator, 'https://api.example.net');
    const host = 'api.example.net';
    assert.equal((await ask(forRun, { host: RUN })).status, 200);
    assert.equal((await ask(forDomain, { host })).status, 401);
    service.set({ customAudiences: ['https://api.example.net'] });
    assert.equal((await ask(forDomain, { host })).status, 200);
    service.set({ hosts: [] });
    assert.equal((await ask(forRun)).status, 401, 'the URL is gone, and the audience with it');
  });
});
