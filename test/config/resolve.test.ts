import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import type { ListenAddress, ListenerConfig } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { ProxyError } from '../../src/errors.ts';
import { corsLimits } from '../support/sites.ts';
import { createFolder, resolveFile, writeConfig } from './resolve-file.ts';

const ROUTES = 'routes:\n  - path: /orders\n    upstream: https://orders-abc123-an.a.run.app\n';

/** Listeners without TLS. */
function clear(...addresses: readonly ListenAddress[]): readonly ListenerConfig[] {
  return addresses.map((address) => ({ address, tls: undefined }));
}

test('the smallest file gets every default', async (t) => {
  const config = await resolveFile(t, ROUTES);
  assert.deepEqual(config, {
    source: 'proxy.yaml',
    listen: [{ address: { host: 'localhost', port: 8080 }, tls: undefined }],
    admin: { host: '127.0.0.1', port: 9901, explicit: false, tokenFile: undefined },
    credentials: { default: { kind: 'adc' } },
    routes: [
      {
        name: '/orders',
        path: '/orders',
        host: undefined,
        upstream: { kind: 'url', origin: 'https://orders-abc123-an.a.run.app', basePath: '/' },
        stripPath: true,
        credentials: 'default',
        token: { kind: 'id', audience: undefined },
        methods: undefined,
        readOnly: false,
        paths: undefined,
        limits: { bodyBytes: undefined, rate: undefined },
        header: 'auto',
        timeout: { connectMs: 5_000, headersMs: 3_660_000, idleMs: 3_660_000 },
        headers: { set: {}, remove: [] },
        protocol: 'auto',
        localize: { redirects: true, cookies: true },
        presentOrigin: false,
        cors: corsLimits(),
        forwarded: 'x-forwarded',
        retry: true,
      },
    ],
    gate: { hosts: [], origins: [], allowUnauthenticatedClients: false },
    limits: { connections: 8_192, requests: 4_096 },
    log: { format: undefined, level: 'info', sample: 1, slowMs: 5_000 },
    google: { universeDomain: 'googleapis.com', tokenTimeoutMs: 5_000 },
    caFile: undefined,
    warnings: [],
  });
});

test('a configuration is frozen all the way down', async (t) => {
  const config = await resolveFile(t, ROUTES);
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value), JSON.stringify(value));
    for (const part of Object.values(value)) look(part);
  };
  look(config);
});

test('the environment goes over the file, and a flag over both', async (t) => {
  const file = `listen: 127.0.0.1:1001\nadmin: 127.0.0.1:1002\n${ROUTES}`;
  const env = { GBP_LISTEN: '127.0.0.1:2001, [::1]:2001', GBP_ADMIN: 'off' };

  const fromFile = await resolveFile(t, file);
  assert.deepEqual(fromFile.listen, clear({ host: '127.0.0.1', port: 1001 }));
  const noToken = { explicit: true, tokenFile: undefined };
  assert.deepEqual(fromFile.admin, { host: '127.0.0.1', port: 1002, ...noToken });

  const fromEnv = await resolveFile(t, file, { env });
  assert.deepEqual(fromEnv.listen, clear({ host: '127.0.0.1', port: 2001 }, { host: '::1', port: 2001 }));
  assert.equal(fromEnv.admin, undefined);

  const flags = { listen: ['localhost:3001'], admin: 'localhost:3002' };
  const fromFlags = await resolveFile(t, file, { env, flags });
  assert.deepEqual(fromFlags.listen, clear({ host: 'localhost', port: 3001 }));
  assert.deepEqual(fromFlags.admin, { host: 'localhost', port: 3002, ...noToken });
});

