import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createClientSecret } from '../../../src/gate/client-secret.ts';
import type { Route } from '../../../src/relay/site.ts';
import { makeSignInLink } from '../../../src/sign-in-link.ts';
import { handshake, SWITCHED } from '../../support/handshakes.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { type Relay, type RelayOptions, startRelay } from '../../support/relays.ts';
import { staticTokens } from '../../support/sites.ts';
import { connectTo, exchangeBytes, readBody, readUntil, startRawUpstream } from '../../support/sockets.ts';
import { VERSIONS } from '../../support/versions.ts';

const SECRET = 'a-secret-of-32-characters-or-so!';
const BASIC = `Basic ${Buffer.from(`me:${SECRET}`).toString('base64')}`;
const OWN_PAGES = '/.gcp-bearer-proxy/';

/** A listener that asks for the secret, before an upstream that keeps every byte it gets. */
async function startGuarded(
  t: TestContext,
  change: Partial<Route> = {},
  {
    answer = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine',
    ...options
  }: RelayOptions & { answer?: string } = {},
) {
  let received = '';
  const upstream = await startRawUpstream(t, (socket) => {
    let head = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      head += chunk.toString('latin1');
      // The end of a head, or of a body in chunks: whichever comes last.
      if (/chunked/i.test(head) ? !head.includes('\r\n0\r\n') : !head.includes('\r\n\r\n')) return;
      head = '';
      socket.write(answer);
    });
  });
  const tokens = staticTokens('google-token');
  const relay = await startRelay(
    t,
    upstream.origin,
    { tokens, ...change },
    { clientSecret: SECRET, ...options },
  );
  return {
    relay,
    url: relay.url,
    received: () => received,
    connections: () => upstream.sockets.length,
    link: (secret = SECRET, nowMs = Date.now()) => linkTo(relay, secret, nowMs),
  };
}

/** A link's target, as `gcp-bearer-proxy link` makes it: with no more than the secret. */
function linkTo({ url }: Relay, secret: string, nowMs: number): string {
  const link = makeSignInLink(createClientSecret(secret, Buffer.alloc(0)), url, nowMs);
  return link.slice(url.length);
}

/** The pair of a `Set-Cookie` value. */
function cookieOf(headers: Readonly<Record<string, unknown>>): string {
  return String([headers['set-cookie']].flat()[0]).split(';', 1)[0] ?? '';
}

