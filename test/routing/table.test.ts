import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRouteTable } from '../../src/routing/table.ts';

const routes = [
  { name: 'root', host: undefined, path: '/' },
  { name: 'api', host: undefined, path: '/api' },
  { name: 'api-v2', host: undefined, path: '/api/v2' },
  { name: 'shop', host: 'shop.localhost', path: '/' },
  { name: 'shop-api', host: 'shop.localhost', path: '/api/v2/x' },
];

test('R15: the longest path wins, whatever the order of the routes', () => {
  for (const order of [routes, routes.toReversed()]) {
    const find = createRouteTable(order);
    assert.equal(find('localhost', '/')?.name, 'root');
    assert.equal(find('localhost', '/api')?.name, 'api');
    assert.equal(find('localhost', '/api/')?.name, 'api');
    assert.equal(find('localhost', '/api/v1/v2')?.name, 'api');
    assert.equal(find('localhost', '/api/v2')?.name, 'api-v2');
    assert.equal(find('localhost', '/api/v2/x/y')?.name, 'api-v2');
  }
});

test('R15: a path matches on whole segments', () => {
  const find = createRouteTable(routes.filter(({ name }) => name !== 'root'));
  assert.equal(find('localhost', '/apix'), undefined);
  assert.equal(find('localhost', '/apix/api'), undefined);
  assert.equal(find('localhost', '/api/v20')?.name, 'api');
  assert.equal(find('localhost', '/ap'), undefined);
  assert.equal(find('localhost', '//api'), undefined);
});

test('routes of the request’s host come before those of every host, even when shorter', () => {
  const find = createRouteTable(routes);
  assert.equal(find('shop.localhost', '/api')?.name, 'shop');
  assert.equal(find('shop.localhost', '/api/v2/x')?.name, 'shop-api');
  assert.equal(find('other.localhost', '/api')?.name, 'api');
});

test('a host without a fitting route falls back to the routes of every host', () => {
  const find = createRouteTable([
    { name: 'a', host: 'a.localhost', path: '/only' },
    { name: 'any', host: undefined, path: '/x' },
  ]);
  assert.equal(find('a.localhost', '/x')?.name, 'any');
  assert.equal(find('a.localhost', '/y'), undefined);
});

test('names of object properties are ordinary host names', () => {
  assert.equal(createRouteTable(routes)('constructor', '/')?.name, 'root');
});