test('a port of its own keeps the hosts; --listen goes over GBP_PORT', async (t) => {
  const file = `listen: ["127.0.0.1:1001", "[::1]:1001", "127.0.0.1:1002"]\n${ROUTES}`;
  const both = (port: number) => clear({ host: '127.0.0.1', port }, { host: '::1', port });
  assert.deepEqual((await resolveFile(t, file, { env: { GBP_PORT: '0' } })).listen, both(0));
  assert.deepEqual(
    (await resolveFile(t, file, { env: { GBP_PORT: '5' }, flags: { port: 6 } })).listen,
    both(6),
  );
  const flags = { listen: ['localhost:7'] };
  assert.deepEqual(
    (await resolveFile(t, file, { env: { GBP_PORT: '5' }, flags })).listen,
    clear({ host: 'localhost', port: 7 }),
  );
});

test('an empty variable says nothing', async (t) => {
  const env = {
    GBP_CONFIG: '',
    GBP_LISTEN: '',
    GBP_PORT: '',
    GBP_ADMIN: '',
    GBP_ADMIN_TOKEN_FILE: '',
    GBP_ALLOW_UNAUTHENTICATED_CLIENTS: '',
    GBP_CA_FILE: '',
    GOOGLE_CLOUD_UNIVERSE_DOMAIN: '',
  };
  assert.deepEqual((await resolveFile(t, ROUTES, { env })).listen, clear({ host: 'localhost', port: 8080 }));
});

for (const [name, env, flags] of [
  ['GBP_LISTEN', { GBP_LISTEN: '127.0.0.1:1, nowhere' }, {}],
  ['GBP_PORT', { GBP_PORT: '80a' }, {}],
  ['GBP_PORT', { GBP_PORT: '65536' }, {}],
  ['GBP_ADMIN', { GBP_ADMIN: 'no' }, {}],
  ['GBP_ALLOW_UNAUTHENTICATED_CLIENTS', { GBP_ALLOW_UNAUTHENTICATED_CLIENTS: 'maybe' }, {}],
  ['--listen', {}, { listen: ['localhost'] }],
  ['--port', {}, { port: Number.NaN }],
  ['--port', {}, { port: -1 }],
  ['--admin', {}, { admin: 'http://localhost:9901' }],
  ['GBP_ADMIN_TOKEN_FILE', { GBP_ADMIN_TOKEN_FILE: 'env:TOKEN' }, {}],
  ['GBP_ADMIN_TOKEN_FILE', { GBP_ADMIN_TOKEN_FILE: 'token', GBP_ADMIN: 'off' }, {}],
  ['--admin-token-file', {}, { adminTokenFile: 'file:/run/token' }],
  ['--admin-token-file', { GBP_ADMIN: 'off' }, { adminTokenFile: 'token' }],
  ['GBP_CA_FILE', { GBP_CA_FILE: 'file:/x.pem' }, {}],
  ['--ca-file', {}, { caFile: 'env:CA' }],
  ['GOOGLE_CLOUD_UNIVERSE_DOMAIN', { GOOGLE_CLOUD_UNIVERSE_DOMAIN: 'https://goog' }, {}],
] as const) {
  test(`a bad value of ${name} is blamed on ${name}: ${JSON.stringify({ ...env, ...flags })}`, async (t) => {
    await assert.rejects(resolveFile(t, ROUTES, { env, flags }), (error) => {
      assert.ok(error instanceof ProxyError);
      assert.equal(error.code, 'config_invalid');
      assert.match(
        error.message,
        new RegExp(`^The configuration has a mistake:\n\n${name}: .*\n {3}\\| .*\n {3}\\| \\^+`),
      );
      return true;
    });
  });
}

