import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { formatListener, toListenerUrl } from '../../src/config/address.ts';
import type { ListenAddress, ListenerConfig } from '../../src/config/config.ts';
import type { Refuse } from '../../src/config/issues.ts';
import { type ConfigInput, resolveConfig } from '../../src/config/resolve.ts';
import { parseUnixAddress } from '../../src/config/unix-address.ts';
import { writeConfig } from './resolve-file.ts';

const ROUTES = 'routes: [{ path: /, upstream: emulator:hello }]\n';
const TLS = 'tls: { cert: localhost.pem, key: ~/keys/localhost.pem }';

/** Resolves a file in a folder `conf`; gives the folder with what is listened on. */
async function listenersOf(
  t: TestContext,
  settings: string,
  { env = {}, flags = {} }: Partial<Pick<ConfigInput, 'env' | 'flags'>> = {},
): Promise<{ readonly cwd: string; readonly listen: readonly ListenerConfig[] }> {
  const cwd = writeConfig(t, `${settings}\n${ROUTES}`, 'conf/proxy.yaml');
  const input = { flags: { config: 'conf/proxy.yaml', ...flags }, positionals: [], env, cwd };
  return { cwd, listen: (await resolveConfig(input)).listen };
}

/** Where there are no unix sockets, that they are refused is all there is to see. */
async function refusedOnWindows(resolving: Promise<unknown>): Promise<boolean> {
  if (process.platform !== 'win32') return false;
  await assert.rejects(resolving, /Node has no unix sockets on Windows\.[\s\S]*Write `localhost:8080`/);
  return true;
}

for (const [what, settings] of [
  ['alone', `listen: { address: localhost:8443, ${TLS} }`],
  ['in a list', `listen: [{ address: localhost:8443, ${TLS} }]`],
] as const) {
  test(`a listener with a certificate, ${what}, has the full names of its files`, async (t) => {
    const { cwd, listen } = await listenersOf(t, settings);
    assert.deepEqual(listen, [
      {
        address: { host: 'localhost', port: 8443 },
        tls: {
          certFile: join(cwd, 'conf', 'localhost.pem'),
          keyFile: join(homedir(), 'keys', 'localhost.pem'),
        },
      },
    ]);
  });
}

test('a map without a certificate is an address like any other', async (t) => {
  const { listen } = await listenersOf(t, 'listen: [{ address: 8080 }, "[::1]:8081"]');
  assert.deepEqual(listen, [
    { address: { host: 'localhost', port: 8080 }, tls: undefined },
    { address: { host: '::1', port: 8081 }, tls: undefined },
  ]);
});

test('a unix socket starts at the folder of the file that names it, else at the working folder', async (t) => {
  const inFile = listenersOf(
    t,
    'listen: [unix:run/proxy.sock, { address: unix:tls.sock, tls: { cert: c, key: k } }]',
  );
  if (await refusedOnWindows(inFile)) return;
  const file = await inFile;
  assert.deepEqual(file.listen, [
    { address: { path: join(file.cwd, 'conf/run/proxy.sock') }, tls: undefined },
    {
      address: { path: join(file.cwd, 'conf/tls.sock') },
      tls: { certFile: join(file.cwd, 'conf/c'), keyFile: join(file.cwd, 'conf/k') },
    },
  ]);

  const env = { GBP_LISTEN: 'unix:~/proxy.sock, unix:e.sock', HOME: '/home/ann' };
  const fromEnv = await listenersOf(t, '', { env });
  assert.deepEqual(
    fromEnv.listen.map(({ address }) => address),
    [{ path: '/home/ann/proxy.sock' }, { path: join(fromEnv.cwd, 'e.sock') }],
  );

  const fromFlag = await listenersOf(t, '', { env, flags: { listen: ['unix:/run/x.sock', 'unix:f.sock'] } });
  assert.deepEqual(
    fromFlag.listen.map(({ address }) => address),
    [{ path: '/run/x.sock' }, { path: join(fromFlag.cwd, 'f.sock') }],
  );
});

test('R1: a unix socket is not open to other machines, but a listener with TLS may well be', async (t) => {
  const open = listenersOf(t, `listen: { address: "0.0.0.0:8443", ${TLS} }`);
  await assert.rejects(open, /0\.0\.0\.0:8443 can be reached from other machines/);
  const unix = listenersOf(t, 'listen: unix:/run/proxy.sock');
  if (await refusedOnWindows(unix)) return;
  assert.deepEqual((await unix).listen, [{ address: { path: '/run/proxy.sock' }, tls: undefined }]);
});

