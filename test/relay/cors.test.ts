import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { type TestContext, test } from 'node:test';
import { ProxyError } from '../../src/errors.ts';
import type { Route } from '../../src/relay/site.ts';
import { ask, connectHttp2 } from '../support/http2-clients.ts';
import { startProxy } from '../support/proxies.ts';
import { type RelayOptions, startRelay } from '../support/relays.ts';
import { corsLimits, rules, staticTokens } from '../support/sites.ts';
import { closedPort, connectTo, readUntil, startRawUpstream, startUpstream } from '../support/sockets.ts';
import { send } from '../support/stack.ts';

const ORIGIN = 'http://localhost:3000';
const ASK = { origin: ORIGIN, 'access-control-request-method': 'PUT' };

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

type Speak = (
  t: TestContext,
  url: string,
  method: string,
  headers: Record<string, string>,
  target?: string,
) => Promise<Answer>;

const VERSIONS: Readonly<Record<string, Speak>> = {
  'HTTP/1.1': (_t, url, method, headers, target = '/') =>
    send(url, target, method, { host: 'localhost', ...headers }),
  'HTTP/2': async (t, url, method, headers, target = '/') => {
    const fields = { ':method': method, ':path': target, ':authority': 'localhost', ...headers };
    const { body: text, ...reply } = await ask(connectHttp2(t, url), fields);
    return { ...reply, text };
  },
};

