import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { startProxy } from '../support/proxies.ts';
import { cookiesOf, sendPage, startApp } from './app.ts';
import { FOREIGN_HOST, follow, launchChromium, openPage } from './chromium.ts';

// Signing a browser in by a link, and what the cookie is good for then: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

const SECRET = 'a-secret-of-32-characters-or-so!';

const TOOLS = `<script>
  const ask = (url, options) => fetch(url, options).then((r) => r.text()).catch(({ name }) => name);
  const opens = (url) => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve('open');
    socket.onclose = () => resolve('closed');
  });
</script>`;

/** A private service behind a proxy with a client secret, and a page of this machine on another port. */
async function setScene(t: TestContext, scheme: 'http' | 'https' = 'http') {
  const app = await startApp(t, {
    '/': 'private',
    '/api': (request, response) => {
      response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
      response.setHeader('Access-Control-Allow-Credentials', 'true');
      response.setHeader('Set-Cookie', ['gbp-client-1=x', 'app=1; Path=/']);
      sendPage(response, 'data');
    },
  });
  const sockets = new WebSocketServer({ server: app.server });
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  const yaml = `routes: [{ path: /, upstream: "${app.origin}" }, { host: shop.localhost, path: /x, upstream: "${app.origin}" }]`;
  const options = { clientSecret: SECRET, ...(scheme === 'https' && { tlsNames: ['localhost'] }) };
  const { port, proxy, records } = await startProxy(t, yaml, options);
  const local = await startApp(t, { '/': TOOLS });
  return {
    app,
    port,
    site: `${scheme}://localhost:${port}`,
    link: () => proxy.signInLink() ?? '',
    local: local.origin.replace('127.0.0.1', 'localhost'),
    page: await openPage(t, browser, { ignoreHTTPSErrors: scheme === 'https' }),
    lastStatus: () => records.findLast(({ target }) => target !== '/favicon.ico')?.status,
  };
}

async function textOf(page: Page, url: string): Promise<string> {
  await page.goto(url);
  return await page.innerText('body');
}

for (const scheme of ['http', 'https'] as const) {
  test(`R9: a link signs a browser in, once, and leads to the routes: ${scheme}`, async (t) => {
    const { page, site, port, link, app, lastStatus } = await setScene(t, scheme);
    assert.match(await textOf(page, `${site}/`), /client_not_authenticated/);
    assert.match(await textOf(page, `${site}/.gcp-bearer-proxy/`), /You are not signed in/);
    assert.deepEqual(app.requests, []);

    const first = link();
    assert.match(await textOf(page, first), /You are signed in/);
    assert.equal(page.url(), `${site}/.gcp-bearer-proxy/`);
    const [cookie] = await page.context().cookies();
    assert.equal(cookie?.name, `gbp-client-${port}`);
    assert.deepEqual(
      [cookie?.httpOnly, cookie?.sameSite, cookie?.secure, cookie?.expires],
      [true, 'Strict', scheme === 'https', -1],
    );
    await follow(page.getByRole('link', { name: '/', exact: true }));
    assert.equal(await page.innerText('body'), 'private');
    assert.deepEqual(cookiesOf(app.last('/')), []);
    assert.equal(app.last('/').headers.referer, undefined);

    assert.match(await textOf(page, first), /doesn’t sign you in/);
    assert.equal(lastStatus(), 403);
    const stranger = await openPage(t, browser, { ignoreHTTPSErrors: true });
    assert.match(await textOf(stranger, first), /doesn’t sign you in/);
    assert.match(await textOf(stranger, `${site}/`), /client_not_authenticated/);
  });
}

test('R9: a page of this machine on another port calls with the cookie, over HTTP and WebSocket; without, it gets 401', async (t) => {
  const { page, site, link, local, app, lastStatus } = await setScene(t);
  const calls = async (credentials: 'include' | 'omit'): Promise<unknown> => {
    await page.goto(`${local}/`);
    return page.evaluate(`ask('${site}/api', { credentials: '${credentials}' })`);
  };
  assert.match(String(await calls('include')), /client_not_authenticated/);
  assert.equal(lastStatus(), 401);
  assert.equal(await page.evaluate(`opens('${site.replace('http', 'ws')}/')`), 'closed');
  assert.equal(lastStatus(), 401);
  assert.deepEqual(app.requests, []);

  await page.goto(link());
  assert.match(String(await calls('include')), /data/);
  assert.match(String(await calls('include')), /data/, 'what the service sets does not sign out');
  assert.deepEqual(cookiesOf(app.last('/api')), ['app=1']);
  assert.equal(await page.evaluate(`opens('${site.replace('http', 'ws')}/')`), 'open');
  assert.match(String(await calls('omit')), /client_not_authenticated/);
  assert.equal(lastStatus(), 401);
});

test('R9: the cookie doesn’t come along from a page of somebody else, nor does the link work there unasked', async (t) => {
  const { page, site, link, app } = await setScene(t);
  const target = link();
  const stranger = await startApp(t, {
    '/': `<a id="link" href="${target}">sign in</a><a id="go" href="${site}/">go</a>`,
  });
  const foreign = `${stranger.origin.replace('127.0.0.1', FOREIGN_HOST)}/`;
  await page.goto(foreign);
  await follow(page.locator('#link'));
  assert.equal(await page.title(), 'Continue to this private service?');
  assert.deepEqual(await page.context().cookies(), []);
  await follow(page.getByRole('link'));
  await page.getByText('You are signed in').waitFor();
  await page.goto(foreign);
  await follow(page.locator('#go'));
  assert.equal(await page.title(), 'Continue to this private service?');
  assert.deepEqual(app.requests, []);
  await follow(page.getByRole('link'));
  await page.getByText('private').waitFor();
});
