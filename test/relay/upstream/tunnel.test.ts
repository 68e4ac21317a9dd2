import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { ProxyError } from '../../../src/errors.ts';
import {
  createTransport,
  type Transport,
  type UpstreamRequest,
} from '../../../src/relay/upstream/transport.ts';
import { openTunnel } from '../../../src/relay/upstream/tunnel.ts';
import { trustCertificates } from '../../../src/trust.ts';
import { createTestAuthority, type TestAuthority } from '../../support/certificates.ts';
import {
  type ConnectProxy,
  type ConnectProxyOptions,
  startConnectProxy,
} from '../../support/connect-proxy.ts';
import { startRelay } from '../../support/relays.ts';
import { closedPort, readBody, startTlsUpstream } from '../../support/sockets.ts';

/** A name that only the forward proxy can find. */
const ORIGIN = 'https://hello.example';
const OPENED = 'HTTP/1.1 200 OK\r\n\r\n';

let authority: TestAuthority;

before(async () => {
  authority = createTestAuthority();
  const folder = await mkdtemp(join(tmpdir(), 'tunnel-'));
  await writeFile(join(folder, 'ca.pem'), authority.cert);
  await trustCertificates(join(folder, 'ca.pem'));
  await rm(folder, { recursive: true });
});

interface Upstream {
  readonly port: number;
  readonly requests: IncomingMessage[];
  readonly sockets: TLSSocket[];
}

/** A service at `hello.example` that answers with the body it was sent. */
async function startService(t: TestContext, hosts: readonly string[] = ['hello.example']): Promise<Upstream> {
  const requests: IncomingMessage[] = [];
  const sockets: TLSSocket[] = [];
  const { port, server } = await startTlsUpstream(t, authority.issue(hosts), async (request, response) => {
    requests.push(request);
    const body = await readBody(request);
    if (request.url === '/last') response.setHeader('connection', 'close');
    response.end(`hello ${body}`);
  });
  server.on('secureConnection', (socket: TLSSocket) => sockets.push(socket));
  server.on('tlsClientError', () => {});
  return { port, requests, sockets };
}

interface Change {
  readonly origin?: string;
  readonly connectTimeoutMs?: number;
}

function startTransport(t: TestContext, forwardProxy: URL, change: Change = {}): Transport {
  const transport = createTransport({ origin: ORIGIN, connectTimeoutMs: 5_000, forwardProxy, ...change });
  t.after(() => transport.destroy());
  return transport;
}

const REQUEST: UpstreamRequest = {
  method: 'GET',
  target: '/',
  lines: ['Host', 'hello.example', 'Authorization', 'Bearer s3cret-token'],
  body: null,
  expectsContinue: false,
  wantsHttp2: false,
  mayRetry: true,
  timeout: { connectMs: 0, headersMs: 0, idleMs: 0 },
};

function send(transport: Transport, target = '/'): Promise<ProxyError | string> {
  return new Promise((resolve) => {
    let body = '';
    transport.send(
      { ...REQUEST, target },
      {
        onInterim: () => {},
        onHead: () => {},
        onData(chunk) {
          body += chunk.toString();
          return true;
        },
        onEnd: () => resolve(body),
        onError: resolve,
      },
    );
  });
}

async function fail(transport: Transport): Promise<ProxyError> {
  const outcome = await send(transport);
  assert.ok(typeof outcome !== 'string', 'the request got an answer');
  return outcome;
}

/** What a request comes to behind a proxy that answers by `answer`. */
async function failBehind(
  t: TestContext,
  answer: ConnectProxyOptions['answer'],
  change?: Change,
): Promise<{ error: ProxyError; proxy: ConnectProxy }> {
  const proxy = await startConnectProxy(t, answer && { answer });
  return { error: await fail(startTransport(t, proxy.url, change)), proxy };
}

test('the relay reaches an upstream through a forward proxy, which learns its host and nothing else', async (t) => {
  const upstream = await startService(t);
  const proxy = await startConnectProxy(t, { ports: { 'hello.example:443': upstream.port } });
  const relay = await startRelay(t, ORIGIN, { transport: startTransport(t, proxy.url) });
  const response = await fetch(`${relay.url}/echo?q=1`, { method: 'POST', body: 'x'.repeat(100_000) });
  assert.equal(await response.text(), `hello ${'x'.repeat(100_000)}`);
  const [request] = upstream.requests;
  assert.equal(request?.headers.authorization, 'Bearer token');
  assert.equal(request?.headers.host, 'hello.example');
  assert.equal(upstream.sockets[0]?.alpnProtocol, 'http/1.1');
  assert.deepEqual(proxy.heads, ['CONNECT hello.example:443 HTTP/1.1\r\nHost: hello.example:443\r\n\r\n']);
  assert.equal(/bearer|authorization|echo\?q/i.test(proxy.seen()), false);
});

