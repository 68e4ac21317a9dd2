import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders } from 'node:http2';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProxyError } from '../../../src/errors.ts';
import { isGrpc, toGrpcMessage, toGrpcType } from '../../../src/relay/grpc.ts';
import type { Route } from '../../../src/relay/site.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import {
  connectRawHttp2,
  Flag,
  Frame,
  requestFields,
  toFrame,
  toHeaders,
} from '../../support/http2-frames.ts';
import { startRelay } from '../../support/relays.ts';
import { staticTokens } from '../../support/sites.ts';
import { closedPort, exchangeBytes } from '../../support/sockets.ts';

const GRPC = {
  ':method': 'POST',
  ':path': '/pkg.Service/Method',
  'content-type': 'application/grpc',
  te: 'trailers',
};
const MESSAGE = Buffer.from([0, 0, 0, 0, 0]);

const failing = (error: ProxyError): Partial<Route> => ({
  tokens: { ...staticTokens('x'), current: () => undefined, obtain: () => Promise.reject(error) },
});

test('R48: what the proxy itself has to say to a gRPC client is said as gRPC has it', async (t) => {
  const origin = `http://127.0.0.1:${await closedPort()}`;
  const cases: [Partial<Route>, OutgoingHttpHeaders, string, RegExp][] = [
    [{ path: '/only', name: '/only' }, {}, '12', /^No route takes \/pkg\.Service\/Method/],
    [{}, { origin: 'http://evil.com' }, '7', /./],
    [{}, { 'sec-fetch-site': 'cross-site' }, '7', /./],
    [{}, { ':authority': 'evil.com' }, '7', /./],
    [{}, { ':path': '/../x' }, '3', /./],
    [
      failing(new ProxyError('credentials_invalid', 'Signed “out”, 100%.', { hint: 'gcloud auth login' })),
      {},
      '16',
      /^Signed %E2%80%9Cout%E2%80%9D, 100%25\. gcloud auth login$/,
    ],
    [
      failing(new ProxyError('token_unavailable', 'Google is away.', { retryAfterMs: 2_400 })),
      {},
      '14',
      /^Google is away\.$/,
    ],
    [{}, {}, '14', /refused/],
    [{}, { 'content-type': 'application/grpc+proto' }, '14', /refused/],
    [{}, { 'content-type': 'application/grpc-web+proto' }, '14', /refused/],
  ];
  for (const [change, headers, status, message] of cases) {
    const relay = await startRelay(t, origin, change);
    const reply = await ask(connectHttp2(t, relay.url), { ...GRPC, ...headers }, MESSAGE);
    assert.equal(reply.status, 200);
    const isWeb = headers['content-type'] === 'application/grpc-web+proto';
    assert.equal(reply.headers['content-type'], isWeb ? headers['content-type'] : 'application/grpc');
    assert.equal(reply.headers['grpc-status'], status, JSON.stringify(headers));
    assert.match(String(reply.headers['grpc-message']), message);
    assert.match(String(reply.headers['grpc-message']), /^[\x20-\x7e]+$/);
    assert.match(String(reply.headers['proxy-status']), /^gcp-bearer-proxy; error=/);
    assert.equal(reply.body, '');
    assert.equal(reply.trailers, undefined);
    assert.notEqual(relay.records[0]?.error, undefined);
  }
});

test('R48: all of it is in one head that ends the stream', async (t) => {
  const relay = await startRelay(t, 'http://127.0.0.1:1', { path: '/only' });
  const client = connectRawHttp2(relay.url);
  client.send(
    toHeaders(1, requestFields('POST', ['content-type', 'application/grpc']), Flag.endHeaders),
    toFrame(Frame.data, Flag.endStream, 1, MESSAGE),
  );
  await client.find(({ streamId, flags }) => streamId === 1 && (flags & Flag.endStream) !== 0);
  assert.deepEqual(
    client.frames.filter(({ streamId }) => streamId === 1).map(({ type }) => type),
    [Frame.headers],
  );
  client.socket.destroy();
});

test('gRPC-Web over HTTP/1.1 is answered the same way', async (t) => {
  const relay = await startRelay(t, 'http://127.0.0.1:1', { path: '/only' });
  const text = await exchangeBytes(
    relay.url,
    'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  assert.match(text, /^HTTP\/1\.1 200 [\s\S]*\r\ngrpc-status: 12\r\n/);
});

test('gRPC is known by its content type alone', () => {
  for (const contentType of [
    'application/grpc',
    'Application/GRPC',
    'application/grpc+proto',
    'application/grpc;x=y',
    'application/grpc ; x',
  ])
    assert.ok(isGrpc({ contentType }), contentType);
  for (const contentType of [
    undefined,
    '',
    'application/grpcx',
    'application/grpc-web',
    'text/plain',
    'x-application/grpc',
  ])
    assert.equal(isGrpc({ contentType }), false, String(contentType));
  for (const contentType of [
    'application/grpc',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpc-web-text',
  ])
    assert.notEqual(toGrpcType({ contentType }), undefined, contentType);
  assert.equal(toGrpcType({ contentType: 'application/grpc-webx' }), undefined);
});

test('a grpc-message is visible ASCII, and decodes to what was said', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = toGrpcMessage(text);
      assert.match(encoded, /^[\x20-\x7e]*$/);
      assert.equal(decodeURIComponent(encoded), text);
    }),
  );
});
