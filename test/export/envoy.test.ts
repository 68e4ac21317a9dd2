import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDocument } from 'yaml';
import { runExport } from '../../src/commands/export.ts';
import { createIo } from '../commands/config-io.ts';
import { writeConfig } from '../config/resolve-file.ts';

interface Exported {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Options = Partial<Parameters<typeof runExport>[0]>;

async function exportText(t: TestContext, config: string, options: Options = {}): Promise<Exported> {
  const { io, written } = createIo(writeConfig(t, config), { MY_SECRET: SECRET });
  const all = {
    flags: {},
    positionals: [],
    json: true,
    strict: false,
    metadataAddress: undefined,
    caBundle: undefined,
    output: undefined,
    ...options,
  };
  return { code: await runExport(all, io), ...written };
}

const SECRET = 'a-secret-of-thirty-two-characters';

/** What the tests look at of a bootstrap. */
interface Bootstrap {
  readonly static_resources: {
    readonly listeners: readonly Listener[];
    readonly clusters: readonly Cluster[];
  };
}
interface Listener {
  readonly name: string;
  readonly filter_chains: readonly { readonly filters: readonly { readonly typed_config: Manager }[] }[];
}
interface Manager {
  readonly route_config: { readonly virtual_hosts: readonly VirtualHost[] };
}
interface VirtualHost {
  readonly domains: readonly string[];
  readonly routes: readonly Route[];
}
interface Route {
  readonly name: string;
  readonly direct_response?: { readonly status: number };
  readonly route?: { readonly cluster: string };
}
interface Cluster {
  readonly name: string;
}

function hostsOf(bootstrap: Bootstrap): readonly VirtualHost[] {
  return bootstrap.static_resources.listeners.flatMap(
    ({ filter_chains: [chain] }) => chain?.filters[0]?.typed_config.route_config.virtual_hosts ?? [],
  );
}

test('--strict writes nothing and fails where something can’t be carried over, and only there', async (t) => {
  const good =
    'credentials: { default: { kind: metadata } }\nroutes: [{ path: /, upstream: "https://a-b-an.a.run.app", localize: false }]\n';
  const strict = await exportText(t, good, { strict: true });
  assert.equal(strict.code, 0);
  assert.ok(strict.stdout.startsWith('{'));
  assert.match(strict.stderr, /^Different: /m);

  const lossy = await exportText(t, good.replace('metadata', 'adc'), { strict: true });
  assert.equal(lossy.code, 3);
  assert.equal(lossy.stdout, '');
  assert.match(lossy.stderr, /^Not carried over: credentials\.kind=adc \(\/\): /m);
  assert.match(lossy.stderr, /one thing can't be carried over, and --strict was given/);
  assert.equal((await exportText(t, good.replace('metadata', 'adc'))).code, 0);
});

test('a route that Envoy can’t serve answers 503, and its requests go nowhere else', async (t) => {
  const { stdout } = await exportText(
    t,
    `credentials: { default: { kind: metadata }, key: { kind: key-file, path: key.json } }
routes:
  - { path: /, upstream: "https://a-b-an.a.run.app" }
  - { path: /key, upstream: "https://k-b-an.a.run.app", credentials: key }
`,
  );
  const bootstrap = JSON.parse(stdout) as Bootstrap;
  for (const { routes } of hostsOf(bootstrap)) {
    const first = routes.find(({ name }) => name === '/key' || name === '/');
    assert.equal(first?.direct_response?.status, 503);
  }
  assert.ok(bootstrap.static_resources.clusters.every(({ name }) => !name.startsWith('k-b-an')));
});

test('a listener that asks for a secret isn’t opened to everybody, and the secret is nowhere', async (t) => {
  const { stdout, stderr } = await exportText(
    t,
    `listen: [localhost:8080, { address: "0.0.0.0:8443", clientSecret: "env:MY_SECRET" }]
routes: [{ path: /, upstream: "https://a-b-an.a.run.app" }]
`,
  );
  const { listeners } = (JSON.parse(stdout) as Bootstrap).static_resources;
  assert.deepEqual(
    listeners.map(({ name }) => name),
    ['1: localhost:8080'],
  );
  assert.match(stderr, /^Not carried over: listen\.clientSecret \(0\.0\.0\.0:8443\)/m);
  assert.ok(!`${stdout}${stderr}`.includes(SECRET));
});

test('--metadata-address and --ca-bundle are where Envoy looks, and a wrong one is told', async (t) => {
  const config = 'routes: [{ path: /, upstream: "https://a-b-an.a.run.app" }]\n';
  const { stdout } = await exportText(t, config, {
    metadataAddress: '[::1]:81',
    caBundle: '/etc/ssl/cert.pem',
  });
  assert.match(stdout, /"address": "::1",\s+"port_value": 81/);
  assert.match(stdout, /"filename": "\/etc\/ssl\/cert\.pem"/);
  assert.match(
    (await exportText(t, config)).stdout,
    /"address": "metadata\.google\.internal",\s+"port_value": 80/,
  );
  for (const metadataAddress of ['http://x', 'host:0', 'host:70000', ':80', 'a b'])
    await assert.rejects(exportText(t, config, { metadataAddress }), { code: 'usage', exitCode: 2 });
  await assert.rejects(exportText(t, config, { output: 'nowhere/envoy.yaml' }), {
    code: 'usage',
    exitCode: 2,
  });
});

const upstream = fc.constantFrom(
  'https://a-b-an.a.run.app',
  'https://tag---a-b-an.a.run.app/base',
  'https://r-p.cloudfunctions.net/fn',
  'https://svc.example.com:8443/x',
  'http://127.0.0.1:3000',
  'http://[::1]:3000/y',
  'emulator:hello',
);
const route = fc.record(
  {
    upstream,
    host: fc.constantFrom('shop.localhost', 'shop.example', 'localhost', '127.0.0.1'),
    stripPath: fc.boolean(),
    credentials: fc.constantFrom('default', 'machine', 'key', 'nobody'),
    methods: fc.constantFrom(['GET'], ['GET', 'M-SEARCH']),
    readOnly: fc.constant(true),
    paths: fc.constantFrom(['/'], ['/v1/**', '/*/(a).b']),
    limits: fc.constantFrom({ body: '1KiB' }, { rate: '5/s' }, {}),
    header: fc.constantFrom('auto', 'authorization', 'x-serverless-authorization', 'proxy-authorization'),
    timeout: fc.constantFrom('1s', 'off', { connect: 'off', headers: '1s', idle: '2s' }),
    headers: fc.constant({ set: { 'X-A': '50% "of" it' }, remove: ['X-B'] }),
    protocol: fc.constantFrom('auto', 'http1', 'http2'),
    localize: fc.boolean(),
    origin: fc.constantFrom('keep', 'upstream'),
    cors: fc.constantFrom<unknown>(true, false, 'upstream', { methods: ['PUT'] }, { credentials: false }),
    forwarded: fc.constantFrom('x-forwarded', 'forwarded', 'both', 'none'),
    retry: fc.boolean(),
  },
  { requiredKeys: ['upstream'] },
);
const file = fc.record({
  listen: fc.constantFrom<unknown>(
    'localhost:8080',
    [0, 'localhost:0'],
    ['127.0.0.1:1', '[::1]:1'],
    'unix:/tmp/a',
    '0.0.0.0:80',
  ),
  admin: fc.constantFrom<unknown>(false, 'localhost:9'),
  gate: fc.record({
    hosts: fc.uniqueArray(fc.constantFrom('a.internal', 'shop.example', 'LOCALHOST', '::1', '10.0.0.1'), {
      maxLength: 3,
    }),
    origins: fc.constantFrom([], ['https://app.example.com', 'http://x.example:81']),
    allowUnauthenticatedClients: fc.constant(true),
  }),
  routes: fc.array(route, { minLength: 1, maxLength: 4 }),
});

test('every configuration has an export that names each host once, and each route wherever it is', async (t) => {
  await fc.assert(
    fc.asyncProperty(file, async ({ routes, ...rest }) => {
      const placed = routes.map((one, index) => ({
        path: `/r${index}`,
        ...one,
        ...(one.readOnly && { methods: undefined }),
      }));
      const credentials = {
        default: { kind: 'adc' },
        machine: { kind: 'metadata' },
        key: { kind: 'key-file', path: 'k.json' },
        nobody: { kind: 'none' },
      };
      const config = JSON.stringify({ ...rest, credentials, routes: placed });
      const [json, yaml] = [await exportText(t, config), await exportText(t, config, { json: false })];
      const bootstrap = JSON.parse(json.stdout) as Bootstrap;
      assert.deepEqual(parseDocument(yaml.stdout).toJS({ maxAliasCount: -1 }), bootstrap);
      const { listeners, clusters } = bootstrap.static_resources;
      const names = new Set(clusters.map(({ name }) => name));
      assert.equal(names.size, clusters.length);
      assert.equal(new Set(listeners.map(({ name }) => name)).size, listeners.length);
      for (const { filter_chains: chains } of listeners) {
        const hosts = chains[0]?.filters[0]?.typed_config.route_config.virtual_hosts ?? [];
        const domains = hosts.flatMap((host) => host.domains);
        assert.equal(new Set(domains).size, domains.length, domains.join(' '));
        const found = new Set(hosts.flatMap((host) => host.routes.map(({ name }) => name)));
        for (const { host, path } of placed)
          assert.ok(found.has(host === undefined ? path : `${host}${path}`));
        for (const { route: action } of hosts.flatMap((host) => host.routes))
          if (action !== undefined) assert.ok(names.has(action.cluster), action.cluster);
      }
    }),
    { numRuns: 25 },
  );
});
