import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { createTestAuthority } from '../support/certificates.ts';
import { startProxy } from '../support/proxies.ts';
import { type App, cookiesOf, type Pages, redirect, sendPage, startApp } from './app.ts';
import { follow, launchChromium, openPage } from './chromium.ts';

// Web applications with pages, redirects and logins, used through the proxy in a browser: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

/** Set by a login; what a browser would not take as it is: another domain, and `Secure` without TLS. */
const LOGIN_COOKIES = [
  '__Host-sid=s3; Path=/; Secure; HttpOnly; SameSite=None',
  '__Secure-theme=dark; Domain=shop.example; Path=/; Secure',
  'lax=1; Domain=localhost; SameSite=Lax',
  'none=1; Path=/; Secure; SameSite=None; Partitioned',
  'account=1; Path=/account',
];
const EVERYWHERE = ['__Host-sid=s3', '__Secure-theme=dark', 'lax=1', 'none=1'];

/** A shop where one logs in with a form. */
const SHOP: Pages = {
  '/': `<a id="account" href="/account/orders">Account</a> <a id="login" href="login">Log in</a>
    <p id="price"></p><script src="/price.js"></script>`,
  '/price.js': (_request, response) => {
    response.setHeader('Content-Type', 'text/javascript');
    response.end('fetch("/price").then((r) => r.text()).then((text) => { price.textContent = text; });');
  },
  '/price': (_request, response) => void response.end('42'),
  'GET /login': '<form method="post"><input name="user"><button>Go</button></form>',
  'POST /login': (_request, response) => {
    response.writeHead(303, { Location: '/account/orders', 'Set-Cookie': LOGIN_COOKIES }).end();
  },
  '/account/orders': (request, response) => sendPage(response, cookiesOf(request).join(' ')),
  '/logout': (_request, response) => {
    const gone = LOGIN_COOKIES.map((cookie) => cookie.replace(/=[^;]*/, '=').concat('; Max-Age=0'));
    response.writeHead(302, { Location: '/', 'Set-Cookie': gone }).end();
  },
};

/** A shop behind TLS, as a service is, and the proxy with these routes to it (`<shop>` is its address). */
async function openShop(
  t: TestContext,
  routes: string,
  more: Pages = {},
): Promise<{ app: App; port: string }> {
  const authority = createTestAuthority();
  const app = await startApp(t, { ...SHOP, ...more }, authority.issue(['localhost']));
  const yaml = `caFile: ca.pem\nroutes:\n${routes.replaceAll('<shop>', app.origin)}`;
  const { port } = await startProxy(t, yaml, { files: { 'ca.pem': authority.cert } });
  return { app, port };
}

test('a web application on a host of its own: absolute links, scripts and fetch lead to it', async (t) => {
  const { app, port } = await openShop(t, '  - { host: shop.localhost, upstream: "<shop>" }');
  const page = await openPage(t, browser);
  await page.goto(`http://shop.localhost:${port}/`);
  await page.getByText('42').waitFor();
  await follow(page.locator('#account'));
  assert.equal(page.url(), `http://shop.localhost:${port}/account/orders`);
  assert.deepEqual(
    app.requests.map(({ url }) => url),
    ['/', '/price.js', '/price', '/account/orders'],
  );
});

test('R22: a chain of redirects to the application’s own address stays on the route’s host', async (t) => {
  const { app, port } = await openShop(t, '  - { host: shop.localhost, upstream: "<shop>" }', {
    '/1': redirect(301, 'https://<host>/2?a=%20b'),
    '/2': redirect(302, '//<host>/3#part'),
    '/3': redirect(307, '/4'),
    '/4': redirect(308, '5'),
    '/5': (request, response) => {
      response.setHeader('Refresh', `0; url=https://${request.headers.host}/6`);
      sendPage(response, 'wait');
    },
    '/6': 'here',
  });
  const page = await openPage(t, browser);
  await page.goto(`http://shop.localhost:${port}/1`);
  await page.getByText('here').waitFor();
  assert.equal(page.url(), `http://shop.localhost:${port}/6`);
  assert.deepEqual(
    app.requests.map(({ url }) => url),
    ['/1', '/2?a=%20b', '/3', '/4', '/5', '/6'],
  );
});

