import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Emulator, ListedService } from '../../src/emulator/emulator.ts';
import * as client from './client.ts';

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
const SERVICES = 'v2/projects/emulated-project/locations/-/services';
const FUNCTIONS = 'v2/projects/emulated-project/locations/-/functions';

interface Asking {
  readonly emulator: Emulator;
  get(path: string): Promise<client.Reply>;
  test(resource: string, permissions: unknown): Promise<client.Reply>;
}

async function start(
  t: TestContext,
  file: 'serviceAccount' | 'stranger' = 'serviceAccount',
  scope = CLOUD_PLATFORM,
): Promise<Asking> {
  const emulator = await client.startEmulator(t, { services: ['hello'] });
  const token = await client.mintAccessToken(emulator, scope, { file: emulator.credentials[file] });
  const headers = [client.bearer(token)];
  const { url } = emulator.google;
  return {
    emulator,
    get: (path) => client.call(`${url}/${path}`, { headers }),
    test: (resource, permissions) =>
      client.post(`${url}/${resource}:testIamPermissions`, { permissions }, headers),
  };
}

const service = (name: string, region = 'europe-west1'): ListedService => ({
  name,
  region,
  uri: `https://${name}.a.run.app`,
  invokers: [],
});

/** Status and machine-readable reason of a refusal. */
function toReason(reply: client.Reply): readonly unknown[] {
  const { error } = reply.json() as { error: { status: string; details?: { reason: string }[] } };
  return [reply.status, error.status, error.details?.[0]?.reason];
}

function namesOf(reply: client.Reply, collection: 'services' | 'functions'): readonly string[] {
  const list = (reply.json()[collection] ?? []) as { name: string }[];
  return list.map(({ name }) => name.slice(name.lastIndexOf('/') + 1));
}

