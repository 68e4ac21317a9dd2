import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { UpstreamProtocol } from '../../src/config/config.ts';
import { failure, useEmulator } from '../auth/credentials/setting.ts';
import { createTestAuthority, type KeyedCertificate } from '../support/certificates.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { handshake } from '../support/handshakes.ts';
import { startRelay } from '../support/relays.ts';
import { staticTokens } from '../support/sites.ts';
import { connectTo, exchangeBytes } from '../support/sockets.ts';

const setting = useEmulator();
const authority = createTestAuthority();
/** As no authority that is trusted has issued them, or not for this host and day. */
const BAD: Readonly<Record<string, KeyedCertificate>> = {
  stranger: createTestAuthority().issue(['localhost']),
  expired: authority.issue(['localhost'], { isExpired: true }),
  'wrong name': authority.issue(['other.example']),
};

setDefaultCACertificates([...getCACertificates('default'), authority.cert]);

interface Recorder {
  readonly origin: string;
  readonly port: number;
  /** What came through TLS, decrypted. */
  readonly received: Buffer[];
  /** Resolves with the next bytes. */
  read(): Promise<unknown>;
  /** Connections so far. */
  readonly sockets: Socket[];
  /** Resolves once all of them are closed. */
  closed(): Promise<void>;
}

/** A TLS server that notes each byte it can read. */
async function startRecorder(t: TestContext, certificate: KeyedCertificate): Promise<Recorder> {
  const received: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer({ ...certificate, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    socket
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        received.push(chunk);
        server.emit('read');
      });
  });
  server.on('tlsClientError', () => {});
  server.on('connection', (socket: Socket) => sockets.push(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `https://localhost:${port}`,
    port,
    received,
    sockets,
    read: () => once(server, 'read'),
    closed: async () => {
      for (const socket of sockets)
        if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
    },
  };
}

/** Sets NODE_TLS_REJECT_UNAUTHORIZED=0 as something in this process could do behind our back. */
function turnVerificationOff(t: TestContext): void {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  });
}

const REQUESTS = {
  request: 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  handshake: handshake('/', 'Connection: close\r\n'),
};

async function assertNothingSent(t: TestContext, protocol: UpstreamProtocol): Promise<void> {
  for (const [name, certificate] of Object.entries(BAD)) {
    for (const bytes of Object.values(REQUESTS)) {
      const upstream = await startRecorder(t, certificate);
      const relay = await startRelay(
        t,
        upstream.origin,
        { tokens: staticTokens('canary-token'), retry: false },
        { protocol },
      );
      const answer = await exchangeBytes(relay.url, bytes);
      assert.match(answer, /^HTTP\/1\.1 502 /, `${name}: ${answer}`);
      assert.match(answer, /"tls_error"/, name);
      await upstream.closed();
      assert.ok(upstream.sockets.length > 0);
      assert.equal(Buffer.concat(upstream.received).toString('latin1'), '', name);
    }
  }
}

test('one with a good certificate reads the request', async (t) => {
  const upstream = await startRecorder(t, authority.issue(['localhost']));
  const relay = await startRelay(t, upstream.origin, { tokens: staticTokens('canary-token') });
  const client = connectTo(relay.url);
  t.after(() => client.destroy());
  client.write(REQUESTS.handshake);
  await upstream.read();
  assert.match(Buffer.concat(upstream.received).toString('latin1'), /canary-token/);
});

for (const protocol of ['http1', 'http2', 'auto'] as const) {
  test(`R25: an upstream with a bad certificate is a 502 and reads not one byte, over ${protocol}`, (t) =>
    assertNothingSent(t, protocol));
}

test('R25: nor does it once something has set NODE_TLS_REJECT_UNAUTHORIZED=0 in this process', (t) => {
  turnVerificationOff(t);
  return assertNothingSent(t, 'auto');
});

/** A credential whose secret would go to this port in Google's place. */
async function loginAt(path: string) {
  const { token_uri: _, ...login } = setting.google.credentials.authorizedUser;
  return setting.write('login.json', { ...login, token_uri: path });
}

test('R25: nobody in Google’s place is shown a credential, whatever the environment became', async (t) => {
  turnVerificationOff(t);
  for (const certificate of Object.values(BAD)) {
    const google = await startRecorder(t, certificate);
    const path = await loginAt(`${google.origin}/token`);
    const error = await failure(setting.make({ kind: 'user', path }, { endpoints: {} }));
    assert.equal(error.code, 'token_unavailable');
    assert.match(error.message, /can't be reached/);
    await google.closed();
    assert.ok(google.sockets.length > 0);
    assert.equal(Buffer.concat(google.received).toString('latin1'), '');
  }
});

test('R25: nor by way of a forward proxy, nor is that one without a good certificate told its password', async (t) => {
  turnVerificationOff(t);
  const { stranger } = BAD;
  assert.ok(stranger);
  const google = await startRecorder(t, stranger);
  const path = await loginAt('https://oauth2.googleapis.com/token');
  const clear = await startConnectProxy(t, { ports: { 'oauth2.googleapis.com:443': google.port } });
  const mint = (HTTPS_PROXY: string) =>
    failure(setting.make({ kind: 'user', path }, { endpoints: {}, env: { HTTPS_PROXY } }));
  assert.match((await mint(clear.url.href)).message, /can't be reached/);
  assert.equal(clear.heads.length > 0 && google.sockets.length > 0, true);
  await google.closed();
  assert.equal(Buffer.concat(google.received).toString('latin1'), '');

  const proxy = await startRecorder(t, stranger);
  assert.match((await mint(`https://me:canary@localhost:${proxy.port}`)).message, /can't be reached/);
  assert.ok(proxy.sockets.length > 0);
  await proxy.closed();
  assert.equal(Buffer.concat(proxy.received).toString('latin1'), '');
});
