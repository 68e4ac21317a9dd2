import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfigText } from '../../src/config/read.ts';
import { parseUpstream } from '../../src/config/upstream.ts';
import { toConfigText } from '../../src/discovery/config-text.ts';
import type { Guard, Ingress, Judged } from '../../src/discovery/found.ts';
import { type Planned, planRoutes } from '../../src/discovery/plan.ts';
import { resolveFile } from '../config/resolve-file.ts';
import { ROOT } from '../support/cli.ts';

const IAM: Guard = { kind: 'iam', question: { api: 'run', path: '/v2/x', permission: 'run.routes.invoke' } };
const ASKED = { project: 'my-project', identity: 'ann@example.com', member: 'user:ann@example.com' };

function found(name: string, change: Partial<Judged> = {}): Judged {
  return {
    kind: 'service',
    generation: undefined,
    name,
    region: 'europe-west1',
    url: `https://${name}-abcdefghij-ew.a.run.app`,
    ingress: 'all',
    guard: IAM,
    eventType: undefined,
    trouble: undefined,
    updatedOn: '2026-01-31',
    invokable: true,
    ...change,
  };
}

const plan = (...all: readonly Judged[]): readonly Planned[] => planRoutes(all, ASKED);
const paths = (...all: readonly Judged[]): readonly string[] => plan(...all).map(({ path }) => path);
const write = (
  planned: readonly Planned[],
  change: Partial<Parameters<typeof toConfigText>[0]> = {},
): string =>
  toConfigText({
    project: 'my-project',
    command: 'gcp-bearer-proxy init --project my-project',
    identity: 'ann@example.com',
    credentials: undefined,
    universeDomain: undefined,
    caFile: undefined,
    planned,
    unreachable: [],
    refused: [],
    ...change,
  });

test('a path is the name, with the region where the name is there more than once', () => {
  const us = { region: 'us-central1' };
  assert.deepEqual(paths(found('orders'), found('users')), ['/orders', '/users']);
  assert.deepEqual(paths(found('orders'), found('orders', us), found('users')), [
    '/orders/europe-west1',
    '/orders/us-central1',
    '/users',
  ]);
  const twin = found('orders', { kind: 'function', generation: 1 });
  assert.deepEqual(paths(found('orders'), twin), ['/orders/europe-west1', '/orders/europe-west1-function']);
  const url = 'https://a-abcdefghij-ew.a.run.app';
  assert.deepEqual(paths(found('a b', { url }), found('a-b', { url }), found('a/b', { url })), [
    '/a-b/europe-west1',
    '/a-b/europe-west1-service',
    '/a-b/europe-west1-2',
  ]);
});

test('what is left out takes no short path away from a route', () => {
  const planned = plan(found('orders', { invokable: false }), found('orders', { region: 'us-central1' }));
  assert.deepEqual(
    planned.map(({ path, leftOut }) => [path, leftOut === undefined]),
    [
      ['/orders/europe-west1', false],
      ['/orders', true],
    ],
  );
});

test('a reason is given for everything that is left out, with the command that helps', () => {
  const cases: readonly (readonly [Partial<Judged>, RegExp, RegExp | undefined])[] = [
    [
      { invokable: false },
      /^ann@example\.com may not call it$/,
      /^gcloud run services add-iam-policy-binding orders --region=europe-west1 --member=user:ann@example\.com --role=roles\/run\.invoker --project=my-project$/,
    ],
    [
      { invokable: false, kind: 'function', generation: 1 },
      /may not call it/,
      /^gcloud functions add-invoker-policy-binding orders --region=europe-west1 --project=my-project --member=/,
    ],
    [{ ingress: 'internal' }, /inside its VPC network/, /--ingress=all$/],
    [{ ingress: 'load-balancer' }, /load balancer/, /--ingress=all$/],
    [{ ingress: 'none' }, /nobody reaches it/, /--ingress=all$/],
    [{ ingress: 'internal', kind: 'function' }, /inside its VPC/, undefined],
    [{ url: undefined }, /no URL of its own$/, undefined],
    [
      { url: undefined, trouble: 'its state is FAILED' },
      /no URL of its own: its state is FAILED$/,
      undefined,
    ],
    [{ eventType: 'google.pubsub' }, /^it is started by events \(google\.pubsub\)/, undefined],
    [{ invokable: false, name: 'x; rm -rf ~' }, /may not call it/, undefined],
  ];
  for (const [change, because, hint] of cases) {
    const [{ leftOut } = { leftOut: undefined }] = plan(found('orders', change));
    assert.match(String(leftOut?.because), because);
    if (hint === undefined) assert.equal(leftOut?.hint, undefined);
    else assert.match(String(leftOut?.hint), hint);
  }
});

test('a route leads nowhere a token must not go', () => {
  for (const url of [
    'http://orders.example.com',
    'https://me:secret@orders.example.com',
    'https://orders.example.com/?a=b',
    'https://orders.example.com/#a',
    'https://orders.example.com/a/../b c',
    'https://{orders}.example.com',
    'file:///etc/passwd',
    'orders.example.com',
    '',
  ]) {
    assert.match(String(plan(found('orders', { url }))[0]?.leftOut?.because), /URL/, url);
  }
});