for (const [how, settings, given] of [
  ['a client secret of its own', 'listen: { address: "0.0.0.0:80", clientSecret: env:KNOCK }', {}],
  ['mutual TLS', `listen: { address: "0.0.0.0:80", ${TLS.replace(' }', ', clientCa: ca.pem }')} }`, {}],
  ['GBP_CLIENT_SECRET', 'listen: 0.0.0.0:80', { env: { GBP_CLIENT_SECRET: 'x' } }],
  ['--client-secret', '', { flags: { listen: ['0.0.0.0:80'], clientSecret: 'file:knock' } }],
  ['leave for everybody', 'listen: 0.0.0.0:80\ngate: { allowUnauthenticatedClients: true }', {}],
] as const) {
  test(`R1: a listener may be open to other machines with ${how}`, async (t) => {
    const { listen } = await listenersOf(t, settings, given as Parameters<typeof listenersOf>[2]);
    assert.deepEqual(
      listen.map(({ address }) => address),
      [{ host: '0.0.0.0', port: 80 }],
    );
  });
}

test('R1: one listener’s secret is no other’s, and the refusal names all ways out, the secret first', async (t) => {
  const both = listenersOf(t, 'listen: [{ address: "localhost:1", clientSecret: env:KNOCK }, "0.0.0.0:2"]');
  await assert.rejects(both, (error: Error) => {
    assert.match(
      error.message,
      /0\.0\.0\.0:2 can be reached[\s\S]*clientSecret: env:NAME[\s\S]*GBP_CLIENT_SECRET[\s\S]*clientCa[\s\S]*localhost:2[\s\S]*allowUnauthenticatedClients/,
    );
    assert.doesNotMatch(error.message, /localhost:1 can/);
    return true;
  });
});

test('a client secret is named, never held; flags come before the environment, and both before the file', async (t) => {
  const settings = `listen: [{ address: 8080, clientSecret: "file:~/knock" }, { address: 8081, ${TLS} }, 8082]`;
  const secretsOf = async (given: Parameters<typeof listenersOf>[2] = {}) => {
    const { cwd, listen } = await listenersOf(t, settings, given);
    assert.doesNotMatch(JSON.stringify(listen), /VALUE/);
    return { cwd, secrets: listen.map(({ clientSecret }) => clientSecret) };
  };
  const knock = { kind: 'file', path: join(homedir(), 'knock') };
  assert.deepEqual((await secretsOf()).secrets, [knock, undefined, undefined]);
  const env = { GBP_CLIENT_SECRET: 'VALUE' };
  const fromEnv = { kind: 'env', name: 'GBP_CLIENT_SECRET' };
  assert.deepEqual((await secretsOf({ env })).secrets, [fromEnv, fromEnv, fromEnv]);
  // Set to nothing it is no leave: it is refused when it is read.
  assert.deepEqual((await secretsOf({ env: { GBP_CLIENT_SECRET: '' } })).secrets[0], fromEnv);
  const { cwd, secrets } = await secretsOf({ env, flags: { clientSecret: 'file:knock' } });
  const fromFlag = { kind: 'file', path: join(cwd, 'knock') };
  assert.deepEqual(secrets, [fromFlag, fromFlag, fromFlag]);
});

test('a client secret for every listener is for those as well that are named later', async (t) => {
  const given = { env: { GBP_CLIENT_SECRET: 'x' }, flags: { listen: ['0.0.0.0:1'] } };
  const { listen } = await listenersOf(t, '', given);
  assert.deepEqual(
    listen.map(({ clientSecret }) => clientSecret),
    [{ kind: 'env', name: 'GBP_CLIENT_SECRET' }],
  );
});

test('a secret on the command line instead of its place is refused, and not shown', async (t) => {
  const flags = { clientSecret: 'c0ffee-c0ffee-c0ffee' };
  await assert.rejects(listenersOf(t, '', { flags }), (error: Error) => {
    assert.match(error.message, /^--client-secret: This does not say where the secret is\.$/m);
    assert.doesNotMatch(error.message, /c0ffee/);
    return true;
  });
});

test('--port doesn’t bring together listeners that ask their clients for different things', async (t) => {
  const settings = 'listen: [{ address: "localhost:1", clientSecret: env:KNOCK }, localhost:2]';
  await assert.rejects(
    listenersOf(t, settings, { flags: { port: 3 } }),
    /^--port: Port 3 can't ask its clients for different things/m,
  );
  const given = { flags: { port: 3 }, env: { GBP_CLIENT_SECRET: 'x' } };
  assert.equal((await listenersOf(t, settings, given)).listen.length, 1, 'the same for both');
  assert.equal(
    (await listenersOf(t, settings.replace('localhost:2', '"[::1]:2"'), { flags: { port: 0 } })).listen
      .length,
    2,
  );
});

test('a unix socket has the mode it is given, and is for everybody only with a client secret', async (t) => {
  const modeOf = async (mode: string, more = '', env = {}): Promise<unknown> => {
    const { listen } = await listenersOf(
      t,
      `listen: { address: "unix:/run/x.sock", mode: "${mode}"${more} }`,
      { env },
    );
    return listen.map(({ address }) => 'mode' in address && address.mode?.toString(8))[0];
  };
  if (await refusedOnWindows(modeOf('0600'))) return;
  for (const [text, mode] of [
    ['0660', '660'],
    ['600', '600'],
    ['0o620', '620'],
  ] as const)
    assert.equal(await modeOf(text), mode);
  for (const text of ['0666', '0602', '777', '601']) {
    await assert.rejects(modeOf(text), /every user of this machine could call your services as you/, text);
    assert.ok(await modeOf(text, ', clientSecret: env:KNOCK'));
    assert.ok(await modeOf(text, '', { GBP_CLIENT_SECRET: 'x' }));
  }
  for (const text of ['', 'rw', '0888', '4755', '66', '-rw'])
    await assert.rejects(modeOf(text), /is not the mode of a socket: those are three octal digits/, text);
});

