import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExchangeRecord } from '../../src/observe/events.ts';
import { toSpans } from '../../src/observe/spans.ts';
import { RECORD } from './exchange-record.ts';

const END_MS = Date.UTC(2026, 0, 1);

const spansOf = (change: Partial<ExchangeRecord> = {}) => toSpans({ ...RECORD, ...change }, END_MS);

test('a request is a span by the conventions for HTTP, and what is asked of the upstream another within it', () => {
  const { server, client } = spansOf();
  assert.deepEqual(server, {
    kind: 'server',
    name: 'GET /orders',
    startMs: END_MS - 38.26,
    endMs: END_MS,
    attributes: {
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'url.path': '/orders',
      'http.route': '/orders',
      'http.response.status_code': 200,
      'network.protocol.version': '1.1',
      'server.address': 'localhost',
      'server.port': 8080,
      'gcp_bearer_proxy.request_id': 'abc-1',
    },
    isError: false,
    problem: undefined,
  });
  assert.deepEqual(client, {
    kind: 'client',
    name: 'GET',
    startMs: END_MS - 38.26 + 0.4,
    endMs: END_MS - 38.26 + 0.4 + 37.04,
    attributes: {
      'http.request.method': 'GET',
      'url.full': 'https://orders.example/orders',
      'http.response.status_code': 200,
      'server.address': 'orders.example',
      'server.port': 443,
    },
    isError: false,
    problem: undefined,
  });
});

test('a failure is one of the server where it is: not where the client is to blame', () => {
  const refused = spansOf({
    ...{ status: 502, error: 'upstream_refused', message: 'It refused. Bearer abcdefghijklmnop' },
    upstreamMs: undefined,
  });
  assert.equal(refused.server.attributes['error.type'], 'upstream_refused');
  assert.deepEqual(
    [refused.server.isError, refused.server.problem],
    [true, 'It refused. Bearer [redacted]'],
    'with what the log says, and the same last net under it',
  );
  assert.equal(refused.client?.attributes['error.type'], 'upstream_refused');
  assert.equal(refused.client?.attributes['http.response.status_code'], undefined, 'there was no answer');
  assert.deepEqual([refused.client?.isError, refused.client?.endMs], [true, END_MS]);

  const denied = spansOf({
    ...{ status: 403, error: 'path_denied', message: 'No.', sentMs: undefined, upstreamMs: undefined },
  });
  assert.deepEqual([denied.server.isError, denied.server.attributes['error.type']], [false, 'path_denied']);
  assert.equal(denied.client, undefined, 'nothing was sent');

  const missing = spansOf({ status: 404 });
  assert.deepEqual([missing.server.isError, missing.client?.isError], [false, true]);
  assert.equal(missing.client?.attributes['error.type'], '404');
  const broken = spansOf({ status: 503 });
  assert.deepEqual([broken.server.isError, broken.server.attributes['error.type']], [true, '503']);
  const cut = spansOf({ status: 200, error: 'upstream_reset', message: 'It broke off.' });
  assert.deepEqual([cut.server.isError, cut.client?.isError], [true, true], 'in the midst of a response');

  const { server, client } = spansOf({ status: 0, upstreamMs: undefined });
  assert.deepEqual([server.isError, client?.isError], [false, false], 'the client had gone');
  assert.equal('http.response.status_code' in server.attributes, false);
});

test('names are few: of a route, and of methods that are known', () => {
  const odd = spansOf({ method: 'BREW', route: undefined, upstream: undefined, upstreamTarget: undefined });
  assert.equal(odd.server.name, 'HTTP');
  assert.equal(odd.server.attributes['http.request.method'], '_OTHER');
  assert.equal(odd.server.attributes['http.request.method_original'], 'BREW');
  assert.equal(odd.client, undefined);
});

test('a span has the path of a target in any form, and nothing of its query', () => {
  const paths = ['/a?b=…', '/a#…', 'http://…@localhost/a?b=…', 'http://localhost', '*', 'localhost:443', ''];
  assert.deepEqual(
    paths.map((target) => spansOf({ target }).server.attributes['url.path']),
    ['/a', '/a', '/a', '/', '*', undefined, undefined],
  );
  assert.equal(
    spansOf({ upstream: 'http://[::1]:3000', upstreamTarget: '/x?y=…' }).client?.attributes['url.full'],
    'http://[::1]:3000/x',
  );
  assert.equal(spansOf({ host: '[::1]' }).server.attributes['server.address'], '::1');
  assert.equal(spansOf({ host: '[::1]' }).server.attributes['server.port'], 80);
  assert.equal(spansOf({ host: '::: no host' }).server.attributes['server.address'], undefined);
});

test('a span says that Google refused, and that a request was sent again', () => {
  const refusal = { by: 'iap', cause: 'expired', message: 'It is.', hint: undefined };
  const { server, client } = spansOf({ status: 401, refusal, isReplay: true });
  assert.equal(server.attributes['gcp_bearer_proxy.refused_by'], 'iap');
  assert.equal(server.attributes['gcp_bearer_proxy.refusal_cause'], 'expired');
  assert.equal(client?.attributes['http.request.resend_count'], 1);
});
