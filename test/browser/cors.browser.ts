import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { RequestListener } from 'node:http';
import { after, type TestContext, test } from 'node:test';
import type { ConsoleMessage, Page } from 'playwright-core';
import { startProxy, type TestProxy } from '../support/proxies.ts';
import { closedPort, readBody } from '../support/sockets.ts';
import { type App, cookiesOf, type Pages, redirect, startApp } from './app.ts';
import { FOREIGN_HOST, launchChromium, openPage } from './chromium.ts';

// Pages of other origins that call services through the proxy, or try to: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

const TOOLS = `<script>
  const ask = async (url, options) => {
    try {
      const response = await fetch(url, options);
      return { status: response.status, text: await response.text(), headers: Object.fromEntries(response.headers) };
    } catch (error) {
      return error.name;
    }
  };
  const load = (name, source, attributes = {}) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.onload = () => resolve('loaded');
    element.onerror = () => resolve('refused');
    element.src = source;
    document.body.append(element);
  });
</script>`;

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Scene {
  /** The private service. */
  readonly service: App;
  readonly proxy: TestProxy;
  /** The proxy's addresses of the service: the route /api of localhost, and a host of its own. */
  readonly api: string;
  readonly shop: string;
  /** The server of the page, and the page's own origin. */
  readonly home: App;
  readonly origin: string;
  readonly page: Page;
  /** What the page's `ask` comes to: a reply, or the name of an error. */
  ask(url: string, options?: Readonly<Record<string, unknown>>): Promise<Reply | string>;
}

interface SceneOptions {
  readonly pages?: Pages;
  /** More of the route /api. */
  readonly route?: string;
  readonly scheme?: 'http' | 'https';
  /** The host of the page. */
  readonly host?: string;
  /** Whether the page's origin is in the configuration. */
  readonly isListed?: boolean;
}

/** A service behind the proxy, and a page of another origin that is open. */
async function setScene(t: TestContext, options: SceneOptions = {}): Promise<Scene> {
  const { pages = {}, route = 'cors: true', scheme = 'http', host = 'localhost', isListed = false } = options;
  const service = await startApp(t, pages);
  const home = await startApp(t, {
    '/': TOOLS,
    '/hop': (request, response) => {
      response.setHeader('Access-Control-Allow-Origin', '*');
      redirect(307, new URL(request.url ?? '', 'http://hop').searchParams.get('to') ?? '')(request, response);
    },
  });
  const origin = home.origin.replace('127.0.0.1', host);
  const proxy = await startProxy(
    t,
    `gate: { origins: [${isListed ? `"${origin}"` : ''}] }
routes:
  - { path: /api, upstream: "${service.origin}", ${route} }
  - { path: /broken, upstream: "http://127.0.0.1:${await closedPort()}" }
  - { host: shop.localhost, upstream: "${service.origin}" }`,
    scheme === 'https' ? { tlsNames: ['localhost', 'shop.localhost'] } : {},
  );
  const page = await openPage(t, browser, { ignoreHTTPSErrors: true });
  await page.goto(`${origin}/`);
  return {
    service,
    proxy,
    api: `${scheme}://localhost:${proxy.port}/api`,
    shop: `${scheme}://shop.localhost:${proxy.port}`,
    home,
    origin,
    page,
    ask: (url, fetchOptions = {}) =>
      page.evaluate<Reply | string>(`ask(${JSON.stringify(url)}, ${JSON.stringify(fetchOptions)})`),
  };
}

/** What came to the service, in order. */
function callsOf({ requests }: App): string[] {
  return requests.map(({ method, url }) => `${method} ${url}`);
}

function replyOf(outcome: Reply | string): Reply {
  if (typeof outcome === 'string') throw new assert.AssertionError({ message: `the page got ${outcome}` });
  return outcome;
}

/** Says back what came: method, content and a header. */
const echo: RequestListener = async (request, response) => {
  const content = await readBody(request);
  response.writeHead(201, { Location: '/orders/7', 'X-Total': '3', 'Content-Type': 'application/json' });
  response.end(JSON.stringify([request.method, content.toString(), request.headers['x-client']]));
};

