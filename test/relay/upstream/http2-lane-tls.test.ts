import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { trustCertificates } from '../../../src/trust.ts';
import { attempt, toBody } from '../../support/attempts.ts';
import { createTestAuthority, type TestAuthority } from '../../support/certificates.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Http2Upstream, startHttp2Lane, startHttp2Upstream } from '../../support/http2.ts';

let authority: TestAuthority;

before(async () => {
  authority = createTestAuthority();
  const folder = await mkdtemp(join(tmpdir(), 'http2-lane-'));
  await writeFile(join(folder, 'ca.pem'), authority.cert);
  await trustCertificates(join(folder, 'ca.pem'));
  await rm(folder, { recursive: true });
});

/** Says hello, to the name it was asked by, with the body it was sent. */
function startService(t: TestContext, hosts: readonly string[]): Promise<Http2Upstream> {
  return startHttp2Upstream(
    t,
    (stream, headers) => {
      let body = '';
      stream.on('data', (chunk) => {
        body += chunk;
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end(`hello ${headers[':scheme']} ${body}`);
      });
    },
    { certificate: authority.issue(hosts) },
  );
}

test('over TLS HTTP/2 is agreed on, and one connection carries all', async (t) => {
  const upstream = await startService(t, ['localhost']);
  const protocols: unknown[] = [];
  upstream.server.on('secureConnection', (socket: TLSSocket) => protocols.push(socket.alpnProtocol));
  let connected = 0;
  const onConnected = (): void => {
    connected += 1;
  };
  const lane = startHttp2Lane(t, upstream.origin, { onConnected });
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((text) => attempt(lane, { method: 'POST', body: toBody([text], 1) }).over),
  );
  assert.deepEqual(
    answers.map(({ body }) => body),
    ['hello https a', 'hello https b', 'hello https c'],
  );
  assert.deepEqual(protocols, ['h2']);
  assert.equal(connected, 1);
});

test('R57: another connection resumes the TLS session of the one before', async (t) => {
  const upstream = await startService(t, ['localhost']);
  const resumed: boolean[] = [];
  upstream.server.on('secureConnection', (socket: TLSSocket) => resumed.push(socket.isSessionReused()));
  const lane = startHttp2Lane(t, upstream.origin, { maxRequestsPerConnection: 1 });
  for (let i = 0; i < 3; i += 1) await attempt(lane).over;
  assert.deepEqual(resumed, [false, true, true]);
});

test('R25: nothing is sent to an upstream whose certificate is not for its name', async (t) => {
  const upstream = await startService(t, ['other.example']);
  const { code, reach } = await attempt(startHttp2Lane(t, upstream.origin)).over;
  assert.deepEqual([code, reach], ['ERR_TLS_CERT_ALTNAME_INVALID', 'unsent']);
  assert.equal(upstream.streams.size, 0);
});

test('an upstream that does not choose HTTP/2 is named so, and gets no request', async (t) => {
  let requests = 0;
  const certificate = authority.issue(['localhost']);
  const http1 = createServer({ ...certificate }, () => {
    requests += 1;
  });
  const noAlpn = createTlsServer({ ...certificate }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      requests += 1;
    });
  });
  for (const server of [http1, noAlpn]) {
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const lane = startHttp2Lane(t, `https://localhost:${(server.address() as AddressInfo).port}`);
    const { code, reach } = await attempt(lane).over;
    assert.deepEqual([code, reach], ['NO_HTTP2', 'unsent']);
  }
  assert.equal(requests, 0);
});

test('behind a forward proxy it goes through a tunnel, and the upstream still has to be itself', async (t) => {
  const upstream = await startService(t, ['hello.example']);
  const proxy = await startConnectProxy(t, {
    ports: { 'hello.example:443': upstream.port, 'other.example:443': upstream.port },
  });
  const lane = startHttp2Lane(t, 'https://hello.example', { forwardProxy: proxy.url });
  const answers = await Promise.all([attempt(lane).over, attempt(lane).over]);
  for (const { body } of answers) assert.equal(body, 'hello https ');
  assert.equal(proxy.heads.length, 1);
  assert.equal(proxy.seen().includes('hello https'), false);
  const other = startHttp2Lane(t, 'https://other.example', { forwardProxy: proxy.url });
  const { code, reach } = await attempt(other).over;
  assert.deepEqual([code, reach], ['ERR_TLS_CERT_ALTNAME_INVALID', 'unsent']);
  lane.destroy();
  await proxy.closed();
});

test('R51: a forward proxy that never answers is given up after the connect timeout', async (t) => {
  const clock = new FakeClock();
  const proxy = await startConnectProxy(t, { answer: () => void clock.advance(5_000) });
  const lane = startHttp2Lane(t, 'https://hello.example', { forwardProxy: proxy.url, clock });
  const { code, reach } = await attempt(lane).over;
  assert.deepEqual([code, reach], ['CONNECT_TIMEOUT', 'unsent']);
  await proxy.closed();
});
