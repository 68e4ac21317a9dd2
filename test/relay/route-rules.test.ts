import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyError } from '../../src/errors.ts';
import { toErrorAnswer } from '../../src/relay/answers.ts';
import { decide, type RequestHead } from '../../src/relay/decide.ts';
import type { Route } from '../../src/relay/site.ts';
import { requestHead, route, rules, site } from '../support/sites.ts';

function guarded(closed: Parameters<typeof rules>[0], change: Partial<Route> = {}): Route {
  return route({ name: '/orders', path: '/orders', ...rules(closed), ...change });
}

const HOST = ['Host', 'localhost:8080'];
const READING = { methods: ['GET', 'HEAD', 'OPTIONS'], readOnly: true };

function judge(target: Route, head: Partial<RequestHead>): ProxyError | undefined {
  const decision = decide(site(target), requestHead({ target: '/orders', ...head }));
  if (decision.kind === 'forward') return undefined;
  assert.equal(decision.kind, 'answer');
  if (decision.kind !== 'answer') return undefined;
  assert.equal(decision.route, target.name, 'the route that refuses is told along with the refusal');
  return decision.error;
}

const codeOf = (target: Route, head: Partial<RequestHead>): string => judge(target, head)?.code ?? 'forward';

test('a route without rules has none to be asked', () => {
  assert.equal(guarded({}).rules, undefined);
  assert.equal(codeOf(guarded({}), { method: 'DELETE' }), 'forward');
});

test('a method that is not listed is a 403 that names route, method and line, with Allow', () => {
  const target = guarded({ methods: ['GET', 'POST'] });
  for (const method of ['GET', 'POST']) assert.equal(codeOf(target, { method }), 'forward');
  for (const method of ['HEAD', 'OPTIONS', 'DELETE', 'get', 'PROPFIND'])
    assert.equal(codeOf(target, { method }), 'method_denied', method);
  const error = judge(target, { method: 'DELETE' });
  assert.equal(error?.status, 403);
  assert.equal(error?.message, 'Route /orders takes GET, POST: no DELETE.');
  assert.match(error?.hint ?? '', /add it to `methods` of this route/);
  const answer = toErrorAnswer(error as ProxyError, { route: '/orders', requestId: 'r' });
  assert.equal(answer.lines[answer.lines.indexOf('Allow') + 1], 'GET, POST');
});

test('a method of any length is shown in part', () => {
  const error = judge(guarded({ methods: ['GET'] }), { method: 'X'.repeat(5_000) });
  assert.ok((error?.message.length ?? 0) < 200);
});

test('a read-only route takes GET, HEAD and OPTIONS, and no WebSocket', () => {
  const target = guarded(READING);
  for (const method of READING.methods) assert.equal(codeOf(target, { method }), 'forward');
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'QUERY'])
    assert.equal(codeOf(target, { method }), 'method_denied', method);
  assert.match(judge(target, { method: 'PUT' })?.hint ?? '', /`readOnly: true`/);
  const upgrade = { canUpgrade: true, lines: [...HOST, 'Connection', 'Upgrade', 'Upgrade', 'websocket'] };
  assert.match(judge(target, upgrade)?.message ?? '', /no WebSocket/);
  assert.equal(codeOf(guarded({ methods: ['GET'] }), upgrade), 'forward');
  assert.equal(codeOf(guarded({ methods: ['POST'] }), upgrade), 'method_denied');
  assert.equal(codeOf(guarded({ ...READING, methods: ['GET'] }), { method: 'HEAD' }), 'method_denied');
});

test('a header that asks for a method outside of the list is refused, however it is spelled', () => {
  const target = guarded(READING);
  for (const name of [
    'X-HTTP-Method-Override',
    'x-http-method',
    'X-METHOD-OVERRIDE',
    'X_Http_Method_Override',
  ]) {
    for (const value of ['DELETE', ' post ', 'GET, DELETE', '', 'PATCH']) {
      assert.equal(codeOf(target, { lines: [...HOST, name, value] }), 'method_denied', `${name}: ${value}`);
    }
    assert.equal(codeOf(target, { lines: [...HOST, name, 'GET'] }), 'forward');
    assert.equal(codeOf(target, { lines: [...HOST, name, 'get', name, 'PUT'] }), 'method_denied');
    assert.equal(codeOf(guarded({ paths: ['/**'] }), { lines: [...HOST, name, 'DELETE'] }), 'forward');
    // Nor is it one that `Connection` takes off again.
    const lines = [...HOST, 'Connection', name, name, 'PUT'];
    assert.equal(codeOf(target, { lines }), 'method_denied');
  }
  assert.match(
    judge(target, { lines: [...HOST, 'X-Http-Method', 'PUT'] })?.message ?? '',
    /^Route \/orders is read-only and takes GET, HEAD, OPTIONS: no other method by way of the header X-Http-Method\.$/,
  );
  assert.equal(codeOf(target, { lines: [...HOST, 'X-HTTP-Methods', 'PUT'] }), 'forward');
});

