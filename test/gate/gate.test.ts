import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Arrival, createGate } from '../../src/gate/gate.ts';

const gate = createGate({
  bound: ['localhost'],
  names: ['dev.example.test'],
  origins: ['https://app.example.com'],
});

function arrive(headers: Partial<Arrival> = {}) {
  return gate({
    method: 'GET',
    scheme: 'http',
    host: 'localhost:8080',
    origin: undefined,
    fetchSite: undefined,
    fetchMode: undefined,
    fetchDest: undefined,
    referer: undefined,
    ...headers,
  });
}

function codeOf(headers: Partial<Arrival>): string {
  const verdict = arrive(headers);
  return verdict.kind === 'admit' ? 'admit' : verdict.error.code;
}

test('R6: clients that are no browsers are let in', () => {
  assert.equal(codeOf({}), 'admit');
});

test('R5: pages on loopback origins are let in, on any port and scheme', () => {
  for (const origin of [
    'http://localhost:3000',
    'http://localhost',
    'https://localhost:8443',
    'http://shop.localhost:8080',
    'http://127.0.0.1:5173',
    'http://[::1]:5173',
    'HTTP://LOCALHOST:3000',
  ]) {
    assert.equal(codeOf({ origin, method: 'POST', fetchSite: 'cross-site' }), 'admit', origin);
  }
});

test('R5: pages on other origins are refused, whatever the method', () => {
  for (const origin of [
    'null',
    'http://evil.com',
    'http://localhost.evil.com',
    'http://localhost@evil.com',
    'http://evillocalhost:3000',
    'http://127.0.0.1.nip.io',
    'http://app.example.com',
    'https://app.example.com.evil.com',
    'https://app.example.com:8443',
    'file://',
    'chrome-extension://abcdef',
    'http://localhost:3000, http://evil.com',
    'http://localhost:3000 http://evil.com',
    '',
    'localhost',
    'http://',
  ]) {
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'DELETE']) {
      assert.equal(codeOf({ origin, method }), 'origin_not_allowed', `${method} ${origin}`);
    }
  }
});

test('a page on a listed origin is let in, and so is one the proxy itself served under a listed host', () => {
  assert.equal(codeOf({ origin: 'https://app.example.com', fetchSite: 'cross-site' }), 'admit');
  assert.equal(codeOf({ origin: 'https://app.example.com:443' }), 'admit');
  assert.equal(codeOf({ origin: 'http://dev.example.test:8080', host: 'dev.example.test:8080' }), 'admit');
  assert.equal(
    codeOf({ origin: 'http://dev.example.test:9090', host: 'dev.example.test:8080' }),
    'origin_not_allowed',
  );
});

test('R6: a cross-site request without an origin is refused', () => {
  for (const fetchSite of ['cross-site', 'Cross-Site', 'nonsense', 'none, cross-site']) {
    assert.equal(
      codeOf({ fetchSite, fetchMode: 'no-cors', fetchDest: 'image' }),
      'cross_site_request',
      fetchSite,
    );
  }
  for (const fetchSite of ['none', 'same-origin', 'same-site'])
    assert.equal(codeOf({ fetchSite }), 'admit', fetchSite);
});

test('R6: a person who followed a link from another site is asked, a frame or a form is refused', () => {
  const visit = { fetchSite: 'cross-site', fetchMode: 'navigate', fetchDest: 'document' };
  assert.equal(arrive(visit).kind, 'ask');
  assert.equal(arrive({ ...visit, method: 'HEAD' }).kind, 'ask');
  assert.equal(arrive({ ...visit, method: 'POST' }).kind, 'refuse');
  assert.equal(arrive({ ...visit, fetchDest: 'iframe' }).kind, 'refuse');
});

test('R2: the host is judged before anything else', () => {
  const visit = { fetchSite: 'cross-site', fetchMode: 'navigate', fetchDest: 'document' };
  assert.equal(codeOf({ ...visit, host: 'evil.com' }), 'host_not_allowed');
  assert.equal(codeOf({ host: 'evil.com', origin: 'http://localhost' }), 'host_not_allowed');
});

test('refusals name the line to add to the configuration', () => {
  const host = arrive({ host: 'my.test' });
  assert.match(host.kind === 'refuse' ? (host.error.hint ?? '') : '', /gate: \{ hosts: \["my\.test"\] \}/);
  const origin = arrive({ origin: 'https://my.test' });
  assert.match(
    origin.kind === 'refuse' ? (origin.error.hint ?? '') : '',
    /gate: \{ origins: \["https:\/\/my\.test"\] \}/,
  );
});

test('R6: a link or redirect from one of the proxy’s own hosts to another is let in, though a browser calls it another site', () => {
  const visit = { fetchSite: 'cross-site', fetchMode: 'navigate', fetchDest: 'document' };
  for (const referer of [
    'http://shop.localhost:8080/',
    'http://localhost:8080/page?x=1',
    'http://127.0.0.1:8080',
    'http://dev.example.test:8080/a/b',
  ]) {
    assert.equal(codeOf({ ...visit, referer }), 'admit', referer);
    assert.equal(codeOf({ ...visit, method: 'HEAD', referer }), 'admit', referer);
    assert.equal(
      codeOf({ ...visit, fetchMode: 'no-cors', fetchDest: 'image', referer }),
      'cross_site_request',
    );
    assert.equal(codeOf({ ...visit, fetchDest: 'iframe', referer }), 'cross_site_request');
    assert.equal(codeOf({ ...visit, method: 'POST', referer }), 'cross_site_request');
  }
  for (const referer of [
    'http://localhost:3000/another/program',
    'https://shop.localhost:8080/',
    'http://localhost/',
    'https://evil.com/http://localhost:8080',
    'http://localhost.evil.com:8080/',
    'http://localhost:8080@evil.com/',
    'data:text/html,x',
    'null',
    '',
    'http://localhost:8080, https://evil.com/',
    '//localhost:8080/',
    'blob:http://localhost:8080/7',
  ])
    assert.equal(arrive({ ...visit, referer }).kind, 'ask', referer);
  assert.equal(codeOf({ ...visit, host: 'shop.localhost', referer: 'http://localhost/' }), 'admit');
  const origin = 'https://evil.com';
  assert.equal(codeOf({ ...visit, origin, referer: 'http://localhost:8080/' }), 'origin_not_allowed');
});

test('R6: what a page of another site asks for without an origin is refused with what would help: a line, or CORS', () => {
  const image = { fetchSite: 'cross-site', fetchMode: 'no-cors', fetchDest: 'image' };
  const hintOf = (headers: Partial<Arrival>) => {
    const verdict = arrive({ ...image, ...headers });
    return verdict.kind === 'refuse' ? (verdict.error.hint ?? '') : '';
  };
  const asks = /sends an Origin header: {2}<img crossorigin>/;
  for (const [referer, line] of [
    ['https://my.test/a?b', /gate: \{ origins: \["https:\/\/my\.test"\] \}/],
    [undefined, /gate: \{ origins: \["https:\/\/app\.example\.com"\] \}/],
    ['data:x', /gate: \{ origins: \["https:\/\/app\.example\.com"\] \}/],
  ] as const) {
    assert.match(hintOf({ referer }), line);
    assert.match(hintOf({ referer }), asks);
  }
  for (const referer of ['http://localhost:3000/', 'https://app.example.com/x']) {
    assert.doesNotMatch(hintOf({ referer }), /gate:/);
    assert.match(hintOf({ referer }), asks);
  }
  assert.match(hintOf({ fetchMode: 'navigate', fetchDest: 'iframe' }), /not show this in a frame/);
});
