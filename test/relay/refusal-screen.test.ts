import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { HeldToken, TokenSource } from '../../src/auth/token-source.ts';
import { type Relay, startRelay } from '../support/relays.ts';
import { heldToken, staticTokens } from '../support/sites.ts';
import { connectTo, exchangeBytes, readToEnd, startUpstream } from '../support/sockets.ts';
import { send } from '../support/stack.ts';

/** The page of Google's front end. */
const PAGE = `<html><head>
<meta http-equiv="content-type" content="text/html;charset=utf-8">
<title>401 Unauthorized</title>
</head>
<body text=#000000 bgcolor=#ffffff>
<h1>Error: Unauthorized</h1>
<h2>Your client does not have permission to the requested URL <code>/x</code>.</h2>
<h2></h2>
</body></html>`;
const HTML = { 'Content-Type': 'text/html; charset=UTF-8' };
const CHALLENGE = {
  'WWW-Authenticate':
    'Bearer error="invalid_token" error_description="The access token could not be verified"',
};

function refuse(response: ServerResponse, status = 401): void {
  const page = status === 401 ? PAGE : PAGE.replaceAll('401 Unauthorized', '403 Forbidden');
  const text = status === 401 ? page : page.replace('Error: Unauthorized', 'Error: Forbidden');
  response.writeHead(status, { ...HTML, ...(status === 401 && CHALLENGE) });
  response.end(text);
}

interface Scene extends Relay {
  /** `METHOD token` of each request that reached the upstream. */
  readonly seen: string[];
  /** Tokens that `replace` was called with. */
  readonly refused: string[];
}

/** A relay whose upstream refuses the token `old` as Google's front end does, and takes any other. */
async function startScene(
  t: TestContext,
  next: HeldToken | undefined | Promise<HeldToken | undefined>,
  handler?: RequestListener,
): Promise<Scene> {
  const seen: string[] = [];
  const refused: string[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    seen.push(`${request.method} ${token}`);
    request.resume();
    if (handler !== undefined) handler(request, response);
    else if (token === 'old') refuse(response);
    else response.writeHead(200, { 'X-App': 'yes' }).end(`seen with ${token}`);
  });
  const tokens: TokenSource = {
    ...staticTokens('old'),
    replace: async (token) => {
      refused.push(token.value);
      return next;
    },
  };
  return { ...(await startRelay(t, origin, { tokens })), seen, refused };
}

test('R56: a request that Google’s front end refuses is sent once more with a new token', async (t) => {
  const { url, seen, refused, records } = await startScene(t, heldToken('new'));
  const reply = await send(url, '/x');
  assert.deepEqual([reply.status, reply.text], [200, 'seen with new']);
  assert.equal(reply.headers['proxy-status'], undefined);
  assert.deepEqual(seen, ['GET old', 'GET new']);
  assert.deepEqual(refused, ['old']);
  assert.deepEqual([records[0]?.isReplay, records[0]?.status], [true, 200]);
});

test('R56: no method without a body is excepted, as no application has seen the request', async (t) => {
  const { url, seen } = await startScene(t, heldToken('new'));
  for (const method of ['HEAD', 'DELETE', 'POST']) assert.equal((await send(url, '/x', method)).status, 200);
  assert.equal(seen.length, 6);
});

test('R56: a second refusal goes to the client as it came: there is no third try', async (t) => {
  const { url, seen, refused, records } = await startScene(t, heldToken('newer'), (_request, response) =>
    refuse(response),
  );
  const reply = await send(url, '/x');
  assert.deepEqual([reply.status, reply.text], [401, PAGE]);
  assert.equal(reply.headers['www-authenticate'], CHALLENGE['WWW-Authenticate']);
  assert.match(
    String(reply.headers['proxy-status']),
    /^gcp-bearer-proxy; received-status=401; details="google-front-end: [\w-]+"$/,
  );
  assert.deepEqual(seen, ['GET old', 'GET newer']);
  assert.deepEqual(refused, ['old']);
  assert.equal(records[0]?.refusal?.by, 'google-front-end');
  assert.match(records[0]?.refusal?.message ?? '', /\.$/);
});

test('R56: with no other token to be had, the refusal goes to the client untouched', async (t) => {
  const { url, seen } = await startScene(t, undefined);
  const reply = await send(url, '/x');
  assert.deepEqual([reply.status, reply.text], [401, PAGE]);
  assert.deepEqual(seen, ['GET old']);
});

test('R56: a request with a body is never sent twice, but the token is replaced for the next', async (t) => {
  const { url, seen, refused } = await startScene(t, heldToken('new'));
  const reply = await send(url, '/x', 'PUT', { 'Content-Length': '2' }, 'hi');
  assert.deepEqual([reply.status, reply.text], [401, PAGE]);
  assert.deepEqual([seen, refused], [['PUT old'], ['old']]);
});