for (const scheme of ['http', 'https'] as const) {
  test(`a page on another port calls with JSON, any method and headers of its own, and reads all that comes back (${scheme})`, async (t) => {
    const { service, api, shop, ask } = await setScene(t, { pages: { '/orders': echo }, scheme });
    const headers = { 'Content-Type': 'application/json', 'X-Client': 'page', Authorization: 'Basic x' };
    for (const place of [api, shop]) {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const reply = replyOf(await ask(`${place}/orders`, { method, headers, body: '{"id":7}' }));
        assert.deepEqual([reply.status, reply.text], [201, `["${method}","{\\"id\\":7}","page"]`]);
        assert.equal(reply.headers['x-total'], '3');
        assert.equal(reply.headers.location, place === api ? '/api/orders/7' : '/orders/7');
      }
    }
    const calls = ['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => `${method} /orders`);
    assert.deepEqual(callsOf(service), [...calls, ...calls]);
  });
}

test('a cookie that a page’s call is given comes back with its next', async (t) => {
  const { service, api, ask } = await setScene(t, {
    pages: {
      '/login': (_request, response) => {
        response.setHeader('Set-Cookie', '__Host-sid=s3; Path=/; Secure; HttpOnly');
        response.end('welcome');
      },
      '/me': 'you',
    },
  });
  const options = { method: 'POST', credentials: 'include', headers: { 'X-A': '1' } };
  assert.equal(replyOf(await ask(`${api}/login`, options)).text, 'welcome');
  assert.match(replyOf(await ask(`${api}/me`, options)).text, /you/);
  assert.deepEqual(cookiesOf(service.last('/me')), ['__Host-sid=s3']);
});

test('a page reads a stream piece by piece', async (t) => {
  const wanted = new EventEmitter();
  const { page, api } = await setScene(t, {
    pages: {
      '/stream': (_request, response) => {
        response.setHeader('Content-Type', 'text/event-stream');
        response.write('data: 1\n\n');
        wanted.on('next', (piece: string) => response.write(`data: ${piece}\n\n`));
      },
    },
  });
  const read =
    '(new Promise((resolve) => source.addEventListener("message", ({ data }) => resolve(data), { once: true })))';
  const first = await page.evaluate(
    `source = new EventSource('${api}/stream', { withCredentials: true }); ${read}`,
  );
  assert.equal(first, '1');
  await page.evaluate(`next = ${read}; undefined`);
  wanted.emit('next', '2');
  assert.equal(await page.evaluate('next'), '2');
});

test('a page reads what the proxy itself has to say', async (t) => {
  const { proxy, ask } = await setScene(t);
  const options = {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
    credentials: 'include',
  };
  for (const [path, status, code] of [
    ['/nowhere', 404, 'no_route'],
    ['/broken', 502, 'upstream_refused'],
  ] as const) {
    const reply = replyOf(await ask(`http://localhost:${proxy.port}${path}`, options));
    assert.deepEqual([reply.status, JSON.parse(reply.text).error.code], [status, code]);
    assert.match(reply.headers['proxy-status'] ?? '', new RegExp(code));
  }
});

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const image: RequestListener = (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'image/png', 'Cache-Control': 'max-age=3600' }).end(PIXEL);
};

test('a page uses images and scripts of another of the proxy’s hosts, with CORS', async (t) => {
  const { page, shop } = await setScene(t, {
    pages: {
      '/pixel': image,
      '/a.js': (_request, response) => {
        response.setHeader('Content-Type', 'text/javascript');
        response.end('window.isThere = true');
      },
    },
  });
  assert.equal(await page.evaluate(`load('img', '${shop}/pixel', { crossOrigin: 'anonymous' })`), 'loaded');
  const pixels = await page.evaluate<number>(`(() => {
    const context = document.createElement('canvas').getContext('2d');
    context.drawImage(document.images[0], 0, 0);
    return context.getImageData(0, 0, 1, 1).data.length;
  })()`);
  assert.equal(pixels, 4);
  assert.equal(await page.evaluate(`load('script', '${shop}/a.js', { crossOrigin: 'anonymous' })`), 'loaded');
  assert.equal(await page.evaluate('window.isThere'), true);
  // Without it a browser says nothing of the page but that it is of another site.
  assert.equal(await page.evaluate(`load('img', '${shop}/pixel')`), 'refused');
});

test('what a browser kept of an image without CORS is not what a call with CORS gets', async (t) => {
  const { service, page, api, origin, ask } = await setScene(t, { pages: { '/pixel': image } });
  assert.equal(await page.evaluate(`load('img', '${api}/pixel')`), 'loaded');
  assert.equal(service.last('/pixel').headers.origin, undefined);
  for (const cache of ['default', 'force-cache']) {
    const reply = replyOf(await ask(`${api}/pixel`, { cache }));
    assert.equal(reply.headers.vary, 'Origin');
  }
  assert.equal(service.last('/pixel').headers.origin, origin);
  assert.equal(service.count('/pixel'), 2);
});

