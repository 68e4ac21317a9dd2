import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  connectRawHttp2,
  Flag,
  Frame,
  isRefusal,
  requestFields,
  toFrame,
  toHeaders,
} from '../../support/http2-frames.ts';
import { startRelay } from '../../support/relays.ts';
import {
  connectTo,
  exchangeBytes,
  readBody,
  readToEnd,
  readUntil,
  startUpstream,
} from '../../support/sockets.ts';

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function startTelling(t: TestContext) {
  const seen: string[] = [];
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request).catch(() => undefined);
    if (body === undefined) return;
    seen.push(`${request.method} ${request.url} ${body.length} ${request.headers['x-forwarded-host']}`);
    response.end(`<${request.method} ${request.url}>`);
  });
  return { url: (await startRelay(t, origin)).url, seen };
}

test('R28, R30: nothing behind a request whose end is in doubt is served, and its connection is closed', async (t) => {
  const { url, seen } = await startTelling(t);
  for (const [line, status] of [
    ['Transfer-Encoding: identity, chunked', 501],
    ['Transfer-Encoding: gzip', 501],
    ['Transfer-Encoding: \u00a0chunked', 501],
    ['Content-Length: 9007199254740993', 400],
    ['Content-Length: 5, 5', 400],
  ] as const) {
    const text = await exchangeBytes(
      url,
      `POST / HTTP/1.1\r\nHost: localhost\r\n${line}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    );
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), line);
    assert.match(text, /\r\nConnection: close\r\n/, line);
    assert.equal(text.split(/HTTP\/1\.1 \d/).length, 2, line);
  }
  assert.deepEqual(seen, []);
});

test('R28: a request that is refused over HTTP/1.0 keep-alive takes what follows it along', async (t) => {
  const { url, seen } = await startTelling(t);
  const head =
    'POST / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.match(await exchangeBytes(url, `${head}0\r\n\r\n${SMUGGLED}`), /^HTTP\/1\.1 400 /);
  assert.deepEqual(seen, []);
});

test('R28: only Connection keeps HTTP/1.0 going', async (t) => {
  const { url, seen } = await startTelling(t);
  const get = (line: string): string => `GET / HTTP/1.0\r\nHost: localhost\r\n${line}\r\n\r\n`;
  const last = 'GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  await exchangeBytes(url, get('Proxy-Connection: keep-alive') + last);
  assert.deepEqual(seen, ['GET / 0 localhost']);
  await exchangeBytes(url, get('Connection: x, Keep-Alive') + last);
  assert.deepEqual(seen.sort(), ['GET / 0 localhost', 'GET / 0 localhost', 'GET /last 0 localhost']);
});

test('R28, R46: what comes with a request for another protocol is not lost in part and taken for a request from its midst', async (t) => {
  const { url, seen } = await startTelling(t);
  const socket = connectTo(url);
  const answered = readUntil(socket, '<GET /1>');
  const all = readToEnd(socket);
  const upgrade = 'GET /1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
  // The head of the second request would get lost, and its body be a request.
  socket.write(`${upgrade}POST /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n`);
  await answered;
  socket.write(SMUGGLED);
  const text = await all;
  assert.match(text, /^HTTP\/1\.1 200 .*\r\nConnection: close\r\n/s);
  assert.equal(text.split(/HTTP\/1\.1 \d/).length, 2);
  assert.deepEqual(seen, [`GET /1 0 localhost`]);
});

test('R11: CONNECT behind another request is refused once that is answered', async (t) => {
  const { url } = await startTelling(t);
  const text = await exchangeBytes(
    url,
    'GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nCONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 200 .*<GET \/1>HTTP\/1\.1 405 /s);
});

test('R4, R12: a request without a Host is refused in our own words', async (t) => {
  const { url, seen } = await startTelling(t);
  for (const version of ['1.0', '1.1']) {
    const text = await exchangeBytes(url, `GET / HTTP/${version}\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 400 .*"bad_host"/s);
  }
  assert.deepEqual(seen, []);
});

test('R11, R39: of an absolute-form target and a Host, the target says whom the client asked for', async (t) => {
  const { url, seen } = await startTelling(t);
  await exchangeBytes(
    url,
    'GET http://shop.localhost/x HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n',
  );
  assert.deepEqual(seen, ['GET /x 0 shop.localhost']);
});

test('R29: content over HTTP/2 that turns out to be none, before its upstream connection stands, goes on', async (t) => {
  const { url, seen } = await startTelling(t);
  const client = connectRawHttp2(url);
  client.send(
    toHeaders(1, requestFields('OPTIONS'), Flag.endHeaders),
    toFrame(Frame.data, Flag.endStream, 1),
  );
  await client.find(({ streamId, flags }) => streamId === 1 && (flags & Flag.endStream) !== 0);
  client.socket.destroy();
  assert.deepEqual(seen, ['OPTIONS / 0 localhost']);
});

test('R28: over HTTP/2, an announcement of nothing before content makes no whole request upstream', async (t) => {
  const { url, seen } = await startTelling(t);
  const get = (target: string): Promise<string> =>
    exchangeBytes(url, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  // Leaves a connection to the upstream, so that nothing is waited for.
  await get('/first');
  const client = connectRawHttp2(url);
  client.send(
    toHeaders(1, requestFields('POST', ['content-length', '0']), Flag.endHeaders),
    toFrame(Frame.data, Flag.endStream, 1, Buffer.from('hello')),
  );
  await client.find(isRefusal);
  client.socket.destroy();
  await get('/last');
  assert.deepEqual(seen, ['GET /first 0 localhost', 'GET /last 0 localhost']);
});
