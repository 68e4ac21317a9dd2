import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, type TestContext, test } from 'node:test';
import { startProxy } from '../support/proxies.ts';
import { type App, startApp } from './app.ts';
import { launchChromium, openPage } from './chromium.ts';

// Bodies and events that come piece by piece, read and written by a page: `npm run test:browser`. No side sends the next
// piece before the other one has said that it has the one before, so that anything held back on the way hangs the test.

const browser = await launchChromium();
after(() => browser.close());

/** Binary, so that browsers don't wait for more of it to guess what it is. */
const BINARY = { 'Content-Type': 'application/octet-stream' };

/** An application's address on a proxy of its own. */
async function serve(t: TestContext, app: App, isTls: boolean): Promise<string> {
  const routes = `routes: [{ host: shop.localhost, upstream: "${app.origin}" }]`;
  const { port } = await startProxy(t, routes, isTls ? { tlsNames: ['shop.localhost'] } : {});
  return `${isTls ? 'https' : 'http'}://shop.localhost:${port}`;
}

/** For contexts that take the listener's certificate. */
const ANY_CERTIFICATE = { ignoreHTTPSErrors: true };

const READER = `<script>
  async function read(path) {
    const reader = (await fetch(path)).body.getReader();
    const pieces = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return pieces;
      pieces.push(new TextDecoder().decode(value));
      await fetch('ack');
    }
  }
</script>`;

for (const scheme of ['http', 'https'] as const) {
  test(`a page reads a response piece by piece while the upstream writes it (${scheme})`, async (t) => {
    let streaming: ServerResponse | undefined;
    let sent = 0;
    const sendNext = (): void => {
      sent += 1;
      if (sent > 5) streaming?.end();
      else streaming?.write(`piece ${sent}`);
    };
    const app = await startApp(t, {
      '/': READER,
      '/stream': (_request, response) => {
        streaming = response.writeHead(200, BINARY);
        sendNext();
      },
      '/ack': (_request, response) => {
        response.end();
        sendNext();
      },
    });
    const site = await serve(t, app, scheme === 'https');
    const page = await openPage(t, browser, ANY_CERTIFICATE);
    await page.goto(`${site}/`);
    const pieces = await page.evaluate<string[]>('read("stream")');
    assert.deepEqual(pieces, ['piece 1', 'piece 2', 'piece 3', 'piece 4', 'piece 5']);
  });
}

const WRITER = `<script>
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  const answer = fetch('upload', { method: 'POST', body: readable, duplex: 'half' }).then((r) => r.text());
  const write = (text) => writer.write(new TextEncoder().encode(text));
</script>`;

test('a page writes a request piece by piece while the upstream reads it, over HTTP/2', async (t) => {
  const arrived = new EventEmitter();
  const app = await startApp(t, {
    '/': WRITER,
    '/upload': (request, response) => {
      request.on('data', (piece: Buffer) => arrived.emit('piece', piece.toString()));
      request.on('end', () => response.end('all there'));
    },
  });
  const site = await serve(t, app, true);
  const page = await openPage(t, browser, ANY_CERTIFICATE);
  await page.goto(`${site}/`);
  for (const text of ['one', 'two', 'three']) {
    const piece = once(arrived, 'piece');
    await page.evaluate(`write(${JSON.stringify(text)})`);
    assert.deepEqual(await piece, [text]);
  }
  await page.evaluate('writer.close()');
  assert.equal(await page.evaluate('answer'), 'all there');
});

const ABORTING = `<script>
  const controller = new AbortController();
  const start = async (path, options) => {
    try {
      const response = await fetch(path, { signal: controller.signal, ...options });
      document.title = 'begun';
      await response.text();
    } catch (error) {
      document.title = error.name;
    }
  };
</script>`;

const ABORTED = [
  { when: 'before the response', scheme: 'http', script: `start('silent')` },
  { when: 'before the response', scheme: 'https', script: `start('silent')` },
  { when: 'within the response', scheme: 'http', script: `start('endless')` },
  { when: 'within the response', scheme: 'https', script: `start('endless')` },
];

for (const { when, scheme, script } of ABORTED) {
  test(`R41: a page that aborts ${when} closes the upstream’s request (${scheme})`, async (t) => {
    const events = new EventEmitter();
    const answer = (begins: boolean) => (_request: IncomingMessage, response: ServerResponse) => {
      response.on('close', () => events.emit('closed', response.writableFinished));
      if (begins) response.writeHead(200, BINARY).write('begun');
      events.emit('asked');
    };
    const app = await startApp(t, { '/': ABORTING, '/silent': answer(false), '/endless': answer(true) });
    const site = await serve(t, app, scheme === 'https');
    const page = await openPage(t, browser, ANY_CERTIFICATE);
    await page.goto(`${site}/`);
    const [asked, closed] = [once(events, 'asked'), once(events, 'closed')];
    await page.evaluate(`void ${script}`);
    await asked;
    if (script.includes('endless')) await page.waitForFunction('document.title === "begun"');
    await page.evaluate('controller.abort()');
    assert.deepEqual(await closed, [false]);
    await page.waitForFunction('document.title === "AbortError"');
  });
}

