import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createUpgradeCarrier } from '../../../src/relay/upstream/upgrade.ts';
import { trustCertificates } from '../../../src/trust.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { closed, handshake, openClient, openWebSocket, SWITCHED } from '../../support/handshakes.ts';
import { startRelay } from '../../support/relays.ts';
import {
  closedPort,
  exchangeBytes,
  readToEnd,
  readUntil,
  startRawUpstream,
  startTlsUpstream,
} from '../../support/sockets.ts';
import { createFolder } from '../../support/stack.ts';

/** A name that only the forward proxy can find. */
const ORIGIN = 'https://hello.example';
const authority = createTestAuthority();

/** A service over TLS that takes each handshake and then does this. */
async function startService(
  t: TestContext,
  onSocket: (socket: Socket) => void,
  hosts = ['hello.example', 'localhost'],
) {
  const folder = await createFolder(t);
  await writeFile(join(folder, 'ca.pem'), authority.cert);
  await trustCertificates(join(folder, 'ca.pem'));
  const heads: IncomingMessage[] = [];
  const sockets: TLSSocket[] = [];
  const { port, server } = await startTlsUpstream(t, authority.issue(hosts), (_, response) => response.end());
  (server as Server).on('upgrade', (request, socket) => {
    heads.push(request);
    socket.on('error', () => {});
    socket.write(SWITCHED);
    onSocket(socket as Socket);
  });
  server.on('tlsClientError', () => {});
  server.on('secureConnection', (socket) => {
    sockets.push(socket);
    t.after(() => socket.destroy());
  });
  return { port, heads, sockets };
}

test('a WebSocket goes over TLS and through the forward proxy, which learns the host and nothing else', async (t) => {
  const service = await startService(t, (socket) => socket.pipe(socket));
  const proxy = await startConnectProxy(t, { ports: { 'hello.example:443': service.port } });
  const upgrades = createUpgradeCarrier({ origin: ORIGIN, connectTimeoutMs: 5_000, forwardProxy: proxy.url });
  const relay = await startRelay(t, ORIGIN, { upgrades });
  const client = await openWebSocket(t, relay.url);
  client.write(`${'x'.repeat(1_000_000)}last`);
  assert.equal(await readUntil(client, 'last'), `${'x'.repeat(1_000_000)}last`);
  client.destroy();
  assert.deepEqual(proxy.heads, ['CONNECT hello.example:443 HTTP/1.1\r\nHost: hello.example:443\r\n\r\n']);
  assert.equal(/bearer|websocket/i.test(proxy.seen()), false);
  assert.equal(service.heads[0]?.headers.authorization, 'Bearer token');
  assert.equal(service.sockets[0]?.alpnProtocol, 'http/1.1');
  await proxy.closed();
  // The next handshake resumes the TLS session.
  (await openWebSocket(t, relay.url)).destroy();
  assert.equal(service.sockets[1]?.isSessionReused(), true);
});

test('R47: over TLS, too, each side still hears the other out', async (t) => {
  const service = await startService(t, (socket) => {
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('end', () => socket.end(`${heard.length} heard`));
  });
  const relay = await startRelay(t, `https://localhost:${service.port}`);
  const client = await openWebSocket(t, relay.url);
  const answer = readToEnd(client);
  client.end('x'.repeat(1_000_000));
  assert.equal(await answer, '1000000 heard');
});

test('R25: a handshake is not sent to whom nobody vouches for', async (t) => {
  const service = await startService(t, () => {}, ['other.example']);
  const relay = await startRelay(t, `https://localhost:${service.port}`);
  assert.match(await exchangeBytes(relay.url, handshake()), /^HTTP\/1\.1 502 [\s\S]*"tls_error"/);
  assert.deepEqual(service.heads, []);
});

test('R47: over TLS, too, a side that breaks off takes the other with it', async (t) => {
  const service = await startService(t, () => {});
  const relay = await startRelay(t, `https://localhost:${service.port}`);
  const first = await openWebSocket(t, relay.url);
  first.resetAndDestroy();
  await closed(service.sockets[0] as TLSSocket);
  const second = await openWebSocket(t, relay.url);
  const record = relay.nextRecord();
  service.sockets[1]?.destroy();
  await closed(second);
  assert.equal((await record).status, 101);
});

test('R50: an upstream that accepts no connection in time is a 504, and one behind a mute forward proxy, too', async (t) => {
  // Accepts TCP, and never says anything of TLS.
  const mute = await startRawUpstream(t, (socket) => socket.resume());
  const timeout = { connectMs: 30, headersMs: 0, idleMs: 0 };
  const direct = await startRelay(t, mute.origin.replace('http:', 'https:'), { timeout });
  assert.match(await exchangeBytes(direct.url, handshake()), /^HTTP\/1\.1 504 [\s\S]*"connect_timeout"/);
  const upgrades = createUpgradeCarrier({
    origin: ORIGIN,
    connectTimeoutMs: 30,
    forwardProxy: new URL(mute.origin),
  });
  const behind = await startRelay(t, ORIGIN, { upgrades });
  assert.match(await exchangeBytes(behind.url, handshake()), /^HTTP\/1\.1 504 [\s\S]*"connect_timeout"/);
  await Promise.all(mute.sockets.map(closed));
});

test('R45: a client that goes away while its handshake waits for the connection takes that with it', async (t) => {
  const mute = await startRawUpstream(t, (socket) => socket.resume());
  const direct = await startRelay(t, mute.origin.replace('http:', 'https:'));
  const upgrades = createUpgradeCarrier({
    origin: ORIGIN,
    connectTimeoutMs: 0,
    forwardProxy: new URL(mute.origin),
  });
  const behind = await startRelay(t, ORIGIN, { upgrades });
  for (const relay of [direct, behind]) {
    const accepted = once(mute.accepted, 'socket') as Promise<[Socket]>;
    const client = openClient(t, relay.url);
    client.write(handshake());
    const [socket] = await accepted;
    client.resetAndDestroy();
    await closed(socket);
    await relay.drain(60_000);
  }
});

test('a forward proxy that can not be asked is named in the answer to a handshake', async (t) => {
  const forwardProxy = new URL(`http://127.0.0.1:${await closedPort()}`);
  const upgrades = createUpgradeCarrier({ origin: ORIGIN, connectTimeoutMs: 5_000, forwardProxy });
  const relay = await startRelay(t, ORIGIN, { upgrades });
  const client = openClient(t, relay.url);
  client.write(handshake());
  assert.match(await readUntil(client, 'HTTPS_PROXY'), /^HTTP\/1\.1 502 [\s\S]*"forward_proxy_unavailable"/);
});