test('what a forward proxy answers stays between it and the relay: 502, with the reason and the fix', async (t) => {
  const proxy = await startConnectProxy(t, { credentials: 'me:hunter2' });
  proxy.url.username = 'me';
  proxy.url.password = 'wr0ng';
  const relay = await startRelay(t, ORIGIN, { transport: startTransport(t, proxy.url) });
  const response = await fetch(relay.url);
  assert.equal(response.status, 502);
  assert.match(response.headers.get('proxy-status') ?? '', /error=connection_refused/);
  const { error } = JSON.parse(await response.text());
  assert.equal(error.code, 'forward_proxy_refused');
  const said = `the forward proxy ${proxy.url.host} did not accept the user name and password in HTTPS_PROXY (407).`;
  assert.equal(error.message, `${ORIGIN} can't be reached: ${said}`);
  assert.equal(error.hint, `Set HTTPS_PROXY=http://USER:PASSWORD@${proxy.url.host} with the right ones.`);
});

test('user name and password of the proxy’s URL are for the proxy, as UTF-8', async (t) => {
  const upstream = await startService(t);
  const ports = { 'hello.example:443': upstream.port };
  const proxy = await startConnectProxy(t, { ports, credentials: 'm@e:pä ss:%' });
  const url = new URL(`http://m%40e:p%C3%A4%20ss%3A%25@${proxy.url.host}`);
  assert.equal(await send(startTransport(t, url)), 'hello ');
  assert.equal(upstream.requests[0]?.headers['proxy-authorization'], undefined);
});

test('a proxy that wants credentials is told apart from one that wants others, or another kind', async (t) => {
  const proxy = await startConnectProxy(t, { credentials: 'me:hunter2' });
  assert.match(
    (await fail(startTransport(t, proxy.url))).message,
    /wants a user name and password \(407\)\.$/,
  );
  const { error } = await failBehind(t, (socket) =>
    socket.end('HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n'),
  );
  assert.equal(error.code, 'forward_proxy_refused');
  assert.match(error.message, /wants a kind of authentication other than Basic \(407\)/);
});

test('an answer that is no 2xx opens no tunnel; it is told by its status, never by its body', async (t) => {
  for (const [status, code] of [
    [403, 'forward_proxy_refused'],
    [405, 'forward_proxy_refused'],
    [302, 'forward_proxy_refused'],
    [502, 'forward_proxy_unavailable'],
    [503, 'forward_proxy_unavailable'],
  ] as const) {
    const { error, proxy } = await failBehind(t, (socket) =>
      socket.write(
        `HTTP/1.1 ${status} reason-s3cret\r\nContent-Length: 6\r\nX: s3cret\r\n\r\ns3cret and more`,
      ),
    );
    assert.equal(error.code, code);
    assert.equal(error.status, 502);
    assert.match(
      error.message,
      new RegExp(` answered ${status} instead of opening a tunnel to hello\\.example:443\\.$`),
    );
    assert.match(error.hint ?? '', /hello\.example.* in NO_PROXY if it needs no proxy\.$/);
    assert.doesNotMatch(`${error.message} ${error.hint}`, /s3cret/);
    await proxy.closed();
  }
});

test('connections through a tunnel are used again, and a new one resumes the TLS session', async (t) => {
  const upstream = await startService(t);
  const proxy = await startConnectProxy(t, { ports: { 'hello.example:443': upstream.port } });
  const transport = startTransport(t, proxy.url);
  for (let i = 0; i < 3; i += 1) assert.equal(await send(transport), 'hello ');
  assert.equal(proxy.heads.length, 1);
  assert.equal(await send(transport, '/last'), 'hello ');
  assert.equal(await send(transport), 'hello ');
  assert.equal(proxy.heads.length, 2);
  assert.deepEqual(
    upstream.sockets.map((socket) => socket.isSessionReused() === true),
    [false, true],
  );
});