test('R1: listening beyond this machine has to be asked for by name, wherever it is said', async (t) => {
  const reason = /0\.0\.0\.0:8080 can be reached from other machines/;
  const open = `listen: 0.0.0.0:8080\n${ROUTES}`;
  const asked = `gate: { allowUnauthenticatedClients: true }\n${open}`;
  await assert.rejects(resolveFile(t, open), reason);
  await assert.rejects(resolveFile(t, ROUTES, { env: { GBP_LISTEN: '0.0.0.0:8080' } }), reason);
  await assert.rejects(resolveFile(t, ROUTES, { flags: { listen: ['0.0.0.0:8080'] } }), reason);
  await assert.rejects(resolveFile(t, ROUTES, { flags: { admin: '0.0.0.0:8080' } }), reason);
  await assert.rejects(resolveFile(t, `admin: { address: 0.0.0.0:8080 }\n${ROUTES}`), reason);
  await assert.rejects(
    resolveFile(t, asked, { env: { GBP_ALLOW_UNAUTHENTICATED_CLIENTS: 'false' } }),
    reason,
  );
  await assert.rejects(resolveFile(t, asked, { flags: { allowUnauthenticatedClients: false } }), reason);

  for (const overrides of [
    { env: { GBP_ALLOW_UNAUTHENTICATED_CLIENTS: 'true' } },
    { env: { GBP_ALLOW_UNAUTHENTICATED_CLIENTS: '1' } },
    { flags: { allowUnauthenticatedClients: true } },
  ]) {
    const config = await resolveFile(t, open, overrides);
    assert.equal(config.gate.allowUnauthenticatedClients, true);
    assert.deepEqual(config.listen, clear({ host: '0.0.0.0', port: 8080 }));
  }
  assert.equal((await resolveFile(t, asked)).gate.allowUnauthenticatedClients, true);
});

test('R25: nothing starts with NODE_TLS_REJECT_UNAUTHORIZED=0', async (t) => {
  await assert.rejects(resolveFile(t, ROUTES, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }), {
    code: 'unsafe_environment',
    exitCode: 3,
  });
  await resolveFile(t, ROUTES, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '1' } });
});

test('--config goes over GBP_CONFIG, and that over proxy.yaml and proxy.yml', async (t) => {
  const cwd = createFolder(t);
  const sourceOf = async (config: string | undefined, env = {}): Promise<string> =>
    (await resolveConfig({ flags: config === undefined ? {} : { config }, positionals: [], env, cwd }))
      .source;
  writeFileSync(join(cwd, 'proxy.yml'), ROUTES);
  assert.equal(await sourceOf(undefined), 'proxy.yml');
  for (const name of ['proxy.yaml', 'one.yaml', 'two.yaml']) writeFileSync(join(cwd, name), ROUTES);
  assert.equal(await sourceOf(undefined), 'proxy.yaml');
  assert.equal(await sourceOf(undefined, { GBP_CONFIG: 'one.yaml' }), 'one.yaml');
  assert.equal(await sourceOf('two.yaml', { GBP_CONFIG: 'one.yaml' }), 'two.yaml');
  assert.equal(await sourceOf(join(cwd, 'two.yaml')), join(cwd, 'two.yaml'));
});

test('without any file both ways to start are shown', async (t) => {
  const cwd = createFolder(t);
  await assert.rejects(resolveConfig({ flags: {}, positionals: [], env: {}, cwd }), {
    code: 'config_not_found',
    exitCode: 3,
    message: 'There is no proxy.yaml in this folder, and no route on the command line.',
    hint: 'Name a file: --config FILE. Or start without one: gcp-bearer-proxy https://SERVICE-abc123-an.a.run.app',
  });
});

test('a file that was named and is not there is named again, with who named it', async (t) => {
  const cwd = createFolder(t);
  writeFileSync(join(cwd, 'proxy.yaml'), ROUTES);
  const find = (config: string | undefined, env = {}) =>
    resolveConfig({ flags: config === undefined ? {} : { config }, positionals: [], env, cwd });
  await assert.rejects(find('other.yaml'), {
    code: 'config_not_found',
    message: 'There is no file other.yaml, which --config names.',
  });
  await assert.rejects(find(undefined, { GBP_CONFIG: 'proxy.yaml/other.yaml' }), {
    code: 'config_not_found',
    message: 'There is no file proxy.yaml/other.yaml, which GBP_CONFIG names.',
  });
});

test('a folder in place of the file is refused as such', async (t) => {
  const cwd = createFolder(t);
  mkdirSync(join(cwd, 'conf'));
  await assert.rejects(resolveConfig({ flags: { config: 'conf' }, positionals: [], env: {}, cwd }), {
    code: 'config_invalid',
    message:
      'The configuration has a mistake:\n\nconf: This is a folder, not a file.\n  Name the file in it.',
  });
});

