import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { Agent, fetch as undiciFetch } from 'undici';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { Frame, PREFACE, requestFields, toFrame, toHeaders } from '../../support/http2-frames.ts';
import { startRelay } from '../../support/relays.ts';
import {
  connectTo,
  exchangeBytes,
  readBody,
  readToEnd,
  readUntil,
  startRawUpstream,
  startUpstream,
} from '../../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const LAST = 'GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** A relay to an upstream that tells the method, the target, and how long the content was. */
async function startTelling(t: TestContext, options: Parameters<typeof startRelay>[3] = {}) {
  const { origin } = await startUpstream(t, async (request, response) => {
    const { length } = await readBody(request);
    response.end(`<${request.method} ${request.url} ${length}>`);
  });
  return startRelay(t, origin, {}, options);
}

test('HTTP/1.1 and HTTP/2 with prior knowledge are served on one port: undici and node:http2', async (t) => {
  const { url } = await startTelling(t);
  const dispatcher = new Agent();
  t.after(() => dispatcher.destroy());
  for (let i = 0; i < 3; i += 1) {
    assert.equal(await (await undiciFetch(url, { dispatcher })).text(), '<GET / 0>');
    assert.equal((await ask(connectHttp2(t, url), { ':method': 'POST' }, 'abc')).body, '<POST / 3>');
  }
});

test('the preface of HTTP/2 may come cut at any byte', async (t) => {
  const { url } = await startTelling(t);
  const bytes = Buffer.from(PREFACE);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const socket = connectTo(url);
    socket.setNoDelay(true);
    socket.write(bytes.subarray(0, cut));
    // The rest is sent once the relay can have seen the beginning: when another request was answered after it.
    await exchangeBytes(url, LAST);
    let isAnswered = false;
    socket.on('data', () => {
      isAnswered = true;
    });
    assert.equal(isAnswered, false);
    socket.write(bytes.subarray(cut));
    socket.write(Buffer.concat([toFrame(Frame.settings, 0, 0), toHeaders(1, requestFields('GET'))]));
    await readUntil(socket, '<GET / 0>');
    socket.destroy();
  }
});

