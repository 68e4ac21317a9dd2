import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type WebSocket, WebSocketServer } from 'ws';
import { startProxy } from '../support/proxies.ts';
import { cookiesOf, startApp } from './app.ts';
import { FOREIGN_HOST, launchChromium, openPage } from './chromium.ts';

// WebSockets of pages, through the proxy to an application: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

const TOOLS = `<script>
  let socket, ended;
  const next = (type) => new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
  const opens = (url, protocols) => {
    socket = new WebSocket(url, protocols);
    socket.binaryType = 'arraybuffer';
    ended = next('close').then(({ code, reason, wasClean }) => [code, reason, wasClean]);
    return next('open').then(() => socket.protocol);
  };
  const echoes = (message) => {
    socket.send(message);
    return next('message').then(({ data }) => data);
  };
  const echoesBytes = async (size) => {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 31);
    const echo = new Uint8Array(await echoes(bytes));
    return echo.length === size && echo.every((byte, i) => byte === bytes[i]);
  };
</script>`;

interface Scene {
  readonly page: Page;
  /** Address of the application on a host of its own, and on a path of localhost. */
  readonly site: string;
  readonly path: string;
  /** Emits `connection` with the application's side of a WebSocket. */
  readonly app: EventEmitter;
  readonly handshakes: readonly IncomingMessage[];
}

/** An application that echoes, at any path but `/closed`, and a page of it. */
async function setScene(t: TestContext, scheme: 'http' | 'https' = 'http'): Promise<Scene> {
  const events = new EventEmitter();
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has('v2') ? 'v2' : false),
    verifyClient: ({ req }: { req: IncomingMessage }) => req.url !== '/closed',
  });
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  const { origin, server } = await startApp(t, {
    '/': TOOLS,
    '/login': (_request, response) => {
      response.setHeader('Set-Cookie', '__Host-sid=s3; Path=/; Secure; SameSite=None');
      response.end();
    },
  });
  const handshakes: IncomingMessage[] = [];
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    handshakes.push(request);
    sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit('connection', accepted, request));
  });
  sockets.on('connection', (socket: WebSocket) => {
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    events.emit('connection', socket);
  });
  const { port } = await startProxy(
    t,
    `routes:
  - { host: shop.localhost, upstream: "${origin}", origin: upstream }
  - { path: /shop, upstream: "${origin}" }`,
    scheme === 'https' ? { tlsNames: ['shop.localhost'] } : {},
  );
  const page = await openPage(t, browser, { ignoreHTTPSErrors: true });
  const site = `${scheme}://shop.localhost:${port}`;
  await page.goto(`${site}/`);
  return { page, site, path: `${scheme}://localhost:${port}/shop`, app: events, handshakes };
}

for (const scheme of ['http', 'https'] as const) {
  test(`R47: a page’s WebSocket carries text and a megabyte of bytes both ways (${scheme})`, async (t) => {
    const { page, handshakes } = await setScene(t, scheme);
    assert.equal(await page.evaluate(`opens('/live?day=1', ['v1', 'v2'])`), 'v2');
    assert.equal(await page.evaluate(`echoes('ünï')`), 'ünï');
    assert.equal(await page.evaluate('echoesBytes(1_000_000)'), true);
    assert.equal(await page.evaluate(`echoes('')`), '');
    assert.deepEqual(
      handshakes.map(({ url }) => url),
      ['/live?day=1'],
    );
  });

  test(`R47: code and reason of a WebSocket’s end arrive on the other side (${scheme})`, async (t) => {
    const { page, app } = await setScene(t, scheme);
    const connected = once(app, 'connection');
    await page.evaluate(`opens('/live')`);
    const [first] = (await connected) as [WebSocket];
    const closed = once(first, 'close');
    assert.deepEqual(await page.evaluate(`{ socket.close(3001, 'the page is done'); ended }`), [
      3001,
      'the page is done',
      true,
    ]);
    const [code, reason] = (await closed) as [number, Buffer];
    assert.deepEqual([code, reason.toString()], [3001, 'the page is done']);

    const again = once(app, 'connection');
    await page.evaluate(`opens('/live')`);
    const [second] = (await again) as [WebSocket];
    second.close(4002, 'the application is done');
    assert.deepEqual(await page.evaluate('ended'), [4002, 'the application is done', true]);
  });
}

test('R38: a WebSocket’s handshake has the cookies and the origin that requests have', async (t) => {
  const { page, site, path, handshakes } = await setScene(t);
  for (const place of [site, path]) {
    await page.goto(`${place}/login`);
    await page.goto(`${place}/`);
    await page.evaluate(`opens('${place}/live')`);
    const { url, headers } = handshakes.at(-1) as IncomingMessage;
    assert.equal(url, '/live');
    assert.deepEqual(cookiesOf(handshakes.at(-1) as IncomingMessage), ['__Host-sid=s3'], place);
    const origin = place === site ? `http://${headers.host}` : new URL(place).origin;
    assert.equal(headers.origin, origin);
  }
});

test('R5: a page of a stranger can’t open a WebSocket, and the application hears nothing of it', async (t) => {
  const { page, site, path, handshakes } = await setScene(t);
  const stranger = await startApp(t, { '/': TOOLS });
  await page.goto(`${stranger.origin.replace('127.0.0.1', FOREIGN_HOST)}/`);
  for (const place of [site, path, site.replace('shop.localhost', FOREIGN_HOST)]) {
    assert.deepEqual(await page.evaluate(`{ opens('${place}/live'); ended }`), [1006, '', false]);
  }
  assert.deepEqual(handshakes, []);
});

test('R45: a page sees a refused handshake, and an upstream that breaks off, as a failure', async (t) => {
  const { page, app, handshakes } = await setScene(t);
  assert.deepEqual(await page.evaluate(`{ opens('/closed'); ended }`), [1006, '', false]);
  assert.equal(handshakes.length, 1);
  const connected = once(app, 'connection');
  await page.evaluate(`opens('/live')`);
  const [socket] = (await connected) as [WebSocket];
  socket.terminate();
  assert.deepEqual(await page.evaluate('ended'), [1006, '', false]);
});

test('a page that goes away takes its WebSockets with it, and no others', async (t) => {
  const { page, site, app } = await setScene(t);
  const connected = once(app, 'connection');
  await page.evaluate(`opens('/live')`);
  const [socket] = (await connected) as [WebSocket];
  const other = await page.context().newPage();
  await other.goto(`${site}/`);
  await other.evaluate(`opens('/live')`);
  await Promise.all([once(socket, 'close'), page.close()]);
  assert.equal(await other.evaluate(`echoes('still here')`), 'still here');
});