for (const scheme of ['http', 'https'] as const) {
  test(`R41: a page that aborts an upload ends it for an upstream that is slow to read (${scheme})`, async (t) => {
    const events = new EventEmitter();
    const app = await startApp(t, {
      '/': ABORTING,
      '/upload': (request, response) => {
        response.on('close', () => events.emit('closed', request.complete));
        events.emit('asked', request);
      },
    });
    const site = await serve(t, app, scheme === 'https');
    const page = await openPage(t, browser, ANY_CERTIFICATE);
    await page.goto(`${site}/`);
    const [asked, closed] = [once(events, 'asked'), once(events, 'closed')];
    await page.evaluate(
      `void start('upload', { method: 'POST', body: new Blob([new Uint8Array(20_000_000)]) })`,
    );
    const [request] = (await asked) as [IncomingMessage];
    await page.evaluate('controller.abort()');
    await page.waitForFunction('document.title === "AbortError"');
    request.resume(); // with bytes unread, nobody is told that a connection has ended
    assert.deepEqual(await closed, [false]);
  });
}

test('R41: a page that goes away closes the upstream’s requests', async (t) => {
  const events = new EventEmitter();
  const app = await startApp(t, {
    '/': ABORTING,
    '/endless': (_request, response) => {
      response.on('close', () => events.emit('closed'));
      response.writeHead(200, BINARY).write('begun');
    },
    '/elsewhere': 'elsewhere',
  });
  const site = await serve(t, app, false);
  const page = await openPage(t, browser);
  for (const leave of [() => page.goto(`${site}/elsewhere`), () => page.close()]) {
    await page.goto(`${site}/`);
    await page.evaluate(`void start('endless')`);
    await page.waitForFunction('document.title === "begun"');
    await Promise.all([once(events, 'closed'), leave()]);
  }
});

test('R42: an upstream that dies within a response is an error in the page, not an end', async (t) => {
  const app = await startApp(t, {
    '/': ABORTING,
    '/dying': (_request, response) => {
      response.writeHead(200, BINARY).write('begun', () => response.destroy());
    },
  });
  for (const isTls of [false, true]) {
    const site = await serve(t, app, isTls);
    const page = await openPage(t, browser, ANY_CERTIFICATE);
    await page.goto(`${site}/`);
    await page.evaluate(`start('dying')`);
    assert.equal(await page.title(), 'TypeError', site);
  }
});

const LISTENER = `<script>
  const source = new EventSource('events');
  source.onmessage = (event) => fetch('ack?' + event.lastEventId + event.data);
  source.addEventListener('special', (event) => fetch('ack?special' + event.data));
</script>`;

test('events come to an EventSource one by one, it reconnects where it was, and its end is the upstream’s', async (t) => {
  const events = new EventEmitter();
  const app = await startApp(t, {
    '/': LISTENER,
    '/events': (request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
      response.write('retry: 1\n\n');
      events.emit('opened', response, request.headers['last-event-id']);
    },
    '/ack': (request, response) => {
      response.end();
      events.emit('ack', request.url);
    },
  });
  const { port } = await startProxy(t, `routes: [{ path: /shop, upstream: "${app.origin}" }]`);
  const page = await openPage(t, browser);
  const opened = once(events, 'opened');
  await page.goto(`http://localhost:${port}/shop/`);
  const [stream, lastId] = (await opened) as [ServerResponse, string | undefined];
  assert.equal(lastId, undefined);
  const tell = async (response: ServerResponse, event: string): Promise<unknown> => {
    const ack = once(events, 'ack');
    response.write(`${event}\n\n`);
    return (await ack)[0];
  };
  assert.equal(await tell(stream, 'id: 1\ndata: a'), '/ack?1a');
  assert.equal(await tell(stream, ': a comment\n\nid: 2\ndata: b'), '/ack?2b');
  assert.equal(await tell(stream, 'event: special\ndata: c'), '/ack?specialc');
  const reopened = once(events, 'opened');
  stream.end();
  const [second, secondId] = (await reopened) as [ServerResponse, string | undefined];
  assert.equal(secondId, '2');
  assert.equal(await tell(second, 'id: 3\ndata: d'), '/ack?3d');
  const broken = once(events, 'opened');
  second.destroy();
  const [third, thirdId] = (await broken) as [ServerResponse, string | undefined];
  assert.equal(thirdId, '3');
  const closed = once(third, 'close');
  await page.evaluate('source.close()');
  await closed;
  assert.equal(app.count('/events'), 3);
});
