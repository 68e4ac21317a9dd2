import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import type { Credential } from '../../src/auth/token-source.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { ListedService, ProjectContent } from '../../src/emulator/emulator.ts';
import { isProxyError, type ProxyError } from '../../src/errors.ts';
import { useEmulator } from '../auth/credentials/setting.ts';
import { search, toLines } from './search.ts';

const setting = useEmulator();

const PLAIN: ProjectContent = {
  services: [],
  functions: [],
  disabledApis: [],
  hasBilling: true,
  regions: ['asia-northeast1', 'europe-west1', 'us-central1'],
  unreachable: [],
  takesWildcard: true,
  longestPage: 100,
};

function service(name: string, region = 'europe-west1', change: Partial<ListedService> = {}): ListedService {
  return { name, region, uri: `https://${name}-abcdefghij-ew.a.run.app`, invokers: 'everybody', ...change };
}

const as = (file: 'serviceAccount' | 'stranger' | 'authorizedUser'): Credential =>
  setting.make({ kind: 'adc' }, { endpoints: setting.endpoints(file) });
const find = (...[options]: [Parameters<typeof search>[2]?]) =>
  search(setting.google, as('serviceAccount'), options);

/** Waits for nothing, and remembers how long it should have. */
function createHastyClock(): { readonly clock: Clock; readonly waits: number[] } {
  const waits: number[] = [];
  const wait = async (ms: number): Promise<void> => void waits.push(ms);
  return { clock: { ...systemClock, wait }, waits };
}

async function refusal(search: Promise<unknown>): Promise<ProxyError> {
  const error = await search.then(
    () => assert.fail('something was found'),
    (thrown: unknown) => thrown,
  );
  assert.ok(isProxyError(error), String(error));
  assert.match(error.message, /\.$/);
  return error;
}

beforeEach(() => setting.google.project.set(PLAIN));
afterEach(() => setting.google.faults.clear());

test('finds services and functions of both generations, each once, and says which may be called', async () => {
  const { developer, user } = setting.google.accounts;
  setting.google.project.set({
    services: [
      service('orders', 'us-central1', { invokers: [developer] }),
      service('get-range', 'europe-west1', { invokers: [developer] }),
      service('admin', 'europe-west1', { invokers: [user] }),
    ],
    functions: [
      { name: 'get_range', region: 'europe-west1', generation: 2, service: 'get-range' },
      { name: 'old', region: 'us-central1', generation: 1, invokers: [developer] },
      { name: 'older', region: 'us-central1', generation: 1, invokers: [user] },
    ],
  });
  const found = await find();
  assert.deepEqual(toLines(found), [
    'admin europe-west1 service false',
    'get_range europe-west1 function2 true',
    'old us-central1 function1 true',
    'older us-central1 function1 false',
    'orders us-central1 service true',
  ]);
  assert.deepEqual(
    found.services.map(({ url }) => url),
    [
      'https://admin-abcdefghij-ew.a.run.app',
      'https://get-range-abcdefghij-ew.a.run.app',
      'https://us-central1-emulated-project.cloudfunctions.net/old',
      'https://us-central1-emulated-project.cloudfunctions.net/older',
      'https://orders-abcdefghij-ew.a.run.app',
    ],
  );
  assert.deepEqual([found.unreachable, found.refused], [[], []]);
  const mine = await search(setting.google, as('authorizedUser'));
  assert.deepEqual(toLines(mine)[0], 'admin europe-west1 service true');
});

test('a project is known by its number, too', async () => {
  setting.google.project.set({ services: [service('orders')] });
  assert.equal((await find({ project: setting.google.project.number })).services.length, 1);
});

test('reads every page of a list', async () => {
  const names = Array.from({ length: 25 }, (_, index) => `s${String(index).padStart(2, '0')}`);
  setting.google.project.set({ services: names.map((name) => service(name)), longestPage: 10 });
  const progress: (readonly [number, number | undefined])[] = [];
  const onProgress = (done: number, total: number | undefined): void => void progress.push([done, total]);
  const { run } = await setting.count(async () => {
    const { services } = await find({ onProgress });
    assert.deepEqual(
      services.map(({ name }) => name),
      names,
    );
  });
  assert.equal(run, 3 + 25, 'three pages, and one question for each');
  assert.deepEqual(progress[0], [0, undefined]);
  assert.deepEqual(
    progress.slice(1),
    Array.from({ length: 26 }, (_, done) => [done, 25]),
  );
});