test('R5: a call whose way led over a third origin has none of its own, and is refused', async (t) => {
  const { service, proxy, home, api, ask } = await setScene(t, { pages: { '/orders': echo } });
  const way = `${home.origin}/hop?to=${encodeURIComponent(`${api}/orders`)}`;
  assert.equal(await ask(way), 'TypeError');
  assert.deepEqual(
    proxy.records.map(({ status, error }) => [status, error]),
    [[403, 'origin_not_allowed']],
  );
  assert.deepEqual(callsOf(service), []);
});

const anything: RequestListener = (_request, response) => {
  response.setHeader('Access-Control-Allow-Origin', '*');
  response.setHeader('Access-Control-Allow-Headers', '*');
  response.setHeader('Access-Control-Allow-Methods', '*');
  response.end('secret');
};

/** Ways for a page to send something. */
const CALLS: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { credentials: 'include' },
  { mode: 'no-cors' },
  { method: 'POST', body: 'x' },
  { method: 'POST', body: 'x', mode: 'no-cors' },
  { method: 'PUT', body: '{}', headers: { 'Content-Type': 'application/json' } },
  { method: 'DELETE' },
  { headers: { 'X-A': '1' } },
];

for (const route of ['cors: true', 'cors: upstream', 'cors: false']) {
  test(`R5 R6 R8: a page of a foreign origin can’t even send, whatever the service allows (${route})`, async (t) => {
    const { service, proxy, page, api, ask } = await setScene(t, {
      pages: { '/orders': anything },
      route,
      host: FOREIGN_HOST,
    });
    for (const options of CALLS) {
      const outcome = await ask(`${api}/orders`, options);
      if (options.mode === 'no-cors') assert.deepEqual(outcome, { status: 0, text: '', headers: {} });
      else assert.equal(outcome, 'TypeError');
    }
    assert.equal(await page.evaluate(`load('img', '${api}/orders')`), 'refused');
    assert.equal(
      await page.evaluate(`load('script', '${api}/orders', { crossOrigin: 'anonymous' })`),
      'refused',
    );
    assert.equal(await page.evaluate(`navigator.sendBeacon('${api}/orders', 'x')`), true);
    assert.deepEqual([...new Set(proxy.records.map(({ status }) => status))], [403]);
    assert.deepEqual(callsOf(service), []);
  });
}

test('a page whose origin is listed may call', async (t) => {
  const scene = await setScene(t, { pages: { '/orders': echo }, host: FOREIGN_HOST, isListed: true });
  const options = { method: 'PUT', headers: { 'X-Client': 'listed' }, body: 'x' };
  for (const place of [scene.api, scene.shop]) {
    const reply = replyOf(await scene.ask(`${place}/orders`, options));
    assert.equal(reply.text, '["PUT","x","listed"]');
  }
});

test('cors: upstream has the service answer for itself', async (t) => {
  const { service, api, ask } = await setScene(t, {
    route: 'cors: upstream',
    pages: {
      '/orders': (_request, response) => {
        response.setHeader('Access-Control-Allow-Origin', '*');
        response.setHeader('Access-Control-Allow-Methods', 'PUT');
        response.setHeader('Access-Control-Expose-Headers', 'X-Shown');
        response.setHeader('X-Shown', '1');
        response.setHeader('X-Hidden', '1');
        response.end('theirs');
      },
    },
  });
  const reply = replyOf(await ask(`${api}/orders`, { method: 'PUT' }));
  assert.deepEqual(
    [reply.text, reply.headers['x-shown'], reply.headers['x-hidden']],
    ['theirs', '1', undefined],
  );
  assert.equal(await ask(`${api}/orders`, { method: 'DELETE' }), 'TypeError');
  assert.deepEqual(callsOf(service), ['OPTIONS /orders', 'PUT /orders', 'OPTIONS /orders']);
});

/** What the page's console says while something is done that it has to complain about, in a message that fits. */
async function complaintOf(page: Page, pattern: RegExp, script: string): Promise<string> {
  const complaint = page.waitForEvent('console', (message: ConsoleMessage) => pattern.test(message.text()));
  await page.evaluate(script);
  return (await complaint).text();
}