test('the file says what there is, what was left out and how to go on', async (t) => {
  const us = { region: 'us-central1' };
  const planned = plan(
    found('admin', { invokable: false }),
    found('get_range', {
      ...us,
      kind: 'function',
      generation: 1,
      url: 'https://us-central1-my-project.cloudfunctions.net/get_range',
    }),
    found('ledger', { ingress: 'internal' }),
    found('on-upload', { kind: 'function', generation: 2, eventType: 'google.storage.object.finalize' }),
    found('orders'),
    found('orders', { ...us, url: 'https://orders-abcdefghij-uc.a.run.app', invokable: undefined }),
    found('shop', { guard: { kind: 'iap' }, invokable: undefined, updatedOn: undefined }),
    found('site', { guard: { kind: 'nobody' }, trouble: 'its last deployment failed' }),
    found('wip', { url: undefined }),
  );
  const text = write(planned, {
    unreachable: [{ product: 'Cloud Run', region: 'asia-east1' }],
    refused: ['cloudfunctions.googleapis.com is not enabled in the project my-project.'],
  });
  assert.equal(text, readFileSync(join(ROOT, 'test', 'discovery', 'expected-proxy.yaml'), 'utf8'));
  const { routes, credentials, warnings } = await resolveFile(t, text);
  assert.deepEqual(
    routes.map(({ name }) => name),
    ['/get_range', '/orders/europe-west1', '/orders/us-central1', '/shop', '/site'],
  );
  assert.deepEqual([credentials, warnings], [{ default: { kind: 'adc' } }, []]);
});

test('whoever takes the comment marks off a route that was left out has that route', async (t) => {
  const text = write(plan(found('admin', { invokable: false }), found('orders')));
  const { routes } = await resolveFile(t, text.replaceAll(/^ {2}# (?=- path| {2}upstream)/gm, '  '));
  assert.deepEqual(routes.map(({ name }) => name).toSorted(), ['/admin', '/orders']);
});

test('the file says whose credentials found it, where they are not the ones in it', () => {
  const text = write(plan(found('orders')), { credentials: { name: 'runner', file: 'a\nb.yaml' } });
  assert.match(
    text,
    /^ {2}# Found with the credentials runner of a\?b\.yaml: put them here in place of these\.$/m,
  );
});

test('the file says in which universe and by whose certificates, where they are not the usual ones', async (t) => {
  const change = { universeDomain: 'example-universe.goog', caFile: '/etc/my own.pem' };
  const { google, caFile } = await resolveFile(t, write(plan(found('orders')), change));
  assert.deepEqual([google.universeDomain, caFile], ['example-universe.goog', resolve('/etc/my own.pem')]);
});

/** Names and texts that would like to be something else. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    'x\nroutes: []',
    'x\r- path: /evil\r  upstream: https://evil.example',
    'x\u0085y: z',
    'x\u2028- a',
    'a: b # c',
    '"',
    '../..',
    '..',
    '.',
    '',
    '{{a}}',
    '*x',
    '&x',
    '!!js x',
    '%00',
    '__proto__',
    '\u202egnp.exe',
    '\ud800',
    '\u001b[2J',
  ),
);
const anything = fc.record({
  kind: fc.constantFrom<Judged['kind']>('service', 'function'),
  generation: fc.constantFrom(undefined, 1 as const, 2 as const),
  name: hostile,
  region: hostile,
  url: fc.oneof(
    fc.constantFrom(undefined, 'https://a.run.app', 'https://a.cloudfunctions.net/a_b'),
    hostile,
    hostile.map((text) => `https://a.run.app/${text}`),
    hostile.map((text) => `https://${text}.run.app`),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
  ),
  ingress: fc.constantFrom<Ingress>('all', 'all', 'all', 'internal', 'load-balancer', 'none', 'unknown'),
  guard: fc.constantFrom<Guard>(IAM, { kind: 'nobody' }, { kind: 'iap' }),
  eventType: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, hostile),
  trouble: fc.option(hostile, { nil: undefined }),
  updatedOn: fc.option(hostile, { nil: undefined }),
  invokable: fc.constantFrom(true, false, undefined),
});

test('whatever services are called, the file has their routes and nothing else', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 6 }), hostile, (all, text) => {
      const planned = planRoutes([...all, found('sure')], { ...ASKED, identity: text });
      const wanted = planned.filter(({ leftOut }) => leftOut === undefined);
      const content = write(planned, {
        identity: text,
        command: text,
        refused: [text],
        unreachable: [{ product: 'Cloud Run', region: text }],
        credentials: { name: text, file: text },
        caFile: text,
      });
      const issues: Parameters<typeof parseConfigText>[2] = [];
      const { draft } = parseConfigText(content, 'proxy.yaml', issues);
      assert.deepEqual(issues, []);
      assert.deepEqual(
        draft.routes,
        wanted.map(({ path, upstream }) => ({ path, upstream })),
      );
      assert.deepEqual(Object.keys(draft).toSorted(), ['caFile', 'credentials', 'listen', 'routes']);
      assert.equal(draft.caFile, text);
      assert.equal(new Set(planned.map(({ path }) => path)).size, planned.length);
      for (const { upstream = '' } of wanted)
        assert.ok(parseUpstream(upstream, (message) => assert.fail(message)));
      const others = content.replace(`caFile: ${JSON.stringify(text)}`, '').replaceAll('\n', '');
      assert.doesNotMatch(others, /[\p{C}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: 300 },
  );
});
