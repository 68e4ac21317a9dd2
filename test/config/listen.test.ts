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