test('a request of HTTP/1.1 may come cut at any byte', async (t) => {
  const { url } = await startTelling(t);
  for (let cut = 1; cut < LAST.length; cut += 1) {
    const socket = connectTo(url);
    socket.setNoDelay(true);
    socket.write(LAST.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(LAST.slice(cut));
    assert.match(await readToEnd(socket), /^HTTP\/1\.1 200 [\s\S]*<GET \/last 0>/);
  }
});

test('what begins like the preface and goes on as something else is refused', async (t) => {
  const { url } = await startTelling(t);
  for (const bytes of [
    'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n',
    'PRI / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'PRIX',
    'P\r\n\r\n',
  ]) {
    const text = await exchangeBytes(url, bytes);
    assert.match(text, /^HTTP\/1\.1 (?:400|505) /, bytes);
    assert.match(text, /"error"/);
  }
  const method = await exchangeBytes(url, LAST.replace('GET', 'PROPFIND'));
  assert.match(method, /<PROPFIND \/last 0>/);
  // Behind the preface comes no HTTP/2.
  const socket = connectTo(url);
  socket.write(`${PREFACE}GET / HTTP/1.1\r\n\r\n`);
  await readToEnd(socket);
});

test('requests sent at once without waiting are answered in order', async (t) => {
  const { url } = await startTelling(t);
  const many = Array.from({ length: 50 }, (_, i) => GET.replace(' / ', ` /${i} `)).join('');
  const text = await exchangeBytes(url, many + LAST);
  const expected = [...Array.from({ length: 50 }, (_, i) => `/${i}`), '/last'];
  assert.deepEqual(
    [...text.matchAll(/<GET (\S+) 0>/g)].map(([, target]) => target),
    expected,
  );
});

test('a head and a megabyte of content in one write are all taken, and the connection goes on', async (t) => {
  const { url } = await startTelling(t);
  const socket = connectTo(url);
  for (let i = 0; i < 3; i += 1) {
    socket.write(
      `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`,
    );
    await readUntil(socket, '<POST / 1000000>');
  }
  socket.write(LAST);
  assert.match(await readToEnd(socket), /<GET \/last 0>/);
});

test('a connection is kept for further requests', async (t) => {
  const { url } = await startTelling(t);
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ports = new Set<unknown>();
  for (let i = 0; i < 20; i += 1) {
    const request = httpRequest(url, { agent, method: i % 2 === 0 ? 'GET' : 'POST' });
    request.end(i % 2 === 0 ? undefined : 'abc');
    const [response] = await once(request, 'response');
    ports.add(response.socket.localPort);
    await readBody(response);
  }
  assert.equal(ports.size, 1);
});

test('a client that sends its request and closes its side is answered, or told apart from one that left', async (t) => {
  const { url } = await startTelling(t);
  const socket = connectTo(url);
  socket.end('PRI');
  assert.equal(await readToEnd(socket), '');
  const silent = connectTo(url);
  silent.end();
  assert.equal(await readToEnd(silent), '');
});

test('R12: other versions than the listener speaks, and request lines that two readers could see differently, are refused', async (t) => {
  const { url } = await startTelling(t);
  for (const [line, status] of [
    ['GET / HTTP/2.0', '505|400'],
    ['GET / HTTP/1.2', '505|400'],
    ['GET / HTTP/3.0', '505|400'],
    ['GET / HTTP/0.9', '505|400'],
    ['GET / http/1.1', '400'],
    ['GET /', '505|400'],
    ['GET / ', '505|400'],
    ['GET  /', '505|400'],
    ['GET\t/\tHTTP/1.1', '400'],
    ['get / HTTP/1.1', '400'],
    ['GET /\u0000 HTTP/1.1', '400'],
    ['GET / x HTTP/1.1', '400'],
    [' GET / HTTP/1.1', '400'],
  ] as const) {
    const text = await exchangeBytes(url, `${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.match(text, new RegExp(`^HTTP/1\\.1 (?:${status}) `), JSON.stringify(line));
    assert.doesNotMatch(text, /<GET/);
  }
  for (const line of ['GET  / HTTP/1.1', 'GET /  HTTP/1.1']) {
    const text = await exchangeBytes(url, `${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 400 |<GET \/ 0>/, line);
  }
});

test('bytes that are no HTTP at all are refused, and the connection closed', async (t) => {
  const { url } = await startTelling(t);
  for (const bytes of [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'SSH-2.0-OpenSSH_9.0\r\n',
    '\0'.repeat(100),
    'EHLO localhost\r\n',
    '\r\n\r\n\r\nxx',
    'x'.repeat(100_000),
  ]) {
    const text = await exchangeBytes(url, bytes);
    assert.match(text, /^HTTP\/1\.1 4\d\d /, JSON.stringify(bytes.slice(0, 20)));
    assert.match(text, /Connection: close/);
  }
});

test('R31: too many field lines, a head too large, a target too long are refused over HTTP/1.1', async (t) => {
  const { url } = await startTelling(t);
  const head = (lines: string, target = '/'): string =>
    `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines}\r\n`;
  const many = (count: number): string => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join('');
  assert.match(await exchangeBytes(url, head(many(254))), /<GET/);
  for (const [bytes, status] of [
    [head(many(255)), 431],
    [head(many(1_500)), 431],
    [head(`X: ${'y'.repeat(40_000)}\r\n`), 431],
    [head('', `/${'x'.repeat(17_000)}`), 414],
  ] as const) {
    assert.match(await exchangeBytes(url, bytes), new RegExp(`^HTTP/1\\.1 ${status} `));
  }
});

test('a refusal of what the parser can’t read arrives though the client sends on', async (t) => {
  const { url } = await startTelling(t);
  const socket = connectTo(url);
  socket.write('BREW / HTCPCP/1.0\r\n');
  socket.write('x'.repeat(1_000_000));
  assert.match(await readToEnd(socket), /^HTTP\/1\.1 400 [\s\S]*"bad_request"/);
});

test('R44: an early refusal arrives whole though the client wants the connection closed and sends on', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => {
    response.writeHead(413).end('too large'.repeat(1_000));
  });
  const { url } = await startRelay(t, origin, {}, { lingerMs: 2_000 });
  const upload = async (more: string): Promise<void> => {
    const socket = connectTo(url);
    socket.pause();
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\n${more}Content-Length: 100000000\r\n\r\n`);
    // Everything is taken, before the client looks for an answer at all.
    await new Promise<void>((resolve, reject) =>
      socket.write(Buffer.alloc(8_000_000), (error) => (error ? reject(error) : resolve())),
    );
    // It ends though the content never does.
    const text = readToEnd(socket);
    socket.resume();
    assert.match(await text, /^HTTP\/1\.1 413 [\s\S]*(too large){1000}/);
  };
  await Promise.all(['', 'Connection: close\r\n'].map(upload));
});

test('R44: after an early answer that goes out in one piece, too, the upload is stopped', async (t) => {
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large'));
  });
  const { url } = await startRelay(t, origin, {}, { lingerMs: 50 });
  const socket = connectTo(url);
  socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n${'x'.repeat(1_000)}`);
  // The content never ends, and neither would the connection.
  assert.match(await readToEnd(socket), /^HTTP\/1\.1 413 [\s\S]*\r\n\r\ntoo large$/);
});

test('requests sent at once all get their own answers before one that can’t be read is refused', async (t) => {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  let waiting = 0;
  const { origin } = await startUpstream(t, async (request, response) => {
    waiting += 1;
    if (waiting === 2) resolve();
    await go;
    response.end(`<${request.url}>`);
  });
  const { url } = await startRelay(t, origin);
  const text = await exchangeBytes(
    url,
    `${GET.replace(' / ', ' /a ')}${GET.replace(' / ', ' /b ')}GARBAGE\r\n\r\n`,
  );
  assert.match(text, /^HTTP\/1\.1 200 [^<]*<\/a>HTTP\/1\.1 200 [^<]*<\/b>HTTP\/1\.1 400 [^<]*"bad_request"/);
});
