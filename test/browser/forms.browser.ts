import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { after, test } from 'node:test';
import { startProxy } from '../support/proxies.ts';
import { readBody } from '../support/sockets.ts';
import { sendPage, startApp } from './app.ts';
import { follow, launchChromium, openPage } from './chromium.ts';

// What applications make of the headers that tell where a request comes from: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

/** Takes a form only from pages that are its own by `Origin`, or `Referer` where there is none, as Django does. */
const guardedForm: RequestListener = ({ headers }, response) => {
  const from = headers.origin ?? headers.referer ?? '';
  const isOwn = URL.parse(from)?.host === headers.host;
  response.statusCode = isOwn ? 200 : 403;
  sendPage(response, isOwn ? 'ordered' : `forged: ${from}`);
};

const FORM = '<form method="post" action="order"><button>Order</button></form>';

test('an application that guards its forms takes them with `origin: upstream`, and not without', async (t) => {
  const app = await startApp(t, { '/form': FORM, '/order': guardedForm });
  const { port } = await startProxy(
    t,
    `routes:
  - { host: plain.localhost, upstream: "${app.origin}" }
  - { host: shop.localhost, upstream: "${app.origin}", origin: upstream }
  - { path: /shop, upstream: "${app.origin}", origin: upstream }`,
  );
  const page = await openPage(t, browser);
  const send = async (site: string): Promise<string> => {
    await page.goto(`http://${site}/form?day=1`);
    await follow(page.locator('button'));
    return await page.innerText('body');
  };
  assert.equal(await send(`plain.localhost:${port}`), `forged: http://plain.localhost:${port}`);
  for (const site of [`shop.localhost:${port}`, `localhost:${port}/shop`]) {
    assert.equal(await send(site), 'ordered', site);
    assert.equal(app.last('/order').headers.origin, app.origin);
    assert.equal(app.last('/order').headers.referer, `${app.origin}/form?day=1`);
  }
});

test('an application sees who calls it from another origin, also with `origin: upstream`', async (t) => {
  const app = await startApp(t, { '/order': guardedForm });
  const other = await startApp(t, { '/': '' });
  const { port } = await startProxy(
    t,
    `routes: [{ host: shop.localhost, upstream: "${app.origin}", origin: upstream }]`,
  );
  const page = await openPage(t, browser);
  await page.goto(`${other.origin}/`);
  await page.setContent(
    `<form method="post" action="http://shop.localhost:${port}/order"><button>Order</button></form>`,
  );
  await follow(page.locator('button'));
  assert.equal(await page.innerText('body'), `forged: ${other.origin}`);
});

test('an application that builds its links from X-Forwarded-Host, -Proto and -Prefix is at home', async (t) => {
  const links: RequestListener = ({ headers }, response) => {
    const base = `${headers['x-forwarded-proto']}://${headers['x-forwarded-host']}${headers['x-forwarded-prefix'] ?? ''}`;
    sendPage(response, `<a href="${base}/there">there</a>`);
  };
  const app = await startApp(t, { '/': links, '/there': 'arrived' });
  const { port } = await startProxy(
    t,
    `routes:
  - { path: /shop, upstream: "${app.origin}" }
  - { host: shop.localhost, upstream: "${app.origin}" }`,
  );
  const page = await openPage(t, browser);
  for (const site of [`http://localhost:${port}/shop`, `http://shop.localhost:${port}`]) {
    await page.goto(`${site}/`);
    await follow(page.locator('a'));
    assert.equal(page.url(), `${site}/there`);
    assert.equal(await page.innerText('body'), 'arrived');
  }
});

test('R39: with `forwarded: none` the application is told nothing of the client', async (t) => {
  const app = await startApp(t, { '/': 'home' });
  const { port } = await startProxy(
    t,
    `routes: [{ host: shop.localhost, upstream: "${app.origin}", forwarded: none }]`,
  );
  const page = await openPage(t, browser);
  await page.goto(`http://shop.localhost:${port}/`);
  const names = Object.keys(app.last('/').headers);
  assert.deepEqual(
    names.filter((name) => name.includes('forwarded')),
    [],
  );
  assert.equal(app.last('/').headers.host, new URL(app.origin).host);
});

test('a file sent with a form arrives byte for byte', async (t) => {
  let body: Buffer = Buffer.alloc(0);
  const app = await startApp(t, {
    'GET /':
      '<form method="post" enctype="multipart/form-data"><input type="file" name="f"><button>Go</button></form>',
    'POST /': async (request, response) => {
      body = await readBody(request);
      sendPage(response, 'taken');
    },
  });
  const { port } = await startProxy(t, `routes: [{ host: shop.localhost, upstream: "${app.origin}" }]`);
  const page = await openPage(t, browser);
  await page.goto(`http://shop.localhost:${port}/`);
  const buffer = Buffer.from(Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31) % 251));
  await page.setInputFiles('input', { name: 'ünï.bin', mimeType: 'application/octet-stream', buffer });
  await follow(page.locator('button'));
  assert.equal(await page.innerText('body'), 'taken');
  assert.ok(body.includes(buffer));
  assert.ok(body.includes('filename="ünï.bin"'));
});
