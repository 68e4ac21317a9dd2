import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { ErrorCode } from '../../src/errors.ts';
import { startProxy } from '../support/proxies.ts';
import { type App, redirect, sendPage, startApp } from './app.ts';
import { FOREIGN_HOST, follow, launchChromium, openPage } from './chromium.ts';

// What pages of strangers get from the proxy in a browser, and what pages of this machine do: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

interface Scene {
  /** The private service. */
  readonly app: App;
  /** Its address on the proxy. */
  readonly site: string;
  /** The origin of a page of somebody else. */
  readonly foreign: string;
  readonly page: Page;
  /** Status and code of what the proxy has answered by itself or relayed. */
  answers(): [number, ErrorCode | undefined][];
}

/** A service behind the proxy, and a page of a stranger who knows where it is. */
async function setScene(t: TestContext, foreignPage: (site: string) => string): Promise<Scene> {
  const app = await startApp(t, {
    '/': 'private',
    '/a.js': 'leak = 1',
    '/deep': '<a href="/">deeper</a>',
    '/order': 'ordered',
  });
  const { port, records } = await startProxy(
    t,
    `routes: [{ host: shop.localhost, upstream: "${app.origin}" }]`,
  );
  const site = `http://shop.localhost:${port}`;
  const stranger = await startApp(t, {
    '/': foreignPage(site),
    '/go': redirect(302, `${site}/deep?x=1&y=<2>`),
    '/sandboxed': (_request, response) => {
      response.setHeader('Content-Security-Policy', 'sandbox allow-scripts');
      sendPage(response, foreignPage(site));
    },
  });
  return {
    app,
    site,
    foreign: stranger.origin.replace('127.0.0.1', FOREIGN_HOST),
    page: await openPage(t, browser),
    answers: () =>
      records.flatMap(({ target, status, error }) => (target === '/favicon.ico' ? [] : [[status, error]])),
  };
}

const TOOLS = `<script>
  const load = (name, source) => new Promise((resolve) => {
    const element = document.createElement(name);
    element.onload = element.onerror = resolve;
    element.src = source;
    document.body.append(element);
  });
  const ask = (url, options) => fetch(url, options).then((r) => r.text()).catch(({ name }) => name);
</script>`;

/** Each is one request that needs nobody's leave, or asks for it. */
const REQUESTS: Readonly<Record<string, readonly [(site: string) => string, ErrorCode]>> = {
  'a script': [(site) => `load('script', '${site}/a.js')`, 'cross_site_request'],
  'an image': [(site) => `load('img', '${site}/a.js')`, 'cross_site_request'],
  'a frame': [(site) => `load('iframe', '${site}/')`, 'cross_site_request'],
  'fetch without CORS': [(site) => `ask('${site}/', { mode: 'no-cors' })`, 'cross_site_request'],
  'fetch with CORS': [(site) => `ask('${site}/')`, 'origin_not_allowed'],
  'fetch with cookies': [(site) => `ask('${site}/', { credentials: 'include' })`, 'origin_not_allowed'],
  'a simple POST': [
    (site) => `ask('${site}/order', { method: 'POST', mode: 'no-cors', body: 'x' })`,
    'origin_not_allowed',
  ],
  'a preflight': [(site) => `ask('${site}/order', { method: 'PUT' })`, 'origin_not_allowed'],
  'a keep-alive POST': [
    (site) => `ask('${site}/order', { method: 'POST', mode: 'no-cors', keepalive: true })`,
    'origin_not_allowed',
  ],
};

for (const [what, [script, code]] of Object.entries(REQUESTS)) {
  test(`R5, R6: ${what} of a foreign page doesn’t get past the gate`, async (t) => {
    const { app, site, foreign, page, answers } = await setScene(t, () => TOOLS);
    await page.goto(`${foreign}/`);
    await page.evaluate(script(site));
    assert.deepEqual(answers(), [[403, code]]);
    assert.deepEqual(app.requests, []);
  });
}

test('R5: a page without an origin of its own may not call', async (t) => {
  const { app, site, foreign, page, answers } = await setScene(t, () => TOOLS);
  await page.goto(`${foreign}/sandboxed`);
  await page.evaluate(`ask('${site}/')`);
  assert.deepEqual(answers(), [[403, 'origin_not_allowed']]);
  assert.deepEqual(app.requests, []);
});

test('R5: a form on a foreign page is refused', async (t) => {
  const { app, foreign, page, answers } = await setScene(
    t,
    (site) => `<form method="post" action="${site}/order"><button>Win</button></form>`,
  );
  await page.goto(`${foreign}/`);
  await follow(page.locator('button'));
  assert.match(await page.innerText('body'), /"origin_not_allowed"/);
  assert.deepEqual(answers(), [[403, 'origin_not_allowed']]);
  assert.deepEqual(app.requests, []);
});

test('R2: a foreign name that leads to the proxy is refused', async (t) => {
  const { app, site, page, answers } = await setScene(t, () => '');
  const response = await page.goto(site.replace('shop.localhost', FOREIGN_HOST));
  assert.equal(response?.status(), 403);
  assert.deepEqual(answers(), [[403, 'host_not_allowed']]);
  assert.deepEqual(app.requests, []);
});

for (const way of ['link', 'redirect', 'window'] as const) {
  test(`R6: a foreign page that leads here by a ${way} has the visitor asked, whose link leads on`, async (t) => {
    const { app, site, foreign, page } = await setScene(
      t,
      (site) =>
        `<a id="link" href="${site}/deep?x=1&amp;y=<2>">link</a><a id="redirect" href="/go">redirect</a>
        <a id="window" target="_blank" href="${site}/deep?x=1&amp;y=<2>">window</a>`,
    );
    await page.goto(`${foreign}/`);
    const [visit] = await Promise.all([
      way === 'window' ? page.context().waitForEvent('page') : page,
      page.click(`#${way}`),
    ]);
    await visit.waitForURL(`${site}/deep**`);
    assert.equal(await visit.title(), 'Continue to this private service?');
    assert.match(await visit.innerText('p'), new RegExp(`from ${foreign}\\.`));
    assert.deepEqual(app.requests, []);
    await follow(visit.getByRole('link'));
    await follow(visit.getByText('deeper'));
    assert.equal(await visit.innerText('body'), 'private');
    assert.deepEqual(
      app.requests.map(({ url }) => url),
      ['/deep?x=1&y=%3C2%3E', '/'],
    );
    assert.equal(app.last('/deep').headers.referer, undefined);
  });
}

test('an address typed or bookmarked is the visitor’s own doing', async (t) => {
  const { app, site, page } = await setScene(t, () => '');
  await page.goto(`${site}/`);
  assert.equal(app.last('/').headers['sec-fetch-site'], 'none');
});

test('a page of this machine, on another port, may call', async (t) => {
  const { app, site, page } = await setScene(t, () => '');
  const local = await startApp(t, { '/': TOOLS });
  await page.goto(`${local.origin}/`);
  await page.evaluate(`ask('${site}/order', { method: 'POST', mode: 'no-cors', body: 'x' })`);
  assert.equal(app.last('/order').headers.origin, local.origin);
  await page.evaluate(`ask('${site}/')`);
  assert.equal(app.last('/').headers.origin, local.origin);
});
