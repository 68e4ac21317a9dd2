import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Agent, fetch as undiciFetch } from 'undici';
import type { ListenerTls } from '../../../src/config/config.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { Frame, speakRawHttp2 } from '../../support/http2-frames.ts';
import { startRelay } from '../../support/relays.ts';
import { connectTo, readBody, readToEnd, startUpstream } from '../../support/sockets.ts';
import { createFolder } from '../../support/stack.ts';

const authority = createTestAuthority();
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

interface Files extends ListenerTls {
  readonly caFile: string;
}

async function writeCertificate(t: TestContext): Promise<Files> {
  const folder = await createFolder(t);
  const { key, cert } = authority.issue(['localhost']);
  const [certFile, keyFile, caFile] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(folder, name));
  if (certFile === undefined || keyFile === undefined || caFile === undefined) throw new Error('three names');
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key), writeFile(caFile, authority.cert)]);
  return { certFile, keyFile, caFile };
}

async function startSecure(t: TestContext, options: Parameters<typeof startRelay>[3] = {}) {
  const files = await writeCertificate(t);
  const { origin } = await startUpstream(t, async (request, response) => {
    const { length } = await readBody(request);
    response.end(`<${request.method} ${length} ${request.headers['x-forwarded-proto']}>`);
  });
  const relay = await startRelay(t, origin, {}, { tls: files, ...options });
  const { port } = new URL(relay.url);
  return { relay, files, port: Number(port), url: `https://localhost:${port}` };
}

function openTls(port: number, ALPNProtocols?: string[]): TLSSocket {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authority.cert,
    ...(ALPNProtocols && { ALPNProtocols }),
  });
  socket.on('error', () => {});
  return socket;
}

test('over TLS the version of HTTP is agreed on by ALPN; without it it is HTTP/1.1', async (t) => {
  const { port } = await startSecure(t);
  for (const [offered, agreed] of [
    [['h2', 'http/1.1'], 'h2'],
    [['http/1.1', 'h2'], 'h2'],
    [['h2'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [undefined, false],
  ] as const) {
    const socket = openTls(port, offered === undefined ? undefined : [...offered]);
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, agreed);
    if (agreed === 'h2') {
      const client = speakRawHttp2(socket);
      await client.find(({ type }) => type === Frame.settings);
    } else {
      socket.write(GET);
      assert.match(await readToEnd(socket), /<GET 0 https>/);
    }
    socket.destroy();
  }
});

test('R39: clients over TLS are served over both versions, and their upstream is told https', async (t) => {
  const { url } = await startSecure(t);
  const session = connectHttp2(t, url, { ca: authority.cert });
  assert.equal((await ask(session, { ':method': 'POST' }, 'abc')).body, '<POST 3 https>');
  const request = httpsRequest(url, { ca: authority.cert, method: 'POST', agent: false });
  request.end('abc');
  const [response] = await once(request, 'response');
  assert.equal((await readBody(response)).toString(), '<POST 3 https>');
  for (const allowH2 of [true, false]) {
    const dispatcher = new Agent({ allowH2, connect: { ca: authority.cert } });
    t.after(() => dispatcher.destroy());
    assert.equal(await (await undiciFetch(url, { dispatcher })).text(), '<GET 0 https>');
  }
});

test('versions of TLS that are broken are refused', async (t) => {
  const { port } = await startSecure(t);
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ca: authority.cert,
    servername: 'localhost',
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  });
  await assert.rejects(once(socket, 'secureConnect'));
});

test('what is no TLS is closed, and later clients are served', async (t) => {
  const { relay, url } = await startSecure(t);
  for (const bytes of [GET, '\0'.repeat(1_000), '\x16\x03\x01\xff\xff', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    const socket = connectTo(relay.url);
    socket.end(bytes, 'latin1');
    assert.doesNotMatch(await readToEnd(socket), /<GET/);
  }
  const half = connectTo(relay.url);
  half.write('\x16\x03\x01\x02\x00', 'latin1');
  await once(half, 'connect');
  half.resetAndDestroy();
  assert.equal((await ask(connectHttp2(t, url, { ca: authority.cert }))).status, 200);
});

test('R49: a handshake that doesn’t come, or stops halfway, is cut off in time', async (t) => {
  // Others have that long for theirs.
  const { relay, url } = await startSecure(t, { headTimeoutMs: 1_000 });
  const silent = connectTo(relay.url);
  const halfway = connectTo(relay.url);
  halfway.write('\x16\x03\x01\x02\x00\x01\x00', 'latin1');
  await Promise.all([readToEnd(silent), readToEnd(halfway)]);
  assert.equal((await ask(connectHttp2(t, url, { ca: authority.cert }))).status, 200);
});

test('R49: a client over TLS that then sends no request is told so, or sent away', async (t) => {
  // The same limit holds for the handshake before.
  const { port } = await startSecure(t, { headTimeoutMs: 1_000 });
  const [said] = await Promise.all([['http/1.1'], ['h2']].map((names) => readToEnd(openTls(port, names))));
  assert.match(said ?? '', /^HTTP\/1\.1 408 /);
});

test('R65: draining waits neither for handshakes that were not begun nor for clients that are idle', async (t) => {
  const { relay, port } = await startSecure(t);
  const silent = connectTo(relay.url);
  await once(silent, 'connect');
  const idle = openTls(port, ['http/1.1']);
  await once(idle, 'secureConnect');
  const idle2 = openTls(port, ['h2']);
  await once(idle2, 'secureConnect');
  await Promise.all([relay.drain(20_000), readToEnd(silent), readToEnd(idle), readToEnd(idle2)]);
});

test('R52: over TLS, a connection too many is told so in its own version of HTTP', async (t) => {
  const { port, url, relay } = await startSecure(t, { maxConnections: 1 });
  const first = connectHttp2(t, url, { ca: authority.cert });
  assert.equal((await ask(first)).status, 200);
  const http1 = openTls(port, ['http/1.1']);
  assert.match(await readToEnd(http1), /^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*"overloaded"/);
  const http2 = speakRawHttp2(openTls(port, ['h2']));
  const goAway = await http2.find(({ type }) => type === Frame.goAway);
  assert.equal(goAway.payload.readUInt32BE(4), 11);
  await http2.closed;
  first.destroy();
  await once(first, 'close');
  assert.equal(relay.records.length, 1);
});

test('certificates that can’t be used are named, with what is wrong', async (t) => {
  const good = await writeCertificate(t);
  const other = await writeCertificate(t);
  const garbage = join(await createFolder(t), 'garbage.pem');
  await writeFile(garbage, 'not a certificate');
  const secret = join(await createFolder(t), 'secret.pem');
  await writeFile(secret, 'x');
  await chmod(secret, 0o000);
  for (const [files, named] of [
    [{ ...good, certFile: '/nowhere/cert.pem' }, /\/nowhere\/cert\.pem.*ENOENT/],
    [{ ...good, keyFile: '/nowhere/key.pem' }, /\/nowhere\/key\.pem.*ENOENT/],
    [{ ...good, keyFile: other.keyFile }, /cert\.pem and .*key\.pem/],
    [{ ...good, certFile: garbage }, /garbage\.pem/],
    [{ ...good, keyFile: garbage }, /garbage\.pem/],
    [{ certFile: good.keyFile, keyFile: good.certFile }, /key\.pem and .*cert\.pem/],
  ] as const) {
    await assert.rejects(startRelay(t, 'http://127.0.0.1:1', {}, { tls: files }), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, 'config_invalid');
      assert.match(error.message, named);
      assert.doesNotMatch(error.message, /PRIVATE KEY/);
      return true;
    });
  }
});