test('one socket under two names is listed twice', async (t) => {
  const twice = listenersOf(t, 'listen: [unix:a/../x.sock, localhost:8080, unix:./x.sock]');
  if (await refusedOnWindows(twice)) return;
  await assert.rejects(
    twice,
    /^conf\/proxy\.yaml:1:44: The address unix:\S+conf\/x\.sock is listed twice\.$/m,
  );
});

test('--port moves what has a port, and leaves unix sockets where they are', async (t) => {
  const mixed = listenersOf(t, 'listen: [unix:/run/x.sock, localhost:1, localhost:2]', {
    flags: { port: 3 },
  });
  if (await refusedOnWindows(mixed)) return;
  assert.deepEqual((await mixed).listen, [
    { address: { path: '/run/x.sock' }, tls: undefined },
    { address: { host: 'localhost', port: 3 }, tls: undefined },
  ]);
});

test('--port moves a listener with TLS, but none with it and none without it to one place', async (t) => {
  const secure = `{ address: localhost:8443, ${TLS} }`;
  const ports = async (settings: string, port: number): Promise<readonly unknown[]> => {
    const { listen } = await listenersOf(t, settings, { env: { GBP_PORT: String(port) } });
    return listen.map(({ address, tls }) => [(address as ListenAddress).port, tls !== undefined]);
  };
  assert.deepEqual(await ports(`listen: ${secure}`, 9000), [[9000, true]]);
  assert.deepEqual(await ports(`listen: [localhost:8080, ${secure}]`, 0), [
    [0, false],
    [0, true],
  ]);
  await assert.rejects(
    ports(`listen: [127.0.0.1:8080, ${secure}]`, 9000),
    /^GBP_PORT: Port 9000 can't be both with TLS and without it, as the listeners of the configuration are\.\n[\s\S]*take 0, for a free port each/m,
  );
});

function refusalOf(text: string, platform: NodeJS.Platform): string | undefined {
  let refusal: string | undefined;
  const context = { folder: resolve('/srv'), env: {} };
  const refuse: Refuse = (message, hint = '') => {
    refusal = `${message} ${hint}`;
    return undefined;
  };
  parseUnixAddress(text, context, refuse, platform);
  return refusal;
}

for (const [text, reason] of [
  ['unix:', /^The file name is empty\./],
  [
    'unix:///run/x.sock',
    /^After `unix:` stands a file name, not a URL\. One slash is enough: `unix:\/path`\.$/,
  ],
  ['unix:@proxy', /^"unix:@proxy" is an abstract socket: .*Name a file/],
  ['unix:\0proxy', /control characters/],
  ['unix:/run/', /^"unix:\/run\/" names a folder, not a file in it\./],
] as const) {
  test(`${JSON.stringify(text)} is refused, and why`, () => {
    assert.match(refusalOf(text, 'linux') ?? '', reason);
  });
}

for (const [platform, most, system] of [
  ['linux', 107, 'Linux'],
  ['darwin', 103, 'this system'],
] as const) {
  test(`the full name of a unix socket has at most ${most} bytes on ${platform}`, () => {
    const fill = most - Buffer.byteLength(resolve('/srv', 'é')) + Buffer.byteLength('é');
    const name = (bytes: number): string => `unix:é${'x'.repeat(bytes - Buffer.byteLength('é'))}`;
    assert.equal(refusalOf(name(fill), platform), undefined);
    assert.equal(
      refusalOf(name(fill + 1), platform),
      `The full name of this socket has ${most + 1} bytes; ${system} takes at most ${most}. Use a folder with a shorter name, such as \`unix:/tmp/proxy.sock\`.`,
    );
  });
}

test('what is listened on is shown as it is written, and as clients call it', () => {
  const tls = { certFile: '/c', keyFile: '/k' };
  const rows = (
    [
      [{ host: 'localhost', port: 8080 }, undefined],
      [{ host: '::1', port: 8443 }, tls],
      [{ host: '0.0.0.0', port: 8443 }, tls],
      [{ path: '/run/x.sock' }, undefined],
      [{ path: '/run/x.sock' }, tls],
    ] as const
  ).map(([address, tls]) => [formatListener({ address, tls }), toListenerUrl(address, tls !== undefined)]);
  assert.deepEqual(rows, [
    ['localhost:8080', 'http://localhost:8080'],
    ['https://[::1]:8443', 'https://[::1]:8443'],
    ['https://0.0.0.0:8443', 'https://localhost:8443'],
    ['unix:/run/x.sock', 'unix:/run/x.sock'],
    ['unix:/run/x.sock (TLS)', 'unix:/run/x.sock'],
  ]);
});
