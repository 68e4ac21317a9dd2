import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeHead, decide, type Forward, type RequestHead } from '../../src/relay/decide.ts';
import type { Route } from '../../src/relay/site.ts';
import { CROSS_SITE_VISIT, heldToken, requestHead, route, site, staticTokens } from '../support/sites.ts';

const HOST = ['Host', 'localhost:8080'];

function codeOf(head: Partial<RequestHead>, ...routes: Route[]): string {
  const decision = decide(site(...(routes.length === 0 ? [route()] : routes)), requestHead(head));
  return 'error' in decision ? decision.error.code : decision.kind;
}

function forwardOf(head: Partial<RequestHead>, ...routes: Route[]): Forward {
  const decision = decide(site(...routes), requestHead(head));
  assert.equal(decision.kind, 'forward');
  return decision as Forward;
}

/** Header values of a name among field lines, whatever its case. */
function values(lines: readonly string[], name: string): string[] {
  return lines.filter((_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === name);
}

test('R15: no route is a 404 that names the routes there are, and no token is asked for', () => {
  const untouchable = route({
    name: '/orders',
    path: '/orders',
    tokens: {
      ...staticTokens('x'),
      current: () => assert.fail('asked for a token'),
      obtain: () => assert.fail('asked for a token'),
    },
  });
  const decision = decide(site(untouchable), requestHead({ target: '/nowhere?secret=1' }));
  assert.equal(decision.kind, 'answer');
  if (decision.kind !== 'answer') return;
  assert.equal(decision.error.code, 'no_route');
  assert.equal(decision.error.status, 404);
  assert.match(decision.error.hint ?? '', /\/orders/);
  assert.doesNotMatch(decision.error.message, /secret/);
});

test('R4: two Host headers, or a list in one, are refused', () => {
  assert.equal(codeOf({ lines: ['Host', 'localhost', 'host', 'localhost'] }), 'bad_host');
  assert.equal(codeOf({ lines: ['Host', 'localhost, localhost'] }), 'bad_host');
  assert.equal(codeOf({ lines: [] }), 'bad_host');
});

test('R11: an absolute-form target has to pass the gate as well, and then counts for routing', () => {
  const shop = route({ name: 'shop.localhost', host: 'shop.localhost' });
  assert.equal(codeOf({ target: 'http://evil.com/x' }), 'host_not_allowed');
  assert.equal(codeOf({ target: 'http://localhost@evil.com/x' }), 'bad_host');
  const forward = forwardOf({ target: 'http://shop.localhost:8080/a?b' }, shop, route({ name: 'any' }));
  assert.equal(forward.route.name, 'shop.localhost');
  assert.equal(forward.target, '/a?b');
});

test('R46: only a GET of HTTP/1.1 that names WebSocket alone, on a connection that can be handed over, is a handshake', () => {
  const upgradeOf = (lines: string[], change: Partial<RequestHead> = {}) =>
    forwardOf({ lines: [...HOST, ...lines], canUpgrade: true, ...change }, route()).upgrade;
  const upgrade = ['Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket'];
  assert.equal(upgradeOf(upgrade), 'websocket');
  assert.equal(upgradeOf([...upgrade, 'Content-Length', '0']), 'websocket');
  assert.equal(upgradeOf(upgrade, { canUpgrade: false }), undefined);
  assert.equal(upgradeOf(upgrade, { method: 'POST' }), undefined);
  assert.equal(upgradeOf(upgrade, { httpMinor: 0 }), undefined);
  assert.equal(upgradeOf([...upgrade, 'upgrade', 'h2c']), undefined);
  assert.equal(upgradeOf(['Connection', 'Upgrade', 'Upgrade', 'websocket/13']), undefined);
  assert.equal(upgradeOf(['Connection', 'Upgraded', 'Upgrade', 'websocket']), undefined);
  assert.equal(upgradeOf(['Upgrade', 'websocket']), undefined);
  assert.equal(codeOf({ lines: [...HOST, ...upgrade, 'Content-Length', '1'] }), 'bad_request');
  assert.equal(codeOf({ lines: [...HOST, ...upgrade, 'Transfer-Encoding', 'chunked'] }), 'bad_request');
  const plain = composeHead(forwardOf({ lines: [...HOST, ...upgrade] }, route()), heldToken('t'));
  assert.deepEqual([values(plain, 'connection'), values(plain, 'upgrade')], [[], []]);
});

test('R11: CONNECT and TRACE are not relayed, and only OPTIONS may ask about the server', () => {
  assert.equal(codeOf({ method: 'CONNECT', target: '/' }), 'method_not_allowed');
  assert.equal(codeOf({ method: 'TRACE' }), 'method_not_allowed');
  assert.equal(codeOf({ method: 'OPTIONS', target: '*' }), 'server-options');
  assert.equal(codeOf({ method: 'GET', target: '*' }), 'bad_request');
});

test('R12: other versions of HTTP are refused', () => {
  assert.equal(codeOf({ httpMajor: 0, httpMinor: 9 }), 'http_version_not_supported');
  assert.equal(codeOf({ httpMajor: 2, httpMinor: 0 }), 'http_version_not_supported');
  assert.equal(codeOf({ httpMajor: 1, httpMinor: 0 }), 'forward');
});

test('R31: more header lines than are taken is an error, none is dropped in silence', () => {
  const lines = (count: number) => [...HOST, ...Array.from({ length: count - 1 }, () => ['X-A', '1']).flat()];
  assert.equal(codeOf({ lines: lines(256) }), 'forward');
  assert.equal(codeOf({ lines: lines(257) }), 'head_too_large');
});

test('the token goes into Authorization, and steps aside for the client’s own on Cloud Run only', () => {
  const withAuthorization = { lines: [...HOST, 'Authorization', 'Bearer theirs'] };
  const cases: [string, Partial<RequestHead>, Partial<Route>, string, string[]][] = [
    ['auto, none sent', {}, {}, 'authorization', ['Bearer token']],
    ['auto, one sent', withAuthorization, {}, 'x-serverless-authorization', ['Bearer theirs']],
    ['auto, not Cloud Run', withAuthorization, { spareHeader: undefined }, 'authorization', ['Bearer token']],
    ['authorization', withAuthorization, { header: 'authorization' }, 'authorization', ['Bearer token']],
    ['serverless', {}, { header: 'x-serverless-authorization' }, 'x-serverless-authorization', []],
    ['IAP', withAuthorization, { header: 'proxy-authorization' }, 'proxy-authorization', ['Bearer theirs']],
  ];
  for (const [name, head, change, header, authorization] of cases) {
    const forward = forwardOf(head, route(change));
    const lines = composeHead(forward, heldToken('token'));
    assert.deepEqual(values(lines, header), ['Bearer token'], name);
    assert.deepEqual(values(lines, 'authorization'), authorization, name);
  }
});

test('two Authorization headers are refused where one would go on', () => {
  const lines = [...HOST, 'Authorization', 'a', 'authorization', 'b'];
  assert.equal(codeOf({ lines }), 'bad_request');
  assert.equal(codeOf({ lines }, route({ header: 'authorization' })), 'forward');
});

test('a route without a token passes the client’s Authorization and adds nothing', () => {
  const forward = forwardOf(
    { lines: [...HOST, 'Authorization', 'Basic x', 'X-Serverless-Authorization', 'y'] },
    route({ tokens: undefined }),
  );
  const lines = composeHead(forward, undefined);
  assert.deepEqual(values(lines, 'authorization'), ['Basic x']);
  assert.deepEqual(values(lines, 'x-serverless-authorization'), []);
});

test('R21: a head for a route that wants a token can’t be composed without one', () => {
  assert.throws(() => composeHead(forwardOf({}, route()), undefined), { code: 'token_unavailable' });
});

test('R39: Host is the upstream’s, what the client called us goes into X-Forwarded-Host', () => {
  const lines = composeHead(forwardOf({}, route({ upstreamHost: 'svc.a.run.app' })), heldToken('token'));
  assert.deepEqual(values(lines, 'host'), ['svc.a.run.app']);
  assert.deepEqual(values(lines, 'x-forwarded-host'), ['localhost:8080']);
  assert.deepEqual(values(lines, 'x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(values(lines, 'x-forwarded-proto'), ['http']);
});

test('R6: the page that asks a visitor leads back to the same target on the same host', () => {
  const decision = decide(
    site(route()),
    requestHead({
      target: '//evil.com/x?y',
      lines: [...HOST, ...CROSS_SITE_VISIT, 'Referer', 'https://chat.example/'],
    }),
  );
  assert.equal(decision.kind, 'ask');
  if (decision.kind !== 'ask') return;
  assert.equal(decision.url, 'http://localhost:8080//evil.com/x?y');
  assert.equal(decision.from, 'https://chat.example/');
});

test('a preflight is judged before client, route and token are, and after the gate and the framing', () => {
  const untouchable = route({
    path: '/orders',
    tokens: {
      ...staticTokens('x'),
      current: () => assert.fail('asked for a token'),
      obtain: () => assert.fail('asked for a token'),
    },
  });
  const lines = [...HOST, 'Origin', 'http://localhost:3000', 'Access-Control-Request-Method', 'PUT'];
  const kindOf = (change: Partial<RequestHead> = {}) =>
    codeOf({ method: 'OPTIONS', lines, ...change }, untouchable);
  for (const target of ['/orders/7', '/nowhere', '/orders?x'])
    assert.equal(kindOf({ target }), 'preflight', target);
  assert.equal(kindOf({ target: '/a/..' }), 'bad_path');
  assert.equal(kindOf({ target: '*' }), 'server-options');
  assert.equal(kindOf({ lines: lines.with(3, 'http://evil.test') }), 'origin_not_allowed');
  assert.equal(kindOf({ lines: lines.with(1, 'evil.test') }), 'host_not_allowed');
  assert.equal(kindOf({ lines: [...lines, 'Transfer-Encoding', 'gzip'] }), 'transfer_coding_not_supported');
  assert.equal(kindOf({ lines: lines.with(5, 'P UT') }), 'bad_request');
});