test('asks every region for itself where the API refuses to list all at once', async () => {
  const regions = ['asia-northeast1', 'europe-west1', 'us-central1'];
  setting.google.project.set({
    takesWildcard: false,
    longestPage: 2,
    services: regions.flatMap((region) => ['a', 'b', 'c'].map((name) => service(name, region))),
  });
  assert.equal((await find()).services.length, 9);
});

test('regions that do not answer are told, however the list was had', async () => {
  const { clock, waits } = createHastyClock();
  for (const takesWildcard of [true, false]) {
    setting.google.project.set({
      takesWildcard,
      unreachable: ['us-central1'],
      services: [service('orders'), service('orders', 'us-central1')],
    });
    const { services, unreachable } = await find({ clock });
    assert.equal(services.length, 1);
    assert.deepEqual(unreachable, [
      { product: 'Cloud Run', region: 'us-central1' },
      { product: 'Cloud Functions', region: 'us-central1' },
    ]);
  }
  assert.deepEqual(waits, [500, 1_000], 'a region gets three tries');
});

test('looks only where it is told to', async () => {
  setting.google.project.set({
    services: [service('a'), service('b', 'us-central1'), service('c', 'asia-northeast1')],
    functions: [{ name: 'd', region: 'us-central1', generation: 1, invokers: [] }],
  });
  assert.deepEqual(toLines(await find({ regions: ['us-central1', 'europe-west1'] })), [
    'a europe-west1 service true',
    'b us-central1 service true',
    'd us-central1 function1 false',
  ]);
  const error = await refusal(find({ regions: ['europe-west1', 'mars-north1'] }));
  assert.deepEqual([error.code, error.exitCode], ['discovery_failed', 1]);
  assert.match(error.message, /no region mars-north1/);
});

test('a region that was asked for by name and does not answer is a failure where it is the only one', async () => {
  const { clock } = createHastyClock();
  setting.google.project.set({ unreachable: ['us-central1'], services: [service('orders')] });
  const regions = ['us-central1'];
  assert.match((await refusal(find({ regions, clock }))).message, /answered 503 UNAVAILABLE/);
  const found = await find({ regions: ['europe-west1', 'us-central1'], clock });
  assert.deepEqual([found.services.length, found.unreachable.length], [1, 2]);
});

test('what stands in the way is said with the command that helps', async () => {
  const stranger = as('stranger');
  const { project } = setting.google;
  const cases: readonly (readonly [Partial<ProjectContent>, Promise<unknown> | undefined, RegExp, RegExp])[] =
    [
      [
        { disabledApis: ['run', 'cloudfunctions'] },
        undefined,
        /^run\.googleapis\.com is not enabled in the project 123456789012\.$/,
        /^gcloud services enable run\.googleapis\.com --project=123456789012$/,
      ],
      [{ hasBilling: false }, undefined, /no billing account/, /^gcloud billing projects link 123456789012 /],
    ];
  for (const [content, , message, hint] of cases) {
    project.set({ ...PLAIN, ...content });
    const error = await refusal(find());
    assert.match(error.message, message);
    assert.match(String(error.hint), hint);
  }
  project.set(PLAIN);
  const lacking = await refusal(search(setting.google, stranger));
  assert.match(lacking.message, /to stranger@.*: run\.services\.list is missing/);
  assert.match(
    String(lacking.hint),
    /^gcloud projects add-iam-policy-binding emulated-project --member=serviceAccount:stranger@\S+ --role=roles\/run\.viewer$/,
  );
  const wrong = await refusal(find({ project: 'no-such-project' }));
  assert.match(wrong.message, /^There is no project no-such-project that developer@\S+ could see\.$/);
});