test('R57: a tunnel that was closed while idle is never felt by a GET', async (t) => {
  const upstream = await startService(t);
  const proxy = await startConnectProxy(t, { ports: { 'hello.example:443': upstream.port } });
  const transport = startTransport(t, proxy.url);
  assert.equal(await send(transport), 'hello ');
  for (const socket of proxy.sockets) socket.resetAndDestroy();
  assert.equal(await send(transport), 'hello ');
  assert.equal(proxy.heads.length, 2);
});

test('a proxy may itself be reached over TLS', async (t) => {
  const upstream = await startService(t);
  const proxy = await startConnectProxy(t, {
    ports: { 'hello.example:443': upstream.port },
    credentials: 'me:hunter2',
    certificate: authority.issue(['localhost']),
  });
  proxy.url.username = 'me';
  proxy.url.password = 'hunter2';
  const transport = startTransport(t, proxy.url);
  assert.equal(await send(transport), 'hello ');
  assert.equal(await send(transport), 'hello ');
  assert.equal(proxy.heads.length, 1);
  assert.doesNotMatch(proxy.seen(), /s3cret-token/);
  transport.destroy();
  await proxy.closed();
});

test('a proxy over TLS that nobody vouches for is sent nothing, credentials least of all', async (t) => {
  const certificate = createTestAuthority().issue(['localhost']);
  const proxy = await startConnectProxy(t, { certificate });
  proxy.url.username = 'me';
  const error = await fail(startTransport(t, proxy.url));
  assert.equal(error.code, 'forward_proxy_unavailable');
  assert.match(error.message, /could not be asked \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)\.$/);
  assert.equal(proxy.seen(), '');
});

test('R25: inside a tunnel the certificate has to be the upstream’s, and no request is sent before', async (t) => {
  const cases = [
    ['https://hello.example', ['other.example'], 'hello.example:443'],
    // Neither does a certificate count that is good for the proxy's own host.
    ['https://10.1.2.3', ['localhost'], '10.1.2.3:443'],
    ['https://[2001:db8::1]:8443', ['localhost'], '[2001:db8::1]:8443'],
  ] as const;
  for (const [origin, hosts, connect] of cases) {
    const upstream = await startService(t, hosts);
    const proxy = await startConnectProxy(t, { ports: { [connect]: upstream.port } });
    proxy.url.hostname = 'localhost';
    const error = await fail(startTransport(t, proxy.url, { origin }));
    assert.equal(error.code, 'tls_error');
    assert.equal(
      error.message,
      `${origin} (behind the forward proxy ${proxy.url.host}) could not be trusted over TLS (ERR_TLS_CERT_ALTNAME_INVALID); nothing was sent.`,
    );
    assert.equal(upstream.requests.length, 0);
    assert.match(proxy.heads[0] ?? '', /^CONNECT \S+ HTTP\/1\.1\r\n/);
  }
});

test('a proxy that isn’t there, or hangs up, is named', async (t) => {
  const port = await closedPort();
  const gone = await fail(startTransport(t, new URL(`http://me:hunter2@127.0.0.1:${port}`)));
  assert.equal(gone.code, 'forward_proxy_unavailable');
  assert.equal(
    gone.message,
    `${ORIGIN} can't be reached: the forward proxy 127.0.0.1:${port} could not be asked (ECONNREFUSED).`,
  );
  assert.doesNotMatch(gone.hint ?? '', /hunter2/);
  const endings: readonly ((socket: Socket) => void)[] = [
    (socket) => socket.end(),
    (socket) => socket.end('HTTP/1.1 200 OK\r\n'),
    (socket) => socket.write('HTTP/1.1 20', () => socket.resetAndDestroy()),
  ];
  for (const end of endings) {
    const { error } = await failBehind(t, end);
    assert.equal(error.code, 'forward_proxy_unavailable');
    assert.match(error.message, /closed the connection before it answered|ECONNRESET/);
  }
});

test('an answer that is not HTTP/1.1, or never comes to its end, is refused at once', async (t) => {
  const lines = 'X: y\r\n'.repeat(4_000);
  for (const [answer, reason] of [
    ['SSH-2.0-OpenSSH_9.6\r\n', /does not begin with HTTP\/1/],
    ['HTTP/1.1 200 OK\n\n', /line ends other than CRLF/],
    ['HTTP/1.1 200 OK\r\nX y\r\n\r\n', /no colon/],
    [`HTTP/1.1 200 OK\r\n${lines}\r\n`, /larger than 16384 bytes/],
    [`HTTP/1.1 200 OK\r\n${lines}`, /larger than 16384 bytes/],
    ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000), /never comes to its final status/],
  ] as const) {
    const { error, proxy } = await failBehind(t, (socket) => socket.write(answer));
    assert.equal(error.code, 'forward_proxy_unavailable');
    assert.match(error.message, reason);
    await proxy.closed();
  }
});

