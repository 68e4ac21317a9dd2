import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { assemble } from '../../src/assemble.ts';
import { createTokenCache } from '../../src/auth/token-cache.ts';
import type { TokenEvent } from '../../src/auth/token-events.ts';
import { systemClock } from '../../src/clock.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import type { ExchangeRecord } from '../../src/observe/events.ts';
import { createProxy, type RunningProxy } from '../../src/proxy.ts';
import { createUpgradeCarrier } from '../../src/relay/upstream/upgrade.ts';
import { useEmulator } from '../auth/credentials/setting.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { answering, handshake, openClient, SWITCHED } from '../support/handshakes.ts';
import { ask, connectHttp2 } from '../support/http2-clients.ts';
import {
  closedPort,
  connectTo,
  exchangeBytes,
  readUntil,
  startRawUpstream,
  startTlsUpstream,
} from '../support/sockets.ts';
import { createFolder } from '../support/stack.ts';
import { startLeakyUpstream } from './leaky-upstream.ts';
import { collectTexts } from './object-graph.ts';
import { assertNoSecret, listSecrets } from './secrets.ts';
import { watchClasses } from './watched-classes.ts';

const setting = useEmulator();

/** Fails when a look at something shows a secret. */
function assertOpaque(where: string, value: unknown, secrets: readonly string[]): void {
  const shown = inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxStringLength: null,
    maxArrayLength: null,
  });
  assertNoSecret(`util.inspect of ${where}`, shown, secrets);
  assertNoSecret(`String of ${where}`, String(value), secrets);
}

interface Stage {
  readonly proxy: RunningProxy;
  readonly url: string;
  readonly records: ExchangeRecord[];
  readonly events: TokenEvent[];
  readonly secrets: () => readonly string[];
  readonly assembled: unknown;
}

const PASSWORD = 'canary-of-the-forward-proxy';

async function prepare(t: TestContext): Promise<Stage> {
  const emulator = setting.google;
  const leaky = await startLeakyUpstream(t);
  const stranger = await startTlsUpstream(t, createTestAuthority().issue(['localhost']), (_, response) =>
    response.end(),
  );
  const forwardProxy = await startConnectProxy(t, { credentials: 'other:other' });
  const dir = await createFolder(t);
  const { serviceAccount, authorizedUser } = emulator.credentials;
  const files = {
    'login.json': authorizedUser,
    'revoked.json': { ...authorizedUser, refresh_token: '1//0canary-of-a-revoked-login' },
    'damaged.json': {
      ...serviceAccount,
      private_key: '-----BEGIN PRIVATE KEY-----\ncanary-of-a-damaged-key\n',
    },
  };
  for (const [name, file] of Object.entries(files)) await writeFile(join(dir, name), JSON.stringify(file));
  const timeout = 'timeout: { headers: 150ms }';
  await writeFile(
    join(dir, 'proxy.yaml'),
    `listen: 127.0.0.1:0
admin: false
credentials:
  default: { kind: key-file, key: "env:GCP_KEY" }
  login: { kind: user, path: login.json }
  revoked: { kind: user, path: revoked.json }
  damaged: { kind: key-file, path: damaged.json }
routes:
  - { path: /patient, upstream: "${leaky.origin}" }
  - { path: /patient2, upstream: "${leaky.http2Origin}", protocol: http2, credentials: login }
  - { path: /leaky, upstream: "${leaky.origin}", ${timeout} }
  - { path: /leaky2, upstream: "${leaky.http2Origin}", protocol: http2, ${timeout} }
  - { path: /not2, upstream: "${leaky.origin}", protocol: http2, ${timeout} }
  - { path: /tls, upstream: "https://localhost:${stranger.port}" }
  - { path: /closed, upstream: "http://127.0.0.1:${await closedPort()}" }
  - { path: /away, upstream: "https://private.example" }
  - { path: /revoked, upstream: "${leaky.origin}", credentials: revoked }
  - { path: /damaged, upstream: "${leaky.origin}", credentials: damaged }
`,
  );
  const env = {
    GCP_KEY: JSON.stringify(serviceAccount),
    HTTPS_PROXY: `http://me:${PASSWORD}@${forwardProxy.url.host}`,
  };
  const config = await resolveConfig({ flags: {}, positionals: [], env, cwd: dir });
  const [records, events]: [ExchangeRecord[], TokenEvent[]] = [[], []];
  const proxy = await createProxy({
    config,
    env,
    observer: { onExchange: (record) => void records.push(record) },
    onToken: (event) => void events.push(event),
  });
  t.after(() => proxy.close(0));
  await proxy.ready;
  const cache = createTokenCache({ clock: systemClock });
  t.after(() => cache.close());
  const assembled = await assemble({ config, cache, clock: systemClock, env });
  await Promise.allSettled(assembled.routes.map(({ tokens }) => tokens?.obtain()));
  const others = [PASSWORD, 'canary-of-a-revoked-login', 'canary-of-a-damaged-key'];
  const secrets = (): readonly string[] => [...listSecrets(emulator), ...others];
  return {
    proxy,
    url: proxy.addresses[0] ?? '',
    records,
    events,
    secrets,
    assembled: [assembled, cache],
  };
}