test('a query that asks Google’s front end for a method outside of the list is refused, however it is spelled', () => {
  const target = guarded(READING);
  for (const query of [
    '$httpMethod=DELETE',
    'a=b&%24httpMethod=post',
    '%24%68ttp%4dethod=PUT',
    '$httpMethod=GET&$httpMethod=PUT',
    '$httpMethod',
    '$httpHeaders=X-HTTP-Method-Override:DELETE%0d%0a',
    '$httpHeaders=a:b%0Ax_http_method:%20put',
  ]) {
    assert.equal(codeOf(target, { target: `/orders?${query}` }), 'method_denied', query);
    assert.equal(codeOf(guarded({ paths: ['/**'] }), { target: `/orders?${query}` }), 'forward', query);
  }
  for (const query of [
    '$httpMethod=GET',
    'httpMethod=PUT',
    '$httpHeaders=a:PUT%0d%0aX-HTTP-Method:get%0d%0a',
    '%',
  ]) {
    assert.equal(codeOf(target, { target: `/orders?${query}` }), 'forward', query);
  }
  assert.match(
    judge(target, { target: '/orders?$httpMethod=SECRET' })?.message ?? '',
    /: no other method by way of \$httpMethod in the query\.$/,
  );
});

test('paths begin behind the route’s own; a path outside of them is a 403 that names the lines, without its query', () => {
  const target = guarded({ paths: ['/', '/v1/**'] });
  for (const path of ['/orders', '/orders/', '/orders?x', '/orders/v1', '/orders/v1/7?x=/admin'])
    assert.equal(codeOf(target, { target: path }), 'forward', path);
  for (const path of ['/orders/admin', '/orders/orders', '/orders//v1', '/orders/v1%2f', '/orders/v2?/v1/'])
    assert.equal(codeOf(target, { target: path }), 'path_denied', path);
  const error = judge(target, { target: '/orders/admin?token=hidden' });
  assert.equal(error?.status, 403);
  assert.equal(error?.message, "Route /orders doesn't take /admin: its `paths` are /, /v1/**.");
  assert.match(error?.hint ?? '', /add a line to `paths`/);
  assert.doesNotMatch(error?.hint ?? '', /Escaped slashes/);
  assert.match(judge(target, { target: '/orders/v1%2fx' })?.hint ?? '', /Escaped slashes/);
  assert.match(judge(target, { target: '/orders//v1' })?.hint ?? '', /empty segments/);
  const atRoot = guarded({ paths: ['/v1/**'] }, { name: '/', path: '/' });
  assert.equal(codeOf(atRoot, { target: '/v1/x' }), 'forward');
  assert.equal(codeOf(atRoot, { target: '/' }), 'path_denied');
  const unstripped = guarded({ paths: ['/v1/**'] }, { stripPath: false });
  assert.equal(codeOf(unstripped, { target: '/orders/v1/x' }), 'forward');
});

test('a header that asks for another path is refused where paths are listed', () => {
  for (const name of ['X-Original-URL', 'x-rewrite-url', 'X_ORIGINAL_URL']) {
    const lines = [...HOST, name, '/admin'];
    assert.equal(codeOf(guarded({ paths: ['/'] }), { lines }), 'path_denied');
    assert.equal(codeOf(guarded({ methods: ['GET'] }), { lines }), 'forward');
  }
  const error = judge(guarded({ paths: ['/'] }), { lines: [...HOST, 'X-Rewrite-Url', '/admin?secret'] });
  assert.match(error?.message ?? '', /no other path by way of the header X-Rewrite-Url\.$/);
  assert.equal(
    codeOf(guarded({ paths: ['/'] }), { lines: [...HOST, 'X-Value', 'X-Rewrite-Url'] }),
    'forward',
  );
});

test('R13: what could climb out of a route is a 400 before any list is looked at', () => {
  const decision = decide(site(guarded({ paths: ['/v1/**'] })), requestHead({ target: '/orders/v1/..%2fx' }));
  assert.ok(decision.kind === 'answer' && decision.error.code === 'bad_path');
});

test('long paths and long lists are shown in part', () => {
  const paths = Array.from({ length: 50 }, (_, i) => `/path-number-${i}`);
  const error = judge(guarded({ paths }), { target: `/orders/${'x'.repeat(5_000)}` });
  assert.match(error?.message ?? '', /x…: its `paths` are \/path-number-0, .*\/path-number-9, …\.$/);
  assert.ok((error?.message.length ?? 0) < 600);
});

test('a declared length above the limit is a 413, one at the limit passes, and others are counted later', () => {
  const target = guarded({ bodyBytes: 10 });
  const withLength = (length: string): Partial<RequestHead> => ({
    method: 'POST',
    lines: [...HOST, 'Content-Length', length],
  });
  assert.equal(codeOf(target, withLength('10')), 'forward');
  for (const length of ['11', '999999999999999'])
    assert.equal(codeOf(target, withLength(length)), 'body_too_large');
  assert.equal(
    codeOf(target, { method: 'POST', lines: [...HOST, 'Transfer-Encoding', 'chunked'] }),
    'forward',
  );
  const http2 = { authority: 'localhost', hasBody: true };
  const lines = ['content-length', '11'];
  assert.equal(
    codeOf(target, { method: 'POST', httpMajor: 2, httpMinor: 0, http2, lines }),
    'body_too_large',
  );
  const error = judge(target, withLength('11'));
  assert.deepEqual([error?.status, error?.message], [413, 'Route /orders takes bodies of at most 10 bytes.']);
  assert.match(error?.hint ?? '', /`limits\.body`/);
});
