import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { startRelay } from '../support/relays.ts';
import {
  connectTo,
  exchangeBytes,
  readBody,
  readUntil,
  startRawUpstream,
  startUpstream,
} from '../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** An upstream that answers each request with these bytes, once its head is there. */
async function startAnswering(t: TestContext, bytes: string): Promise<string> {
  const { origin } = await startRawUpstream(t, (socket) => socket.once('data', () => socket.end(bytes)));
  return origin;
}

const EARLY_HINTS =
  'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('R34: 103 is relayed without what is about the connection, the token dropped, and the final response follows', async (t) => {
  const origin = await startAnswering(
    t,
    `${EARLY_HINTS}HTTP/1.1 103 Early Hints\r\nLink: </b.js>; rel=preload\r\nX-Leak: token\r\n\r\n${OK}`,
  );
  const relay = await startRelay(t, origin);
  const text = await exchangeBytes(relay.url, GET);
  assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 103 /i);
  assert.match(text, /\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
  assert.doesNotMatch(text, /X-Hop|X-Leak/i);
});

test('R34: 103 is relayed to a client that speaks HTTP/2', async (t) => {
  const relay = await startRelay(t, await startAnswering(t, EARLY_HINTS + OK));
  const session = connectHttp2(relay.url);
  const stream = session.request({ ':path': '/' });
  const hints = once(stream, 'headers');
  const [head] = await once(stream, 'response');
  const [early] = await hints;
  assert.equal(early[':status'], 103);
  assert.equal(early.link, '</a.css>; rel=preload');
  assert.equal(head[':status'], 200);
  session.destroy();
});

test('R34: a client of HTTP/1.0 gets no interim response, and nobody one that wasn’t asked for', async (t) => {
  const relay = await startRelay(
    t,
    await startAnswering(t, `HTTP/1.1 100 Continue\r\n\r\n${EARLY_HINTS}${OK}`),
  );
  assert.match(
    await exchangeBytes(relay.url, 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n'),
    /^HTTP\/1\.1 200 /,
  );
  assert.match(await exchangeBytes(relay.url, GET), /^HTTP\/1\.1 103 [\s\S]*?\r\n\r\nHTTP\/1\.1 200 /);
});

test('R34: an upstream that never comes to its final response is a 502', async (t) => {
  const relay = await startRelay(t, await startAnswering(t, EARLY_HINTS.repeat(200)));
  const text = await exchangeBytes(relay.url, GET);
  assert.match(text, /HTTP\/1\.1 502 /);
  assert.equal(relay.records[0]?.error, 'bad_upstream_response');
});

test('R20: an upstream that refuses is heard before the body is sent, and the body never is', async (t) => {
  const received: string[] = [];
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received.push(chunk.toString('latin1'));
      socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!');
    });
  });
  const relay = await startRelay(t, origin);
  const client = connectTo(relay.url);
  client.write('PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  const text = await readUntil(client, 'no!');
  assert.match(text, /^HTTP\/1\.1 413 /);
  client.destroy();
  assert.equal(received.length, 1);
  assert.match(received[0] ?? '', /\r\nAuthorization: Bearer token\r\n/);
  assert.match(received[0] ?? '', /\r\nExpect: 100-continue\r\n/);
});

test('R20: a client of HTTP/2 that expects 100-continue gets it from the upstream', async (t) => {
  const { origin } = await startUpstream(t, async (request, response) => {
    response.end(`${request.headers.expect} ${await readBody(request)}`);
  });
  const relay = await startRelay(t, origin);
  const session = connectHttp2(relay.url);
  const stream = session.request({ ':path': '/', ':method': 'PUT', expect: '100-continue' });
  await once(stream, 'continue');
  stream.end('hello');
  let text = '';
  for await (const chunk of stream) text += chunk;
  assert.equal(text, '100-continue hello');
  session.destroy();
});

test('an expectation other than 100-continue is a 417, and no request is sent', async (t) => {
  const { origin, sockets } = await startRawUpstream(t, () => {});
  const relay = await startRelay(t, origin);
  const text = await exchangeBytes(relay.url, GET.replace('Connection', 'Expect: magic\r\nConnection'));
  assert.match(text, /^HTTP\/1\.1 417 [\s\S]*"expectation_failed"/);
  assert.equal(sockets.length, 0);
});