test('R50: the connect timeout spans the tunnel and TLS inside it', async (t) => {
  const stages: readonly (((socket: Socket) => void) | undefined)[] = [
    () => {},
    (socket) => socket.write('HTTP/1.1 200 OK\r\n'),
    (socket) => socket.write(OPENED),
  ];
  for (const answer of stages) {
    const { error, proxy } = await failBehind(t, answer, { connectTimeoutMs: 100 });
    assert.equal(error.code, 'connect_timeout');
    assert.equal(error.status, 504);
    assert.match(
      error.message,
      new RegExp(`\\(behind the forward proxy ${proxy.url.host}\\) did not accept`),
    );
    await proxy.closed();
  }
});

test('interim answers, and lengths announced for an open tunnel, mean nothing', async (t) => {
  const upstream = await startService(t);
  const ports = { 'hello.example:443': upstream.port };
  for (const opened of [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 201 Created\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n',
  ]) {
    const proxy = await startConnectProxy(t, { ports, opened });
    assert.equal(await send(startTransport(t, proxy.url)), 'hello ');
  }
});

test('bytes that come together with the 200 belong to the tunnel', async (t) => {
  const proxy = await startConnectProxy(t, { answer: (socket) => socket.write(`${OPENED}first`) });
  let isFailed = false;
  const socket = await new Promise<Socket>((resolve) => {
    openTunnel(proxy.url, new URL(ORIGIN), {
      onOpen: resolve,
      onFailed() {
        isFailed = true;
      },
    });
  });
  const [chunk] = await once(socket, 'data');
  assert.equal(String(chunk), 'first');
  socket.destroy();
  await once(socket, 'close');
  assert.equal(isFailed, false);
  // TLS gets them, too: here an alert, which ends the handshake.
  const alert = Buffer.from('15030300020228', 'hex');
  const { error } = await failBehind(t, (client) =>
    client.write(Buffer.concat([Buffer.from(OPENED), alert])),
  );
  assert.equal(error.code, 'tls_error');
  assert.match(error.message, /ALERT_HANDSHAKE_FAILURE/);
});

test('a tunnel that ends or breaks inside is a connection that ends or breaks', async (t) => {
  const end = (socket: Socket): unknown => socket.end(OPENED);
  const reset = (socket: Socket): unknown => socket.write(OPENED, () => socket.resetAndDestroy());
  for (const options of [
    { answer: end },
    { answer: reset },
    { answer: end, certificate: authority.issue(['localhost']) },
  ]) {
    const { url } = await startConnectProxy(t, options);
    assert.equal((await fail(startTransport(t, url))).code, 'upstream_reset');
  }
  const { port } = await startTlsUpstream(t, authority.issue(['hello.example']), (_request, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('half');
  });
  const proxy = await startConnectProxy(t, { ports: { 'hello.example:443': port } });
  const transport = startTransport(t, proxy.url);
  const error = await new Promise<ProxyError>((resolve, reject) => {
    transport.send(REQUEST, {
      onInterim: () => {},
      onHead: () => {},
      onData() {
        for (const socket of proxy.sockets) socket.resetAndDestroy();
        return true;
      },
      onEnd: () => reject(new Error('half an answer was taken for a whole one')),
      onError: resolve,
    });
  });
  assert.equal(error.code, 'upstream_reset');
});

test('whoever gives up leaves no connection behind, at any stage', async (t) => {
  for (const answer of ['', 'HTTP/1.1 200 OK\r\n', OPENED]) {
    const asked = new EventEmitter();
    const proxy = await startConnectProxy(t, {
      answer(socket) {
        socket.write(answer);
        asked.emit('asked');
      },
    });
    const never = (): never => assert.fail('who gave up is told nothing');
    const sending = startTransport(t, proxy.url).send(REQUEST, {
      onInterim: never,
      onHead: never,
      onData: never,
      onEnd: never,
      onError: never,
    });
    await once(asked, 'asked');
    sending.abort();
    await proxy.closed();
  }
  const upstream = await startService(t);
  const proxy = await startConnectProxy(t, { ports: { 'hello.example:443': upstream.port } });
  const transport = startTransport(t, proxy.url);
  await send(transport);
  transport.destroy();
  await proxy.closed();
});
