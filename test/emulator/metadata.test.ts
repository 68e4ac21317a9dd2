import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const AUDIENCE = 'https://orders-abc-an.a.run.app';
const FLAVOR = ['Metadata-Flavor', 'Google'] as const;

function get(
  emulator: Emulator,
  path: string,
  headers: client.Call['headers'] = [FLAVOR],
): Promise<client.Reply> {
  return client.call(`http://${emulator.google.metadataHost}/computeMetadata/v1/${path}`, { headers });
}

const identity = (audience: string, rest = '&format=full'): string =>
  `instance/service-accounts/default/identity?audience=${audience}${rest}`;

describe('the metadata server', () => {
  it('answers only to those who say Metadata-Flavor: Google and came directly', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const path = 'project/project-id';
    assert.equal((await get(emulator, path)).text, 'emulated-project');
    assert.equal((await get(emulator, path, [])).status, 403);
    assert.equal((await get(emulator, path, [['Metadata-Flavor', 'google']])).status, 403);
    assert.equal((await get(emulator, path, [FLAVOR, ['X-Forwarded-For', '10.0.0.1']])).status, 403);
    const token = await get(emulator, 'instance/service-accounts/default/token', []);
    assert.deepEqual([token.status, emulator.mints.length], [403, 0]);
  });

  it('marks every answer as its own, refusals too', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const replies = [
      await get(emulator, 'project/numeric-project-id'),
      await get(emulator, 'project/numeric-project-id', []),
      await get(emulator, 'nowhere'),
      await get(emulator, identity('')),
      await client.call(`${emulator.google.url}/`),
    ];
    assert.deepEqual(
      replies.map((reply) => reply.status),
      [200, 403, 404, 400, 200],
    );
    for (const { headers } of replies) {
      assert.equal(headers['metadata-flavor'], 'Google');
      assert.equal(headers.server, 'Metadata Server for VM');
    }
  });

  it('lists directories, sends those without a slash there, and shows them as JSON', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const { compute } = emulator.accounts;
    const redirect = await get(emulator, 'instance');
    const location = `http://${emulator.google.metadataHost}/computeMetadata/v1/instance/`;
    assert.deepEqual([redirect.status, redirect.headers.location], [301, location]);
    assert.equal((await get(emulator, '')).text, 'instance/\nproject/\nuniverse/\n');
    assert.equal((await get(emulator, 'instance/service-accounts/')).text, `default/\n${compute}/\n`);
    const entries = (await get(emulator, `instance/service-accounts/${compute}/`)).text;
    assert.equal(entries, 'aliases\nemail\nidentity\nscopes\ntoken\n');
    const account = await get(emulator, 'instance/service-accounts/default/?recursive=true');
    assert.deepEqual([account.json().email, account.json().aliases], [compute, ['default']]);
    assert.deepEqual(Object.keys(account.json()), ['aliases', 'email', 'scopes']);
    assert.equal((await get(emulator, 'instance/service-accounts/default/email')).text, compute);
    assert.equal((await get(emulator, 'universe/universe-domain')).text, 'googleapis.com');
    for (const path of [
      'instance/service-accounts/nobody@x.example/token',
      'instance/constructor',
      'project/x/y',
    ]) {
      assert.equal((await get(emulator, path)).status, 404, path);
    }
  });

  it('gives ID tokens of the machine’s account; the machine and the e-mail with format=full', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const full = client.readToken((await get(emulator, identity(AUDIENCE))).text);
    assert.deepEqual([full.aud, full.email], [AUDIENCE, emulator.accounts.compute]);
    const machine = (full.google as { compute_engine: Record<string, unknown> }).compute_engine;
    assert.deepEqual([machine.project_id, machine.project_number], ['emulated-project', 123456789012]);
    const standard = client.readToken((await get(emulator, identity(AUDIENCE, ''))).text);
    assert.deepEqual([standard.aud, standard.email, standard.google], [AUDIENCE, undefined, undefined]);
  });

  it('says that an audience is missing', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const reply = await get(emulator, 'instance/service-accounts/default/identity');
    assert.equal(reply.status, 400);
    assert.match(reply.text, /non-empty audience parameter required/);
  });

  it('gives access tokens for the machine’s scopes, or those asked for', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    const scope = async (query: string): Promise<unknown> => {
      const { access_token } = (
        await get(emulator, `instance/service-accounts/default/token${query}`)
      ).json();
      return (await client.call(`${emulator.google.url}/tokeninfo?access_token=${access_token}`)).json()
        .scope;
    };
    assert.match(String(await scope('')), /cloud-platform/);
    assert.equal(await scope('?scopes=a,b'), 'a b');
  });

  it('gives out the same token until 5 minutes before it ends', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const ask = async (): Promise<string> => (await get(emulator, identity(AUDIENCE))).text;
    const token = async (): Promise<Record<string, unknown>> =>
      (await get(emulator, 'instance/service-accounts/default/token')).json();
    const first = await ask();
    const access = await token();
    await clock.advance(3_299_000);
    assert.equal(await ask(), first);
    assert.deepEqual(await token(), { ...access, expires_in: 301 });
    await clock.advance(1_000);
    const second = await ask();
    assert.notEqual(second, first);
    assert.notEqual((await token()).access_token, access.access_token);
    assert.equal(Number(client.readToken(second).exp), Number(client.readToken(first).iat) + 3300 + 3600);
    assert.notEqual((await get(emulator, identity('https://other.example'))).text, second);
  });
});