describe('the emulated project', () => {
  it('lists the services that run here at their own addresses', async (t) => {
    const { emulator, get } = await start(t);
    const [hello] = (await get(SERVICES)).json().services as { name: string; uri: string; ingress: string }[];
    assert.equal(hello?.name, 'projects/emulated-project/locations/europe-west1/services/hello');
    assert.equal(hello?.uri, emulator.services.hello?.url);
    emulator.services.hello?.set({ ingress: 'internal', enabled: false, iap: { clientId: 'x' } });
    const [changed] = (await get(SERVICES)).json().services as Record<string, unknown>[];
    assert.deepEqual(
      [changed?.ingress, changed?.defaultUriDisabled, changed?.iapEnabled],
      ['INGRESS_TRAFFIC_INTERNAL_ONLY', true, true],
    );
  });

  it('lists nothing without a token, and nothing to those who may not see it', async (t) => {
    const { emulator } = await start(t);
    for (const path of [SERVICES, FUNCTIONS, 'v1/projects/emulated-project/locations']) {
      const bare = await client.call(`${emulator.google.url}/${path}`);
      assert.deepEqual(toReason(bare), [401, 'UNAUTHENTICATED', 'CREDENTIALS_MISSING'], path);
    }
    const stranger = await start(t, 'stranger');
    const reply = await stranger.get(SERVICES);
    assert.deepEqual(toReason(reply), [403, 'PERMISSION_DENIED', 'IAM_PERMISSION_DENIED']);
    assert.match(reply.text, /run\.services\.list/);
    const narrow = await start(t, 'serviceAccount', 'https://www.googleapis.com/auth/userinfo.email');
    assert.equal(toReason(await narrow.get(FUNCTIONS))[2], 'ACCESS_TOKEN_SCOPE_INSUFFICIENT');
  });

  it('says what is wrong before it asks who may: project, API, billing, region', async (t) => {
    const { emulator, get } = await start(t, 'stranger');
    const reason = async (path: string): Promise<unknown> => toReason(await get(path))[2];
    assert.equal(await reason(SERVICES.replace('emulated-project', 'other')), 'CONSUMER_INVALID');
    assert.equal(await reason(SERVICES.replace('-/', 'mars-north1/')), 'LOCATION_POLICY_VIOLATED');
    emulator.project.set({ hasBilling: false });
    assert.equal(await reason(SERVICES), 'BILLING_DISABLED');
    emulator.project.set({ disabledApis: ['run'] });
    const disabled = await get(SERVICES);
    assert.equal(toReason(disabled)[2], 'SERVICE_DISABLED');
    assert.match(disabled.text, /"consumer": "projects\/123456789012"/);
    assert.equal(await reason(FUNCTIONS), 'BILLING_DISABLED');
  });

  it('lists in pages, and a token leads on in its own list only', async (t) => {
    const { emulator, get } = await start(t);
    emulator.project.set({
      services: ['a', 'b', 'c', 'd', 'e'].map((name) => service(name)),
      longestPage: 3,
    });
    const first = await get(`${SERVICES}?pageSize=2`);
    const { nextPageToken: token } = first.json();
    assert.deepEqual(namesOf(first, 'services'), ['a', 'b']);
    const second = await get(`${SERVICES}?pageSize=500&pageToken=${token}`);
    assert.deepEqual(namesOf(second, 'services'), ['c', 'd', 'e'], 'never more than three');
    assert.equal(second.json().nextPageToken, undefined);
    assert.deepEqual(namesOf(await get(SERVICES), 'services'), ['a', 'b', 'c']);
    for (const query of [`pageToken=${token}x`, 'pageToken=abc', 'pageSize=-1', 'pageSize=x'])
      assert.equal((await get(`${SERVICES}?${query}`)).status, 400, query);
    assert.equal((await get(`${FUNCTIONS}?pageToken=${token}`)).status, 400);
  });

  it('lists what it can reach, and names the regions that it can’t', async (t) => {
    const { emulator, get } = await start(t);
    emulator.project.set({
      services: [service('a'), service('b', 'us-central1')],
      unreachable: ['us-central1'],
    });
    const reply = await get(SERVICES);
    assert.deepEqual(namesOf(reply, 'services'), ['a']);
    assert.deepEqual(reply.json().unreachable, ['projects/emulated-project/locations/us-central1']);
    assert.equal((await get(SERVICES.replace('-/', 'us-central1/'))).status, 503);
    assert.deepEqual(namesOf(await get(SERVICES.replace('-/', 'europe-west1/')), 'services'), ['a']);
    emulator.project.set({ takesWildcard: false });
    assert.equal((await get(SERVICES)).status, 400);
    const { locations } = (await get('v1/projects/123456789012/locations')).json();
    assert.deepEqual(
      (locations as { locationId: string }[]).map(({ locationId }) => locationId),
      ['asia-northeast1', 'europe-west1', 'us-central1'],
    );
  });

  it('tells what the caller may do, and of what isn’t there nothing', async (t) => {
    const { emulator, test } = await start(t);
    const hello = 'v2/projects/emulated-project/locations/europe-west1/services/hello';
    const invoke = ['run.routes.invoke'];
    assert.deepEqual((await test(hello, invoke)).json(), { permissions: invoke });
    emulator.services.hello?.set({ invokers: [emulator.accounts.user] });
    assert.deepEqual((await test(hello, invoke)).json(), {});
    assert.deepEqual((await test(hello.replace('hello', 'nobody'), invoke)).json(), {});
    for (const wrong of [undefined, 'run.routes.invoke', [1], ['run.*'], ['cloudfunctions.functions.invoke']])
      assert.equal((await test(hello, wrong)).status, 400, JSON.stringify(wrong));

    emulator.project.set({
      functions: [
        { name: 'f', region: 'europe-west1', generation: 1, invokers: [emulator.accounts.developer] },
      ],
    });
    const permissions = ['cloudfunctions.functions.invoke'];
    for (const version of ['v1', 'v2']) {
      const resource = `${version}/projects/emulated-project/locations/europe-west1/functions/f`;
      assert.deepEqual((await test(resource, permissions)).json(), { permissions });
    }
  });

  it('fails as it is told to', async (t) => {
    const { emulator, get } = await start(t);
    emulator.faults.set('run', { status: 503 }, 1);
    assert.equal((await get(SERVICES)).status, 503);
    assert.equal((await get(SERVICES)).status, 200);
    emulator.faults.set('functions', 'garbage', 1);
    assert.equal((await get(FUNCTIONS)).text, '<p>Hello');
    assert.deepEqual([emulator.requests.run, emulator.requests.functions], [2, 1]);
  });
});