test('a file that can not be opened is refused with the reason', async (t) => {
  const flags = { config: 'a\0b' };
  await assert.rejects(resolveConfig({ flags, positionals: [], env: {}, cwd: createFolder(t) }), {
    code: 'config_invalid',
    message: /The file can't be read: ERR_INVALID_ARG_VALUE\./,
  });
});

test('a key file is looked for beside the configuration, or in the home folder', async (t) => {
  const cwd = createFolder(t);
  mkdirSync(join(cwd, 'conf'));
  const files = [
    'key.json',
    './keys/a.json',
    '~/.var/key.json',
    '~',
    resolve('/abs/key.json'),
    '~other/key.json',
  ];
  const credentials = files.map((path, index) => `  c${index}: { kind: key-file, path: '${path}' }`);
  writeFileSync(join(cwd, 'conf', 'proxy.yaml'), `credentials:\n${credentials.join('\n')}\n${ROUTES}`);
  const find = async (env: Record<string, string>): Promise<unknown[]> => {
    const flags = { config: join('conf', 'proxy.yaml') };
    const config = await resolveConfig({ flags, positionals: [], env, cwd });
    return files.map((_, index) => {
      const credential = config.credentials[`c${index}`];
      return credential?.kind === 'key-file' && credential.key.kind === 'file' && credential.key.path;
    });
  };
  const expected = (home: string): string[] => [
    join(cwd, 'conf', 'key.json'),
    join(cwd, 'conf', 'keys', 'a.json'),
    join(home, '.var', 'key.json'),
    join(home, '.'),
    resolve('/abs/key.json'),
    join(cwd, 'conf', '~other', 'key.json'),
  ];
  const home = join(cwd, 'home');
  assert.deepEqual(await find({ HOME: home, USERPROFILE: home }), expected(home));
  assert.deepEqual(await find({}), expected(homedir()));
});

test('a variable that is almost one of ours is warned about; others of that prefix are not', async (t) => {
  const env = { GBP_LISTNE: 'localhost:1', GBP_RATE: '1.17' };
  assert.deepEqual((await resolveFile(t, ROUTES, { env })).warnings, [
    {
      route: undefined,
      message: 'The environment variable GBP_LISTNE has no meaning.',
      hint: 'Did you mean GBP_LISTEN?',
    },
  ]);
});

test('the log is set by the file, over it by GBP_LOG_*, over that by flags', async (t) => {
  const cwd = writeConfig(
    t,
    'log: { format: json, level: error, sample: 10%, slow: 700ms }\nroutes: [{ path: /, upstream: https://x.example }]',
  );
  const log = async (env: Record<string, string>, flags = {}) =>
    (await resolveConfig({ flags, positionals: [], env, cwd })).log;
  assert.deepEqual(await log({}), { format: 'json', level: 'error', sample: 0.1, slowMs: 700 });
  const env = { GBP_LOG_LEVEL: 'warn', GBP_LOG_SAMPLE: '0.5', GBP_LOG_SLOW: 'off', GBP_LOG_FORMAT: '' };
  assert.deepEqual(await log(env), { format: 'json', level: 'warn', sample: 0.5, slowMs: 0 });
  assert.deepEqual(await log(env, { logFormat: 'google', logLevel: 'info' }), {
    format: 'google',
    level: 'info',
    sample: 0.5,
    slowMs: 0,
  });
  for (const [variables, flags, message] of [
    [
      { GBP_LOG_FORMAT: 'gogle' },
      {},
      /GBP_LOG_FORMAT: "gogle" is not a log format\.[\s\S]*Did you mean `google`\?/,
    ],
    [{ GBP_LOG_SAMPLE: 'all' }, {}, /GBP_LOG_SAMPLE: "all" is not a share of the requests/],
    [{}, { logLevel: 'warning' }, /--log-level: "warning" is not a log level\.[\s\S]*Did you mean `warn`\?/],
  ] as const)
    await assert.rejects(log(variables, flags), { code: 'config_invalid', message });
});