test('a 403 from the front end is tried again like a 401, a 404 is not', async (t) => {
  for (const [status, count] of [
    [403, 2],
    [404, 1],
  ] as const) {
    const { url, seen } = await startScene(t, heldToken('new'), (_request, response) =>
      refuse(response, status),
    );
    assert.equal((await send(url, '/x')).status, status);
    assert.equal(seen.length, count);
  }
});

test('a page of Google’s is known when it comes compressed, and goes on as it came', async (t) => {
  const codings = { gzip: gzipSync(PAGE), br: brotliCompressSync(PAGE), deflate: deflateSync(PAGE) };
  for (const [coding, body] of Object.entries(codings)) {
    const { url, records } = await startScene(t, undefined, (_request, response) =>
      response.writeHead(401, { ...HTML, 'Content-Encoding': coding }).end(body),
    );
    const response = await fetch(`${url}/x`);
    assert.equal(await response.text(), PAGE);
    assert.equal(records[0]?.refusal?.by, 'google-front-end', coding);
  }
});

test('what says it is compressed and isn’t, or would grow without bound, is the application’s', async (t) => {
  const bodies: [string, Buffer][] = [
    ['gzip', Buffer.from(PAGE)],
    ['gzip', gzipSync(Buffer.alloc(50_000_000))],
    ['zstd', Buffer.from(PAGE)],
  ];
  for (const [coding, body] of bodies) {
    const { url, records } = await startScene(t, undefined, (_request, response) =>
      response.writeHead(401, { ...HTML, 'Content-Encoding': coding }).end(body),
    );
    assert.equal((await send(url, '/x')).status, 401);
    assert.equal(records[0]?.refusal, undefined);
  }
});

test('an application’s own refusal goes on at once, and Proxy-Status says that it is the application’s', async (t) => {
  const answers: [number, Record<string, string>, string][] = [
    [
      401,
      { 'Content-Type': 'application/json', 'WWW-Authenticate': 'Bearer realm="shop"' },
      '{"error":"login"}',
    ],
    [403, { 'Content-Type': 'text/html; charset=UTF-8' }, '<!doctype html><title>Forbidden by shop</title>'],
    [401, {}, ''],
  ];
  for (const [status, headers, body] of answers) {
    const { url, seen, refused, records } = await startScene(t, heldToken('new'), (_request, response) =>
      response.writeHead(status, headers).end(body),
    );
    const reply = await send(url, '/x');
    assert.deepEqual([reply.status, reply.text], [status, body]);
    assert.equal(
      reply.headers['proxy-status'],
      `gcp-bearer-proxy; received-status=${status}; details="application"`,
    );
    assert.deepEqual([seen.length, refused], [1, []]);
    assert.equal(records[0]?.refusal, undefined);
  }
});

test('an application’s 404 has nothing added', async (t) => {
  const { url } = await startScene(t, undefined, (_request, response) =>
    response.writeHead(404, HTML).end('<title>Shop</title>'),
  );
  const reply = await send(url, '/x');
  assert.deepEqual([reply.status, reply.text], [404, '<title>Shop</title>']);
  assert.notEqual(reply.headers['proxy-status'], '');
});

test('a refusal that comes in pieces arrives whole, also while a new token is being asked for', async (t) => {
  const page = PAGE + 'x'.repeat(200_000);
  const waiting = Promise.withResolvers<HeldToken | undefined>();
  const { url } = await startScene(t, waiting.promise, (_request, response) => {
    response.writeHead(401, { ...HTML, ...CHALLENGE });
    response.write(PAGE);
    setImmediate(() => {
      response.end('x'.repeat(200_000));
      setImmediate(() => waiting.resolve(undefined));
    });
  });
  const reply = await send(url, '/x');
  assert.equal(reply.status, 401);
  assert.equal(reply.text, page);
});

test('a client that goes away while a new token is asked for leaves nothing behind', async (t) => {
  const waiting = Promise.withResolvers<HeldToken | undefined>();
  const { url, seen, refused, nextRecord } = await startScene(t, waiting.promise);
  const socket = connectTo(url);
  socket.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
  while (refused.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const record = nextRecord();
  socket.destroy();
  assert.equal((await record).status, 0);
  waiting.resolve(heldToken('new'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, ['GET old']);
});

test('the next request on the same connection is served after a replay', async (t) => {
  const { url } = await startScene(t, heldToken('new'));
  const text = await exchangeBytes(
    url,
    'GET /x HTTP/1.1\r\nHost: localhost\r\n\r\nGET /y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  );
  assert.equal(text.match(/seen with new/g)?.length, 2);
});

test('an upstream that dies in the middle of a refusal is an error, not a clean end', async (t) => {
  const { url } = await startScene(t, new Promise(() => {}), (_request, response) => {
    response.writeHead(401, { ...HTML, ...CHALLENGE, 'Content-Length': '10000' });
    response.write(PAGE, () => response.destroy());
  });
  const socket = connectTo(url);
  socket.write('GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [first] = await once(socket, 'data');
  assert.match(String(first), /^HTTP\/1\.1 502 /);
  socket.destroy();
  await readToEnd(socket).catch(() => {});
});