for (const [version, speak] of Object.entries(VERSIONS)) {
  test(`R9: without the secret, or with another, the answer is 401 and nothing goes upstream: ${version}`, async (t) => {
    const { url, relay, connections } = await startGuarded(t, {
      tokens: { ...staticTokens('x'), current: () => assert.fail('asked for a token') },
    });
    for (const headers of [
      {},
      { authorization: 'Bearer a-secret-of-32-characters-or-so?' },
      { 'proxy-authorization': SECRET },
      { cookie: `gbp-client-80=${SECRET}` },
      { origin: 'http://localhost:3000' },
    ]) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const outcome = await speak(t, url, { method, headers, target: '/nowhere?a=b' });
        assert.equal(outcome.status, 401);
        assert.equal(outcome.headers['www-authenticate'], 'Bearer realm="gcp-bearer-proxy"');
        assert.match(
          outcome.text,
          /"client_not_authenticated"[\s\S]*Proxy-Authorization: Bearer SECRET[\s\S]*gcp-bearer-proxy link/,
        );
        assert.match(String(outcome.headers['proxy-status']), /http_request_denied/);
      }
    }
    assert.equal(connections(), 0);
    assert.equal(relay.records.at(-1)?.error, 'client_not_authenticated');
  });

  for (const [way, headers] of [
    ['Proxy-Authorization', { 'proxy-authorization': `Bearer ${SECRET}` }],
    ['Proxy-Authorization as a password', { 'proxy-authorization': BASIC }],
    ['Authorization', { authorization: `Bearer ${SECRET}` }],
    ['Authorization as a password', { authorization: BASIC }],
    ['both', { authorization: BASIC, 'proxy-authorization': `Bearer ${SECRET}` }],
    [
      'both, and what reads like them',
      { authorization: BASIC, 'proxy-authorization': BASIC, proxy_authorization: BASIC },
    ],
  ] as const) {
    test(`R9 R17: the secret lets in, and goes no further: ${way}, ${version}`, async (t) => {
      const { url, received } = await startGuarded(t);
      assert.equal((await speak(t, url, { headers: { ...headers, accept: 'a/b' } })).status, 200);
      assert.match(received(), /\r\naccept: a\/b\r\n/);
      assert.ok(!received().includes(SECRET) && !received().includes(BASIC.slice(6)), received());
      assert.deepEqual(received().match(/^.*authorization.*$/gim), ['Authorization: Bearer google-token']);
    });
  }

  test(`R9: an Authorization of the client’s own stays its own beside the secret: ${version}`, async (t) => {
    const { url, received } = await startGuarded(t);
    const headers = { authorization: 'Bearer of-the-client', 'proxy-authorization': `Bearer ${SECRET}` };
    assert.equal((await speak(t, url, { headers })).status, 200);
    assert.deepEqual(received().match(/^.*authorization.*$/gim), [
      'authorization: Bearer of-the-client',
      'X-Serverless-Authorization: Bearer google-token',
    ]);
  });

  test(`R9: a route without a token passes no secret on either: ${version}`, async (t) => {
    const { url, received } = await startGuarded(t, { tokens: undefined });
    assert.equal((await speak(t, url, { headers: { authorization: `Bearer ${SECRET}` } })).status, 200);
    assert.doesNotMatch(received(), /authorization/i);
  });

  test(`a link signs in once; the cookie lets in, and goes no further: ${version}`, async (t) => {
    const { url, link, received, connections, relay } = await startGuarded(t);
    const target = link();
    const first = await speak(t, url, { target });
    assert.equal(first.status, 303);
    assert.equal(first.headers.location, OWN_PAGES);
    assert.equal(first.headers['cache-control'], 'no-store');
    assert.equal(first.headers['referrer-policy'], 'no-referrer');
    const cookie = cookieOf(first.headers);
    assert.match(cookie, /^gbp-client-80=[\w-]{43}$/);
    const second = await speak(t, url, { target, headers: { cookie } });
    assert.equal(second.status, 403);
    assert.match(
      second.text,
      /used before, is too old, or is none of this proxy[\s\S]*gcp-bearer-proxy link/,
    );
    assert.equal(second.headers['set-cookie'], undefined);
    assert.equal(connections(), 0);

    for (const sent of [cookie, `a=b; ${cookie}; c=d`, `gbp-client-1=other; ${cookie}`]) {
      assert.equal((await speak(t, url, { headers: { cookie: sent } })).status, 200);
    }
    assert.deepEqual(received().match(/^cookie:.*$/gim), ['cookie: a=b; c=d']);
    assert.ok(!received().includes('gbp-client'));
    // The same cookie for another port is another one.
    assert.equal((await speak(t, url, { headers: { cookie, host: 'localhost:81' } })).status, 401);

    const said = JSON.stringify(relay.records);
    assert.ok(said.includes('/.gcp-bearer-proxy/sign-in?code=…'));
    assert.ok(
      !said.includes(target.slice(-20)) && !said.includes(cookie.slice(-20)) && !said.includes(SECRET),
    );
  });

  test(`a code that is forged, too old or missing is refused, and it isn’t said which: ${version}`, async (t) => {
    const { url, link } = await startGuarded(t);
    const texts = new Set<string>();
    for (const target of [
      link('another-secret-of-32-characters'),
      link(SECRET, Date.now() - 3_600_000),
      '/.gcp-bearer-proxy/sign-in',
      '/.gcp-bearer-proxy/sign-in?code=',
      '/.gcp-bearer-proxy/sign-in?code=%00%ff',
      `/.gcp-bearer-proxy/sign-in?code=${SECRET}`,
    ]) {
      const { status, headers, text } = await speak(t, url, { target });
      assert.equal(status, 403);
      assert.equal(headers['set-cookie'], undefined);
      texts.add(text.slice(text.indexOf('<!doctype')));
    }
    assert.equal(texts.size, 1);
  });

  test(`only a GET uses a code up, and not one that another site has led here: ${version}`, async (t) => {
    const { url, link } = await startGuarded(t);
    const target = link();
    for (const method of ['HEAD', 'POST', 'OPTIONS']) {
      const { status, headers } = await speak(t, url, { method, target });
      assert.equal(status, 405);
      assert.equal(headers.allow, 'GET');
    }
    const visit = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    const asked = await speak(t, url, { target, headers: visit });
    assert.equal(asked.status, 403);
    assert.match(asked.text, /Continue to this private service\?/);
    assert.equal((await speak(t, url, { target, headers: { origin: 'https://evil.example' } })).status, 403);
    assert.equal((await speak(t, url, { target })).status, 303);
  });

  test(`the proxy’s own page is for those who are signed in, and harmless: ${version}`, async (t) => {
    const { url, connections } = await startGuarded(t, { name: '/<b>', path: '/<b>' });
    for (const target of [OWN_PAGES, '/.gcp-bearer-proxy']) {
      const stranger = await speak(t, url, { target });
      assert.equal(stranger.status, 401);
      assert.match(stranger.text, /You are not signed in[\s\S]*gcp-bearer-proxy link/);
      assert.ok(stranger.headers['www-authenticate']);
      const known = await speak(t, url, { target, headers: { 'proxy-authorization': BASIC } });
      assert.equal(known.status, 200);
      assert.match(known.text, /<a href="\/&#60;b&#62;">\/&#60;b&#62;<\/a>/);
      assert.match(
        String(known.headers['content-security-policy']),
        /default-src 'none'.*frame-ancestors 'none'/,
      );
      assert.equal(known.headers['cache-control'], 'no-store');
      assert.equal(known.headers['referrer-policy'], 'no-referrer');
    }
    assert.equal((await speak(t, url, { target: `${OWN_PAGES}x` })).status, 401);
    const nothing = await speak(t, url, { target: `${OWN_PAGES}x`, headers: { authorization: BASIC } });
    assert.equal(nothing.status, 404);
    assert.equal(connections(), 0);
  });

  test(`a listener without a secret has no pages of its own, and passes no cookie of others on: ${version}`, async (t) => {
    const { url, received } = await startGuarded(t, {}, { clientSecret: undefined });
    const headers = { cookie: 'gbp-client-8080=x; a=b' };
    assert.equal((await speak(t, url, { target: `${OWN_PAGES}sign-in?code=1`, headers })).status, 200);
    assert.match(received(), /^GET \/\.gcp-bearer-proxy\/sign-in\?code=1 HTTP\/1\.1\r\n/);
    assert.match(received(), /\r\ncookie: a=b\r\n/);
  });

  for (const isLocalized of [true, false]) {
    test(`an upstream neither sets nor deletes the proxy’s cookies, localized or not (${isLocalized}): ${version}`, async (t) => {
      const cookies = ['gbp-client-80=; Max-Age=0', 'GBP-CLIENT-80=x', '=gbp-client-80=x', 'a=b'];
      const lines = cookies.map((cookie) => `Set-Cookie: ${cookie}; Path=/\r\n`).join('');
      const { url } = await startGuarded(
        t,
        { localize: { redirects: isLocalized, cookies: isLocalized } },
        { answer: `HTTP/1.1 200 OK\r\n${lines}Content-Length: 0\r\n\r\n` },
      );
      const outcome = await speak(t, url, { headers: { authorization: BASIC } });
      assert.equal(outcome.status, 200);
      const text = outcome.text + JSON.stringify(outcome.headers);
      assert.doesNotMatch(text, /gbp-client/i);
      assert.match(text, /a=b; Path=\//);
    });
  }
}

test('R9: two Authorization lines are refused before anything else is asked about them', async (t) => {
  const { url, connections } = await startGuarded(t);
  for (const name of ['Authorization', 'Proxy-Authorization']) {
    const lines = `${name}: Bearer ${SECRET}\r\n${name.toLowerCase()}: Bearer other\r\n`;
    const answer = await exchangeBytes(
      url,
      `GET / HTTP/1.1\r\nHost: localhost\r\n${lines}Connection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*may have one /);
    assert.ok(!answer.includes(SECRET));
  }
  assert.equal(connections(), 0);
});

test('R9: behind the content the secret goes no further either', async (t) => {
  const { url, received } = await startGuarded(t);
  const request = httpRequest(url, {
    method: 'POST',
    headers: {
      Host: 'localhost',
      Authorization: `Bearer ${SECRET}`,
      Trailer: 'Authorization, Proxy-Authorization, Cookie, X-Sum',
      'Transfer-Encoding': 'chunked',
    },
  });
  request.addTrailers({
    Authorization: `Bearer ${SECRET}`,
    'Proxy-Authorization': BASIC,
    Proxy_Authorization: BASIC,
    'X-Sum': '7',
  });
  request.end('body');
  const [response] = await once(request, 'response');
  assert.equal((await readBody(response)).toString(), 'fine');
  assert.match(received(), /X-Sum: 7/);
  assert.ok(!received().includes(SECRET) && !received().includes(BASIC.slice(6)));
});

test('R9: gRPC is told UNAUTHENTICATED, and how to do better', async (t) => {
  const { url, connections } = await startGuarded(t);
  const { headers, status } = await ask(connectHttp2(t, url), {
    ':method': 'POST',
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  assert.equal(status, 200);
  assert.equal(headers['grpc-status'], '16');
  assert.match(String(headers['grpc-message']), /Proxy-Authorization: Bearer SECRET/);
  assert.equal(connections(), 0);
});

test('R9: a WebSocket handshake without the secret is answered over HTTP; with it, it goes through without it', async (t) => {
  const { url, received, connections, link } = await startGuarded(t, {}, { answer: SWITCHED });
  const refused = connectTo(url);
  refused.write(handshake());
  assert.match(await readUntil(refused, '}\n'), /^HTTP\/1\.1 401 [\s\S]*"client_not_authenticated"/);
  refused.destroy();
  assert.equal(connections(), 0);
  const signedIn = await exchangeBytes(
    url,
    `GET ${link()} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  );
  const [, cookie = ''] = /^Set-Cookie: ([^;]+)/m.exec(signedIn) ?? [];
  for (const line of [
    `Cookie: ${cookie}`,
    `Authorization: ${BASIC}`,
    `Proxy-Authorization: Bearer ${SECRET}`,
  ]) {
    const socket = connectTo(url);
    socket.write(handshake('/', `${line}\r\n`));
    assert.match(await readUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 101 /);
    socket.destroy();
  }
  assert.ok(
    !received().includes('gbp-client') &&
      !received().includes(SECRET) &&
      !received().includes(BASIC.slice(6)),
  );
  assert.equal(received().match(/^Authorization: Bearer google-token$/gm)?.length, 3);
});