/** An upstream that says what it likes about CORS, and a route to it that counts the tokens it is asked for. */
async function start(t: TestContext, change: Partial<Route> = {}, options: RelayOptions = {}) {
  const seen: string[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.origin}`);
    response.writeHead(200, {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET',
      'Access-Control-Max-Age': '86400',
      ETag: '"1"',
      Vary: 'Accept',
      'X-Own': '1',
    } satisfies OutgoingHttpHeaders);
    response.end('fine');
  });
  const tokens = staticTokens('token');
  let asked = 0;
  const counted = {
    ...tokens,
    current: () => {
      asked += 1;
      return tokens.current();
    },
  };
  const relay = await startRelay(t, origin, { tokens: counted, ...change }, options);
  return { ...relay, seen, tokensAsked: () => asked };
}

/** What an answer says of CORS. */
function corsOf({ headers }: Answer): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith('access-control-') || name === 'vary'),
  );
}

for (const [version, speak] of Object.entries(VERSIONS)) {
  test(`a preflight is answered without a token or an upstream, and told to the observer: ${version}`, async (t) => {
    const { url, seen, tokensAsked, records } = await start(t, { name: '/api' });
    const answer = await speak(t, url, 'OPTIONS', {
      ...ASK,
      'access-control-request-headers': 'content-type,x-a',
      'access-control-request-private-network': 'true',
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'cors',
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.text, '');
    assert.equal(answer.headers['content-length'], undefined);
    assert.deepEqual(corsOf(answer), {
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'PUT',
      'access-control-allow-headers': 'content-type, x-a',
      'access-control-allow-private-network': 'true',
      'access-control-max-age': '600',
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
    });
    assert.deepEqual([seen, tokensAsked()], [[], 0]);
    assert.deepEqual(
      records.map(({ method, route, status, error }) => [method, route, status, error]),
      [['OPTIONS', '/api', 204, undefined]],
    );
  });

  test(`R5 R8: a preflight of a foreign page is refused, and no upstream’s “*” helps: ${version}`, async (t) => {
    for (const cors of [corsLimits(), { kind: 'upstream' }, { kind: 'closed' }] as const) {
      const { url, seen, tokensAsked } = await start(t, { cors });
      for (const origin of ['http://evil.test', 'null', 'http://localhost.evil.test:3000']) {
        for (const method of ['OPTIONS', 'GET', 'POST']) {
          const answer = await speak(t, url, method, { ...ASK, origin });
          assert.equal(answer.status, 403);
          const allowed = answer.headers['access-control-allow-origin'];
          assert.match(allowed ?? '', /^gcp-bearer-proxy: .* may not call this proxy\. .*$/);
          assert.deepEqual(corsOf(answer), { 'access-control-allow-origin': allowed });
        }
      }
      assert.deepEqual([seen, tokensAsked()], [[], 0]);
    }
  });

  test(`a plain OPTIONS goes on as any request: ${version}`, async (t) => {
    const { url, seen } = await start(t);
    assert.equal((await speak(t, url, 'OPTIONS', { origin: ORIGIN })).text, 'fine');
    assert.equal((await speak(t, url, 'OPTIONS', { 'access-control-request-method': 'PUT' })).text, 'fine');
    assert.deepEqual(seen, [`OPTIONS / ${ORIGIN}`, 'OPTIONS / undefined']);
  });

  test(`the upstream’s CORS headers are replaced for a page, and kept for a program: ${version}`, async (t) => {
    const { url } = await start(t);
    const forPage = await speak(t, url, 'GET', { origin: ORIGIN });
    assert.equal(forPage.text, 'fine');
    const { 'access-control-expose-headers': exposed, ...rest } = corsOf(forPage);
    assert.deepEqual(rest, {
      vary: 'Accept, Origin',
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
    });
    assert.match(String(exposed), /\betag\b.*\bx-own\b/i);
    const forBrowser = await speak(t, url, 'GET', {
      'sec-fetch-site': 'same-site',
      'sec-fetch-mode': 'no-cors',
    });
    assert.deepEqual(corsOf(forBrowser), { vary: 'Accept, Origin' });
    assert.deepEqual(corsOf(await speak(t, url, 'GET', {})), {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET',
      'access-control-max-age': '86400',
      vary: 'Accept',
    });
  });

  test(`cors: upstream leaves preflights and headers to the upstream: ${version}`, async (t) => {
    const { url, seen, tokensAsked } = await start(t, { cors: { kind: 'upstream' } });
    for (const method of ['OPTIONS', 'PUT']) {
      const answer = await speak(t, url, method, ASK);
      assert.deepEqual(corsOf(answer), {
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET',
        'access-control-max-age': '86400',
        vary: 'Accept',
      });
    }
    assert.deepEqual(seen, [`OPTIONS / ${ORIGIN}`, `PUT / ${ORIGIN}`]);
    assert.equal(tokensAsked(), 2);
  });

  test(`cors: false takes no request of another origin’s page, and says which line does that: ${version}`, async (t) => {
    const { url, seen, tokensAsked } = await start(t, { name: '/api', cors: { kind: 'closed' } });
    for (const [method, headers] of [
      ['OPTIONS', ASK],
      ['GET', { origin: ORIGIN }],
      ['POST', { origin: ORIGIN }],
      ['GET', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ] as const) {
      const answer = await speak(t, url, method, { ...headers });
      assert.equal(answer.status, 403);
      assert.match(String(answer.headers['proxy-status']), /"origin_not_allowed"/);
      assert.match(answer.text, /the line +cors: false +from the route \/api/);
      if ('origin' in headers)
        assert.match(answer.headers['access-control-allow-origin'] ?? '', /^gcp-bearer-proxy: .*cors: false/);
    }
    assert.deepEqual([seen, tokensAsked()], [[], 0]);
    for (const headers of [
      {},
      { origin: 'http://localhost' },
      { 'sec-fetch-site': 'same-origin' },
    ] as const) {
      const answer = await speak(t, url, 'GET', headers);
      assert.deepEqual([answer.text, corsOf(answer)], ['fine', { vary: 'Accept' }]);
    }
  });

  test(`limits of a route hold with and without a preflight: ${version}`, async (t) => {
    const { url, seen } = await start(t, { cors: corsLimits({ methods: ['GET'], headers: ['x-a'] }) });
    for (const [method, headers, hint] of [
      ['OPTIONS', ASK, /cors: \{ methods: \[GET, PUT\] \}/],
      ['POST', { origin: ORIGIN }, /cors: \{ methods: \[GET, POST\] \}/],
      [
        'OPTIONS',
        { ...ASK, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-b' },
        /cors: \{ headers: \[x-a, x-b\] \}/,
      ],
    ] as const) {
      const answer = await speak(t, url, method, { ...headers });
      assert.equal(answer.status, 403);
      assert.match(answer.headers['access-control-allow-origin'] ?? '', hint);
    }
    assert.deepEqual(seen, []);
    assert.equal((await speak(t, url, 'GET', { origin: ORIGIN })).text, 'fine');
    assert.equal((await speak(t, url, 'POST', {})).text, 'fine');
  });

  test(`a page can read what went wrong in the proxy: ${version}`, async (t) => {
    const origin = `http://127.0.0.1:${await closedPort()}`;
    const unavailable = new ProxyError('token_unavailable', 'Not now.', { retryAfterMs: 1_000 });
    const tokens = {
      ...staticTokens(''),
      current: () => undefined,
      obtain: () => Promise.reject(unavailable),
    };
    for (const [change, target, status] of [
      [{ path: '/api' }, '/nowhere', 404],
      [{}, '/a/..', 400],
      [{}, '/', 502],
      [{ cors: { kind: 'upstream' } }, '/', 502],
      [{ tokens }, '/', 503],
    ] as const) {
      const { url } = await startRelay(t, origin, change);
      const preflight = await speak(t, url, 'OPTIONS', ASK, target);
      if (status === 404) assert.equal(preflight.status, 204);
      const answer = await speak(t, url, 'PUT', { origin: ORIGIN }, target);
      assert.equal(answer.status, status);
      assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
      assert.equal(answer.headers['access-control-allow-credentials'], 'true');
      assert.equal(answer.headers.vary, 'Origin');
      const exposed = String(answer.headers['access-control-expose-headers']).toLowerCase();
      assert.match(exposed, status === 503 ? /proxy-status.*retry-after/ : /proxy-status/);
    }
  });

  test(`a page can read that the proxy is full, and its preflight gets through: ${version}`, async (t) => {
    const { url, seen } = await start(t, {}, { maxRequests: 0 });
    assert.equal((await speak(t, url, 'OPTIONS', ASK)).status, 204);
    assert.equal((await speak(t, url, 'GET', { origin: 'http://evil.test' })).status, 403);
    const answer = await speak(t, url, 'GET', { origin: ORIGIN });
    assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [503, ORIGIN]);
    assert.deepEqual(seen, []);
  });

  test(`R9: a preflight needs no client secret, and a page can read that its request does: ${version}`, async (t) => {
    const secret = 'a secret of more than sixteen';
    const { url, seen, tokensAsked } = await start(t, {}, { clientSecret: secret });
    assert.equal((await speak(t, url, 'OPTIONS', ASK)).status, 204);
    const stranger = await speak(t, url, 'PUT', { origin: ORIGIN });
    assert.equal(stranger.status, 401);
    assert.equal(stranger.headers['access-control-allow-origin'], ORIGIN);
    assert.match(String(stranger.headers['access-control-expose-headers']), /www-authenticate/i);
    assert.equal(JSON.parse(stranger.text).error.code, 'client_not_authenticated');
    assert.deepEqual([seen, tokensAsked()], [[], 0]);
    const known = await speak(t, url, 'PUT', { origin: ORIGIN, authorization: `Bearer ${secret}` });
    assert.equal(known.status, 200);
    assert.deepEqual(seen, [`PUT / ${ORIGIN}`]);
  });

  test(`a page can read which rule of the route it broke: ${version}`, async (t) => {
    const { url, seen, tokensAsked } = await start(t, rules({ methods: ['GET'] }));
    assert.equal((await speak(t, url, 'OPTIONS', ASK)).status, 204);
    const answer = await speak(t, url, 'PUT', { origin: ORIGIN });
    assert.equal(JSON.parse(answer.text).error.code, 'method_denied');
    assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
    assert.match(String(answer.headers['access-control-expose-headers']), /allow/i);
    assert.deepEqual([seen, tokensAsked()], [[], 0]);
  });

  test(`a page of gRPC-Web can read a status, the upstream’s and the proxy’s: ${version}`, async (t) => {
    const { origin } = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { 'grpc-status': '5', 'grpc-message': 'none' }).end();
    });
    const headers = { origin: ORIGIN, 'content-type': 'application/grpc-web+proto' };
    const { url } = await startRelay(t, origin);
    const theirs = await speak(t, url, 'POST', headers);
    const { url: broken } = await startRelay(t, `http://127.0.0.1:${await closedPort()}`);
    const ours = await speak(t, broken, 'POST', headers);
    for (const [answer, status] of [
      [theirs, '5'],
      [ours, '14'],
    ] as const) {
      assert.equal(answer.headers['grpc-status'], status);
      assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
      assert.match(String(answer.headers['access-control-expose-headers']), /grpc-status, grpc-message/);
    }
  });

  test(`an upstream that is shown its own origin doesn’t change what the page is told: ${version}`, async (t) => {
    const { url, seen } = await start(t, { presentOrigin: true });
    for (const origin of ['http://localhost', ORIGIN]) {
      const answer = await speak(t, url, 'POST', { origin });
      assert.equal(answer.headers['access-control-allow-origin'], origin);
    }
    assert.doesNotMatch(seen[0] ?? '', / http:\/\/localhost$/);
    assert.equal(seen[1], `POST / ${ORIGIN}`);
  });

  test(`an upstream that is not shown any origin doesn’t either: ${version}`, async (t) => {
    const { url, seen } = await start(t, { removeHeaders: new Set(['origin']) });
    const answer = await speak(t, url, 'POST', { origin: ORIGIN });
    assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
    assert.deepEqual(seen, ['POST / undefined']);
  });
}