const FIELDS = 'Host: localhost\r\nConnection: close';
const BREAKING = ['silent', 'reset', 'garbage', 'bad-length', 'bad-field', 'bad-status', 'cut-off'];
const FAILING = [
  ...BREAKING.map((path) => `/leaky/${path}`),
  ...['/leaky2/silent', '/leaky2/reset', '/not2/', '/tls', '/closed', '/away', '/revoked', '/damaged'],
];

test('R23: neither util.inspect nor String shows a token in anything that lives, not even while it is sent', async (t) => {
  const { objects } = watchClasses(t);
  const { proxy, url, events, assembled, secrets } = await prepare(t);
  // Requests that stay in flight, and sockets that stay open.
  for (const target of ['/patient/silent', '/patient2/silent']) {
    const socket = openClient(t, url);
    socket.write(`POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nbody`);
  }
  const session = connectHttp2(t, url);
  session.request({ ':path': '/patient/silent' }).on('error', () => {});
  const upgraded = openClient(t, url);
  upgraded.write(handshake('/patient/'));
  await readUntil(upgraded, '\r\n\r\n');
  const reply = await ask(session, { ':path': '/patient/200' });
  assert.equal(reply.status, 200);

  assertOpaque('the proxy', proxy, secrets());
  assertNoSecret('its JSON', JSON.stringify([proxy, proxy.routes.map((route) => route.status())]), secrets());
  assertOpaque(
    'its routes',
    proxy.routes.map((route) => [route.status(), route]),
    secrets(),
  );
  assertOpaque('what it is made of', assembled, secrets());
  assertOpaque('what is told of tokens', events, secrets());
  assert.ok(events.length > 3);
  for (const [name, found] of objects) {
    assert.ok(name === 'RefusalScreen' || found.size > 0, `no ${name} was seen`);
    assertOpaque(name, [...found], secrets());
  }
});

test('R23: a handshake on its way, and the socket it opens, show no token', async (t) => {
  const token = 'canary-token-of-a-handshake';
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const carrier = createUpgradeCarrier({ origin: upstream.origin, connectTimeoutMs: 5_000 });
  const near = await startRawUpstream(t, () => {});
  const client = connectTo(near.origin);
  t.after(() => client.destroy());
  await once(client, 'connect');
  const lines = [
    'Host',
    'upstream',
    'Connection',
    'Upgrade',
    'Upgrade',
    'websocket',
    'Authorization',
    `Bearer ${token}`,
  ];
  const switched = new Promise<void>((resolve, reject) => {
    const receiver = {
      onSwitch: (fields: readonly string[]) => {
        resolve();
        return fields;
      },
      onError: reject,
      ...{ onHead: reject, onInterim() {}, onData: () => true, onEnd() {} },
    };
    const timeout = { connectMs: 0, headersMs: 0, idleMs: 0 };
    const carriage = carrier.carry({ target: '/', lines, timeout, client }, receiver);
    assertOpaque('a handshake', carriage, [token]);
    t.after(() => carriage.abort());
  });
  await switched;
  assertOpaque('its carrier', carrier, [token]);
});

test('R23: no error of the relay holds a secret, however deep, nor does what is told of requests', async (t) => {
  const { errors } = watchClasses(t);
  const { url, records, events, secrets } = await prepare(t);
  await Promise.all(
    FAILING.map((target) => exchangeBytes(url, `GET ${target} HTTP/1.1\r\n${FIELDS}\r\n\r\n`)),
  );
  await Promise.all([
    ...['/leaky/reset', '/leaky/garbage', '/leaky/silent', '/tls', '/away', '/damaged'].map((target) =>
      exchangeBytes(url, handshake(target, 'Connection: close\r\n')),
    ),
  ]);
  for (const event of events) if (event.type === 'token-failed') errors.add(event.error);
  assert.ok(errors.size >= FAILING.length, String(errors.size));
  for (const error of errors) {
    assertNoSecret(`an error: ${error.message}`, collectTexts(error).join('\n'), secrets());
    assertOpaque(`an error: ${error.message}`, error, secrets());
    assertNoSecret('its JSON', JSON.stringify(error), secrets());
  }
  assert.equal(records.length, FAILING.length + 6);
  assertNoSecret('what is told of requests', collectTexts(records).join('\n'), secrets());
});
