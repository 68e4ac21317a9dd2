import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { createTestAuthority, type KeyedCertificate } from '../../support/certificates.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { type RelayOptions, startRelay } from '../../support/relays.ts';
import { readToEnd, startUpstream } from '../../support/sockets.ts';
import { createFolder } from '../../support/stack.ts';

const servers = createTestAuthority();
const clients = createTestAuthority();
const member = clients.issue(['ann']);
const SECRET = 'a-secret-of-32-characters-or-so!';
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

async function startMutual(t: TestContext, options: RelayOptions = {}) {
  const folder = await createFolder(t);
  const { key, cert } = servers.issue(['localhost']);
  const write = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const tls = {
    certFile: await write('cert.pem', cert),
    keyFile: await write('key.pem', key),
    clientCaFile: await write(
      'clients.pem',
      `Whose clients may come:\n${createTestAuthority().cert}\n${clients.cert}`,
    ),
  };
  const seen: string[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`);
    response.end('fine');
  });
  const relay = await startRelay(t, origin, {}, { ...options, tls });
  return { relay, seen, tls, port: Number(new URL(relay.url).port) };
}

function open(
  port: number,
  version: SecureVersion,
  certificate: KeyedCertificate | undefined,
  options: ConnectionOptions = {},
): TLSSocket {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: servers.cert,
    minVersion: version,
    maxVersion: version,
    ...certificate,
    ...options,
  });
  return socket.on('error', () => {});
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

for (const version of VERSIONS) {
  test(`a client with a certificate of the right authority is served over both versions of HTTP: ${version}`, async (t) => {
    const { port, seen } = await startMutual(t);
    const socket = open(port, version, member);
    socket.write(GET);
    assert.match(await readToEnd(socket), /^HTTP\/1\.1 200 [\s\S]*fine$/);
    const session = connectHttp2(t, `https://localhost:${port}`, {
      createConnection: () => open(port, version, member, { ALPNProtocols: ['h2'] }),
    });
    assert.equal((await ask(session)).body, 'fine');
    assert.equal(seen.length, 2);
  });

  for (const [who, certificate] of [
    ['no certificate', undefined],
    ['one of another authority', servers.issue(['ann'])],
    ['one it signed itself', createTestAuthority().issue(['ann'])],
  ] as const) {
    for (const protocol of ['http/1.1', 'h2']) {
      // With 1.3 a client thinks itself connected until it reads that it isn't.
      test(`a client with ${who} doesn’t get past the handshake: ${version}, ${protocol}`, async (t) => {
        const { port, seen, relay } = await startMutual(t);
        const socket = open(port, version, certificate, { ALPNProtocols: [protocol] });
        const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
        socket.write(protocol === 'h2' ? preface : GET, 'latin1');
        assert.equal(await readToEnd(socket), '');
        assert.deepEqual(seen, []);
        assert.deepEqual(relay.records, []);
        // The listener has come to no harm.
        const next = open(port, version, member);
        next.write(GET);
        assert.match(await readToEnd(next), /fine$/);
      });
    }
  }
}

for (const version of VERSIONS) {
  test(`a session of another listener, where no certificate was asked for, opens nothing here: ${version}`, async (t) => {
    const { port, seen, tls } = await startMutual(t);
    const { certFile, keyFile } = tls;
    const { origin } = await startUpstream(t, (_request, response) => response.end('other'));
    const other = await startRelay(t, origin, {}, { tls: { certFile, keyFile } });
    const first = open(Number(new URL(other.url).port), version, undefined);
    const began = once(first, 'session');
    first.write(GET);
    const [[session]] = (await Promise.all([began, readToEnd(first)])) as [[Buffer], string];
    const again = open(port, version, undefined, { session });
    again.write(GET);
    assert.equal(await readToEnd(again), '');
    assert.deepEqual(seen, []);
  });
}

test('R9: with a client secret as well, both are asked for', async (t) => {
  const { port, seen } = await startMutual(t, { clientSecret: SECRET });
  const withSecret = GET.replace('Connection', `Authorization: Bearer ${SECRET}\r\nConnection`);
  for (const [certificate, request, answer] of [
    [member, withSecret, /^HTTP\/1\.1 200 /],
    [member, GET, /^HTTP\/1\.1 401 /],
    [undefined, withSecret, /^$/],
  ] as const) {
    const socket = open(port, 'TLSv1.3', certificate);
    socket.write(request);
    assert.match(await readToEnd(socket), answer);
  }
  assert.deepEqual(seen, ['/ Bearer token']);
});

test('what holds no certificates of authorities is named, and nothing listens', async (t) => {
  const { tls } = await startMutual(t);
  const folder = await createFolder(t);
  const broken = clients.cert.replace(/\n[\w+/]{10}/, '\nAAAAAAAAAA');
  for (const [name, content, message] of [
    ['key.pem', member.key, /key\.pem holds no certificates \(PEM\)/],
    ['empty.pem', '', /empty\.pem holds no certificates/],
    [
      'broken.pem',
      `${clients.cert}${broken}`,
      /broken\.pem holds no certificates \(PEM\), or one that can't be read/,
    ],
    ['missing.pem', undefined, /missing\.pem, which listen\.tls names, can't be read \(ENOENT\)/],
  ] as const) {
    const clientCaFile = join(folder, name);
    if (content !== undefined) await writeFile(clientCaFile, content);
    await assert.rejects(
      startRelay(t, 'http://127.0.0.1:1', {}, { tls: { ...tls, clientCaFile } }),
      (error: unknown) => {
        assert.ok(error instanceof Error && 'code' in error);
        assert.equal(error.code, 'config_invalid');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /PRIVATE KEY|BEGIN/);
        return true;
      },
    );
  }
});