test('a refusal says in its reason, too, what to do about it', async (t) => {
  const { url } = await start(t);
  const socket = connectTo(url);
  socket.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.test"\u00e9<b>\r\nConnection: close\r\n\r\n',
    'latin1',
  );
  const [line] = (await readUntil(socket, '\r\n\r\n')).split('\r\n');
  assert.match(
    line ?? '',
    /^HTTP\/1\.1 403 gcp-bearer-proxy: The page at origin "http:\/\/evil\.test\?\?\?b\?" .* gate: \{ origins: \[/,
  );
});

test('R6: a refused element is answered with text, of which browsers print the reason', async (t) => {
  const { url, seen } = await start(t);
  const marks = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };
  const answer = await send(url, '/', 'GET', { host: 'localhost', ...marks, referer: 'http://evil.test/x' });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers['content-type'], 'text/plain');
  assert.equal(answer.headers['x-content-type-options'], undefined);
  assert.match(String(answer.headers['proxy-status']), /cross_site_request/);
  assert.match(answer.text, /^gcp-bearer-proxy: .* gate: \{ origins: \["http:\/\/evil\.test"\] \}/);
  assert.deepEqual([corsOf(answer), seen], [{}, []]);
});

test('where browsers send no Fetch Metadata, what may be for one varies by Origin', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const yaml = `gate: { hosts: [proxy.internal] }\nroutes: [{ path: /, upstream: "${origin}" }]`;
  const { port } = await startProxy(t, yaml);
  for (const [host, vary] of [
    ['proxy.internal', 'Origin'],
    ['localhost', undefined],
  ] as const)
    assert.equal((await send(`http://127.0.0.1:${port}`, '/', 'GET', { host })).headers.vary, vary, host);
});

test('interim responses and a 101 say nothing of CORS', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', (bytes: Buffer) => {
      const isUpgrade = bytes.toString().includes('Upgrade: websocket');
      socket.write(
        isUpgrade
          ? 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAccess-Control-Allow-Origin: *\r\nX-Kept: 1\r\n\r\n'
          : 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nAccess-Control-Allow-Origin: *\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      );
    });
  });
  const { url } = await startRelay(t, upstream.origin);
  for (const [lines, end] of [
    ['', '200 OK'],
    [
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
      'X-Kept: 1',
    ],
  ] as const) {
    const socket = connectTo(url);
    t.after(() => socket.destroy());
    socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: ${ORIGIN}\r\n${lines}\r\n`);
    const text = await readUntil(socket, end);
    assert.match(text, /^HTTP\/1\.1 10[13] /);
    assert.doesNotMatch(text.slice(0, text.indexOf(end)), /access-control/i);
  }
});
