import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillVariables, planVariables } from '../../src/commands/route-variables.ts';

const named = (...names: string[]) => names.map((name) => ({ name }));

const PROXY = {
  url: 'http://localhost:1',
  routes: [
    { name: '/', url: 'http://localhost:1' },
    { name: '/orders', url: 'http://localhost:1/orders' },
    { name: '/orders/v2', url: 'http://localhost:1/orders/v2' },
    { name: 'shop.localhost', url: 'http://shop.localhost:1' },
    { name: 'shop.localhost/a-b', url: 'http://shop.localhost:1/a-b' },
  ],
};

test('the command finds a variable for the proxy, one for each route, and those it is promised', () => {
  const wanted = ['O=/orders', 'DEEP=/orders/v2/x/', 'ROOT=/', 'REST=/ordersx/y', 'WEB=shop.localhost/img'];
  assert.deepEqual(fillVariables(planVariables(PROXY.routes, wanted), PROXY), {
    GBP_URL: 'http://localhost:1',
    GBP_URL_ORDERS: 'http://localhost:1/orders',
    GBP_URL_ORDERS_V2: 'http://localhost:1/orders/v2',
    GBP_URL_SHOP_LOCALHOST: 'http://shop.localhost:1',
    GBP_URL_SHOP_LOCALHOST_A_B: 'http://shop.localhost:1/a-b',
    O: 'http://localhost:1/orders',
    DEEP: 'http://localhost:1/orders/v2/x/',
    ROOT: 'http://localhost:1',
    REST: 'http://localhost:1/ordersx/y',
    WEB: 'http://shop.localhost:1/img',
  });
});

for (const [what, routes, wanted, expected] of [
  ['two routes with one variable', ['/a-b', '/a/b'], [], /GBP_URL_A_B .* both route \/a-b and route \/a\/b/],
  ['a variable that a route has', ['/a'], ['gbp_url_a=/a'], /both route \/a and --env gbp_url_a=\/a/],
  ['a variable twice', ['/a'], ['X=/a', 'X=/a/b'], /both --env X=\/a and --env X=\/a\/b/],
  ['an unknown route', ['/orders'], ['X=/order'], /names no route/],
  ['a part of a segment', ['/orders'], ['X=/ordersx'], /names no route/],
  ['no route', ['/orders'], ['X'], /not a variable and a route/],
  ['a name that is none', ['/orders'], ['X-Y=/orders'], /not a variable and a route/],
  ['a query', ['/orders'], ['X=/orders?a=b'], /not a variable and a route/],
] as const) {
  test(`${what} is refused before anything starts`, () => {
    assert.throws(() => planVariables(named(...routes), wanted), { code: 'usage', message: expected });
  });
}