test('reasons that the emulator has no switch for are understood, and no words of the answer are repeated', async () => {
  const answer = (status: number, reason: string, metadata: object): object => ({
    error: {
      code: status,
      message: 'Bearer ya29.words-of-somebody-else',
      status: 'PERMISSION_DENIED',
      details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, metadata }],
    },
  });
  const cases: readonly (readonly [number, string, object, RegExp, RegExp])[] = [
    [
      403,
      'USER_PROJECT_DENIED',
      { consumer: 'projects/other' },
      /billed to the project other/,
      /serviceUsageConsumer/,
    ],
    [403, 'ACCESS_TOKEN_SCOPE_INSUFFICIENT', {}, /lacks a scope/, /--scopes=cloud-platform/],
    [
      403,
      'SERVICE_DISABLED',
      { consumer: 'projects/x; rm -rf ~' },
      /project emulated-project\.$/,
      /=emulated-project$/,
    ],
    [403, 'SOMETHING_NEW', { permission: '$(reboot)' }, /a permission is missing/, /roles\/run\.viewer$/],
    [401, 'ACCESS_TOKEN_EXPIRED', {}, /does not take the token/, /gcloud auth/],
    [404, 'NOT_THERE', {}, /There is no project/, /gcloud projects list/],
    [418, 'TEAPOT', {}, /answered 418 PERMISSION_DENIED/, /undefined/],
  ];
  for (const [status, reason, metadata, message, hint] of cases) {
    for (const endpoint of ['run', 'functions'] as const)
      setting.google.faults.set(endpoint, { status, body: answer(status, reason, metadata) });
    const error = await refusal(find());
    assert.match(error.message, message);
    assert.match(String(error.hint), hint);
    assert.doesNotMatch(`${error.message}${error.hint}${error.stack}`, /ya29|reboot|rm -rf/);
  }
});

test('one API is enough: why the other lists nothing is told', async () => {
  setting.google.project.set({ services: [service('orders')], disabledApis: ['cloudfunctions'] });
  const { services, refused } = await find();
  assert.equal(services.length, 1);
  assert.deepEqual(
    refused.map(({ message }) => message),
    ['cloudfunctions.googleapis.com is not enabled in the project 123456789012.'],
  );
  setting.google.project.set({
    disabledApis: ['run'],
    functions: [{ name: 'old', region: 'us-central1', generation: 1, invokers: 'everybody' }],
  });
  assert.deepEqual(toLines(await find()), ['old us-central1 function1 true']);
});

test('what is busy is asked again, as long after as it says', async () => {
  const { clock, waits } = createHastyClock();
  setting.google.project.set({ services: [service('orders')] });
  setting.google.faults.set('run', { status: 429, headers: { 'Retry-After': '3' } }, 2);
  assert.equal((await find({ clock, regions: ['europe-west1'] })).services.length, 1);
  assert.deepEqual(waits, [3_000, 3_000]);
});

test('whether a service may be called is left open where that cannot be told', async (t) => {
  const { clock } = createHastyClock();
  setting.google.project.set({
    services: [
      service('orders'),
      service('open', 'europe-west1', { invokers: [], fields: { invokerIamDisabled: true } }),
      service('shop', 'europe-west1', { fields: { iapEnabled: true } }),
    ],
  });
  // Lists come from the emulator, and nothing else.
  const front = createServer(async (request, response) => {
    if (request.method === 'POST') return void response.writeHead(503).end('{}');
    const { authorization = '' } = request.headers;
    const answer = await fetch(`${setting.google.google.url}${request.url}`, { headers: { authorization } });
    response.writeHead(answer.status).end(await answer.text());
  }).listen(0, '127.0.0.1');
  t.after(() => front.close());
  await once(front, 'listening');
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  assert.deepEqual(toLines(await find({ clock, url })), [
    'open europe-west1 service true',
    'orders europe-west1 service ',
    'shop europe-west1 service ',
  ]);
});

test('no token, no search; and what is no JSON is no list', async () => {
  setting.google.faults.set('token', { status: 400, body: { error: 'invalid_grant' } });
  assert.equal((await refusal(find())).exitCode, 4);
  setting.google.faults.clear();
  for (const fault of ['garbage', 'empty'] as const) {
    setting.google.faults.set('run', fault);
    assert.equal((await refusal(find())).code, 'bad_upstream_response');
  }
  setting.google.faults.set('run', 'reset');
  assert.equal((await refusal(find())).code, 'upstream_reset');
});