test('R33: trailers of a response come back in chunks, minus what trailers may not say', async (t) => {
  const relay = await startRelay(
    t,
    await startAnswering(
      t,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nX-Leak: a token b\r\n\r\n',
    ),
  );
  const text = await exchangeBytes(relay.url, GET);
  assert.match(text, /\r\nTrailer: X-Sum\r\n/);
  assert.match(text, /\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n$/);
  const session = connectHttp2(relay.url);
  const stream = session.request({ ':path': '/' });
  const trailers = once(stream, 'trailers');
  stream.resume();
  assert.equal((await trailers)[0]['x-sum'], '42');
  assert.equal((await trailers)[0]['set-cookie'], undefined);
  session.destroy();
});

test('R33: trailers behind a refusal come back as well, whoever refuses', async (t) => {
  const head = 'HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n';
  const relay = await startRelay(t, await startAnswering(t, `${head}3\r\nno!\r\n0\r\nX-Sum: 42\r\n\r\n`));
  assert.match(await exchangeBytes(relay.url, GET), /\r\nno!\r\n0\r\nX-Sum: 42\r\n\r\n$/);
});

test('R33: trailers of a request reach the upstream, from HTTP/1.1 and from HTTP/2', async (t) => {
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    response.end(
      JSON.stringify({ body: body.toString(), te: request.headers.te, trailers: request.rawTrailers }),
    );
  });
  const relay = await startRelay(t, origin);
  const expected = { body: 'hi', te: 'trailers' };
  const request = httpRequest(relay.url, {
    method: 'POST',
    headers: { Trailer: 'X-Sum, Authorization', TE: 'deflate, trailers' },
  });
  request.addTrailers({ 'X-Sum': '42', Authorization: 'Bearer theirs', Host: 'evil' });
  request.end('hi');
  const [response] = await once(request, 'response');
  assert.deepEqual(JSON.parse((await readBody(response)).toString()), {
    ...expected,
    trailers: ['X-Sum', '42'],
  });

  const session = connectHttp2(relay.url);
  const stream = session.request(
    { ':path': '/', ':method': 'POST', te: 'trailers' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42', authorization: 'Bearer theirs' }));
  stream.end('hi');
  let text = '';
  for await (const chunk of stream) text += chunk;
  assert.deepEqual(JSON.parse(text), { ...expected, trailers: ['x-sum', '42'] });
  session.destroy();
});

test('R32: Trailer without chunks does no harm on either side, and goes no further', async (t) => {
  const relay = await startRelay(
    t,
    await startAnswering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTrailer: X-Sum\r\n\r\nok'),
  );
  const head = 'POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTrailer: X-Sum\r\n';
  for (const request of [`${head}Content-Length: 2\r\n\r\nhi`, `${head}\r\n`]) {
    const text = await exchangeBytes(relay.url, request);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
    assert.doesNotMatch(text, /Trailer/i);
  }
  const chunked = await startRelay(
    t,
    await startAnswering(
      t,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n0\r\nX-Sum: 1\r\n\r\n',
    ),
  );
  assert.match(await exchangeBytes(chunked.url, GET.replace('GET', 'HEAD')), /^HTTP\/1\.1 200 /);
  assert.match(
    await exchangeBytes(chunked.url, 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n'),
    /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/,
  );
});

test('a header that says "Trailer" is kept where no trailers can come', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nAccess-Control-Expose-Headers: Trailer\r\n';
  const { url } = await startRelay(
    t,
    await startAnswering(t, `${head}X-Next: 1\r\nTrailer: X-Sum\r\n\r\n0\r\n\r\n`),
  );
  for (const request of [GET.replace('GET', 'HEAD'), 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n']) {
    const text = await exchangeBytes(url, request);
    assert.match(text, /\r\nAccess-Control-Expose-Headers: Trailer\r\nX-Next: 1\r\n/);
    assert.doesNotMatch(text, /\r\nTrailer:/);
  }
});