test('R38: a login with every kind of cookie works on http://shop.localhost, and so does the logout', async (t) => {
  const { app, port } = await openShop(t, '  - { host: shop.localhost, upstream: "<shop>" }');
  const page = await openPage(t, browser);
  await page.goto(`http://shop.localhost:${port}/`);
  await follow(page.locator('#login'));
  await page.fill('input', 'ann');
  await follow(page.locator('button'));
  assert.equal(page.url(), `http://shop.localhost:${port}/account/orders`);
  assert.deepEqual(cookiesOf(app.last('/account/orders')), [...EVERYWHERE, 'account=1'].sort());
  assert.equal(app.requests.findLast(({ method }) => method === 'POST')?.headers['content-length'], '8');

  await page.goto(`http://shop.localhost:${port}/`);
  assert.deepEqual(cookiesOf(app.last('/')), EVERYWHERE);
  const seenByScripts = await page.evaluate<string>('document.cookie');
  assert.doesNotMatch(seenByScripts, /sid/, 'HttpOnly is kept');
  assert.match(seenByScripts, /lax=1/);

  await page.goto(`http://shop.localhost:${port}/logout`);
  assert.deepEqual(cookiesOf(app.last('/')), []);
  assert.deepEqual(await page.context().cookies(), []);
});

test('R38: cookies come as they are where the route says so', async (t) => {
  const { app, port } = await openShop(
    t,
    '  - { host: shop.localhost, upstream: "<shop>", localize: { cookies: false } }',
    {
      '/set': (_request, response) => {
        response.writeHead(200, { 'Set-Cookie': ['plain=1; Path=/account', ...LOGIN_COOKIES] }).end();
      },
    },
  );
  const page = await openPage(t, browser);
  const response = await page.goto(`http://shop.localhost:${port}/set`);
  const lines = (await response?.headersArray())?.filter(({ name }) => name.toLowerCase() === 'set-cookie');
  assert.deepEqual(
    lines?.map(({ value }) => value),
    ['plain=1; Path=/account', ...LOGIN_COOKIES],
  );
  await page.goto(`http://shop.localhost:${port}/account/orders`);
  const kept = cookiesOf(app.last('/account/orders'));
  assert.ok(kept.includes('plain=1'));
  assert.ok(!kept.includes('__Secure-theme=dark'), 'its Domain is that of somebody else');
});

test('R22, R38: on a path of localhost, redirects and cookies stay below that path', async (t) => {
  const { app, port } = await openShop(t, '  - { path: /shop, upstream: "<shop>" }', {
    '/from': redirect(302, 'https://<host>/account/orders'),
  });
  const site = `http://localhost:${port}/shop`;
  const page = await openPage(t, browser);
  await page.goto(`${site}/from`);
  assert.equal(page.url(), `${site}/account/orders`);
  await page.goto(`${site}/`);
  await follow(page.locator('#login'));
  await follow(page.locator('button'));
  assert.equal(page.url(), `${site}/account/orders`);
  assert.deepEqual(cookiesOf(app.last('/account/orders')), [...EVERYWHERE, 'account=1'].sort());
  const paths = (await page.context().cookies()).map(
    ({ name, path }) => `${path} ${name.replace('gbp.', '')}`,
  );
  assert.deepEqual(paths.sort(), [
    '/shop __Host-sid',
    '/shop __Secure-theme',
    '/shop lax',
    '/shop none',
    '/shop/account account',
  ]);
  await page.goto(`${site}/logout`);
  assert.equal(page.url(), `${site}/`);
  assert.deepEqual(cookiesOf(app.last('/')), []);
});

test('R38: two applications on one proxy don’t get each other’s cookies', async (t) => {
  const blog = await startApp(t, {
    '/': (_request, response) => {
      response.setHeader('Set-Cookie', ['sid=blog; Path=/', 'wide=1; Domain=localhost; Path=/']);
      sendPage(response, 'blog');
    },
    '/again': 'again',
  });
  const { app, port } = await openShop(
    t,
    `  - { path: /shop, upstream: "<shop>" }
  - { path: /blog, upstream: "${blog.origin}" }
  - { host: shop.localhost, upstream: "<shop>" }
  - { host: blog.localhost, upstream: "${blog.origin}" }`,
  );
  const page = await openPage(t, browser);
  const sites = [
    [`localhost:${port}/shop`, `localhost:${port}/blog`],
    [`shop.localhost:${port}`, `blog.localhost:${port}`],
  ] as const;
  for (const [shop, other] of sites) {
    await page.goto(`http://${shop}/login`);
    await follow(page.locator('button'));
    await page.goto(`http://${other}/`);
    await page.goto(`http://${other}/again`);
    assert.deepEqual(cookiesOf(blog.last('/again')), ['sid=blog', 'wide=1'], other);
    await page.goto(`http://${shop}/`);
    assert.deepEqual(cookiesOf(app.last('/')), EVERYWHERE, shop);
  }
});