/** What a refused page does; what its console says. */
const COMPLAINTS: Readonly<Record<string, readonly [(api: string) => string, RegExp]>> = {
  'a call that asks before': [
    (api) => `ask('${api}/orders', { method: 'PUT' })`,
    /blocked by CORS policy: .* preflight .* 'gcp-bearer-proxy: The page at origin "[^"]*" may not call/,
  ],
  'a call that doesn’t': [
    (api) => `ask('${api}/orders')`,
    /blocked by CORS policy: .* 'gcp-bearer-proxy: The page at origin "[^"]*" may not call/,
  ],
  'a POST without CORS': [
    (api) => `ask('${api}/orders', { method: 'POST', mode: 'no-cors', body: 'x' })`,
    /status of 403 \(gcp-bearer-proxy: The page at origin "[^"]*" may not call/,
  ],
  'an image': [
    (api) => `load('img', '${api}/orders')`,
    /status of 403 \(gcp-bearer-proxy: A page of another site made this request/,
  ],
  'a script': [
    (api) => `load('script', '${api}/orders')`,
    /status of 403 \(gcp-bearer-proxy: A page of another site made this request/,
  ],
  'an event stream': [
    (api) => `new Promise((resolve) => { new EventSource('${api}/orders').onerror = resolve; })`,
    /blocked by CORS policy: .* 'gcp-bearer-proxy: The page at origin "[^"]*" may not call/,
  ],
};

for (const [what, [script, pattern]] of Object.entries(COMPLAINTS)) {
  test(`R5 R6: the console of a page that was refused names the line to add: ${what}`, async (t) => {
    const { page, api, origin } = await setScene(t, { host: FOREIGN_HOST });
    const text = await complaintOf(page, pattern, script(api));
    assert.ok(text.includes(`gate: { origins: ["${origin}"] }`), text);
  });
}

test('R5 R7: of a WebSocket that was refused a console says no more than that', async (t) => {
  const { service, page, api } = await setScene(t, { host: FOREIGN_HOST });
  let upgrades = 0;
  service.server.on('upgrade', (_request, socket) => {
    upgrades += 1;
    socket.destroy();
  });
  const url = `${api.replace('http', 'ws')}/live`;
  const script = `new Promise((resolve) => { new WebSocket('${url}').onerror = () => resolve(); })`;
  assert.match(await complaintOf(page, /WebSocket connection/, script), /Unexpected response code: 403/);
  assert.equal(upgrades, 0);
});

for (const [route, line] of [
  ['cors: false', 'Take the line cors: false from the route /api'],
  ['cors: { methods: [GET] }', 'write at that route: cors: { methods: [GET, PUT] }'],
  ['cors: { headers: [x-a] }', 'write at that route: cors: { headers: [x-a, x-client] }'],
] as const) {
  test(`the console of a page that wants more than ${route} names the line to change`, async (t) => {
    const { service, page, api } = await setScene(t, { pages: { '/orders': echo }, route });
    const script = `ask('${api}/orders', { method: 'PUT', headers: { 'X-Client': '1' } })`;
    const text = await complaintOf(page, /blocked by CORS policy/, script);
    assert.ok(text.includes(line), text);
    assert.deepEqual(callsOf(service), []);
  });
}

test('a limit of methods holds for a POST that a browser sends without asking', async (t) => {
  const { service, api, ask } = await setScene(t, {
    pages: { '/orders': echo },
    route: 'cors: { methods: [GET] }',
  });
  assert.equal(await ask(`${api}/orders`, { method: 'POST', body: 'x' }), 'TypeError');
  assert.equal(replyOf(await ask(`${api}/orders`)).status, 201);
  assert.deepEqual(callsOf(service), ['GET /orders']);
});

test('cors: false leaves a route to its own pages', async (t) => {
  const { service, page, api, ask } = await setScene(t, {
    pages: { '/': TOOLS, '/orders': echo },
    route: 'cors: false',
  });
  assert.equal(await ask(`${api}/orders`), 'TypeError');
  assert.equal(await page.evaluate(`load('img', '${api}/orders')`), 'refused');
  assert.deepEqual(callsOf(service), []);
  await page.goto(`${api}/`);
  const reply = replyOf(await ask(`${api}/orders`, { method: 'PUT', body: 'x' }));
  assert.equal(reply.text, '["PUT","x",null]');
});
