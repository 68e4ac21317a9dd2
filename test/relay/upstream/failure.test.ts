import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyError } from '../../../src/errors.ts';
import { ConnectionError } from '../../../src/relay/upstream/connection-error.ts';
import { isLastingFailure, toUpstreamError } from '../../../src/relay/upstream/failure.ts';
import { begin, createFakeLane, startTransport, toSystemError } from '../../support/transports.ts';

const ORIGIN = 'https://upstream.example';

function http2Error(code: string, name: string): Error {
  return Object.assign(new Error(`Stream closed with error code ${name}`), { code });
}

test('faults of HTTP/2 are a broken connection, or a response that is none', () => {
  for (const [cause, code] of [
    [http2Error('ERR_HTTP2_STREAM_ERROR', 'NGHTTP2_INTERNAL_ERROR'), 'upstream_reset'],
    [http2Error('ERR_HTTP2_STREAM_ERROR', 'NGHTTP2_CANCEL'), 'upstream_reset'],
    [http2Error('ERR_HTTP2_SESSION_ERROR', 'NGHTTP2_ENHANCE_YOUR_CALM'), 'upstream_reset'],
    [http2Error('ERR_HTTP2_GOAWAY_SESSION', ''), 'upstream_reset'],
    [http2Error('ERR_HTTP2_INVALID_SESSION', ''), 'upstream_reset'],
    [http2Error('NGHTTP2_REFUSED_STREAM', ''), 'upstream_reset'],
    [http2Error('ERR_HTTP2_STREAM_ERROR', 'NGHTTP2_PROTOCOL_ERROR'), 'bad_upstream_response'],
    [http2Error('ERR_HTTP2_SESSION_ERROR', 'NGHTTP2_COMPRESSION_ERROR'), 'bad_upstream_response'],
    [http2Error('ERR_HTTP2_ERROR', ''), 'bad_upstream_response'],
    [http2Error('NGHTTP2_FLOW_CONTROL_ERROR', ''), 'bad_upstream_response'],
  ] as const) {
    assert.equal(toUpstreamError(cause, ORIGIN).code, code, `${cause.message} ${code}`);
  }
});

test('an upstream without HTTP/2 is told apart from one that can’t be trusted, with what to set', () => {
  for (const cause of [
    new ConnectionError('NO_HTTP2', 'it chose http/1.1'),
    toSystemError('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'),
  ]) {
    const { code, status, message, hint } = toUpstreamError(cause, ORIGIN);
    assert.deepEqual([code, status], ['upstream_protocol', 502]);
    assert.equal(message, `${ORIGIN} doesn't speak HTTP/2.`);
    assert.match(hint ?? '', /protocol: http1/);
  }
});

test('only of an upstream that was not trusted it is said that nothing was sent: over TLS 1.3 it may refuse what it has read', () => {
  for (const [code, isUnsent] of [
    ['ERR_TLS_CERT_ALTNAME_INVALID', true],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', true],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', false],
    ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', false],
    ['EPROTO', false],
  ] as const) {
    const error = toUpstreamError(toSystemError(code), ORIGIN);
    assert.equal(error.code, 'tls_error');
    assert.equal(error.message.includes('nothing was sent'), isUnsent, code);
  }
});

test('R53: without a file descriptor for one more connection the answer is 503 at once, and no second attempt', async (t) => {
  for (const code of ['EMFILE', 'ENFILE']) {
    const lane = createFakeLane();
    const { outcome } = begin(startTransport(t, ORIGIN, { lanes: { http1: lane.make } }));
    lane.fail({ cause: toSystemError(code), reach: 'unsent' });
    const { error } = await outcome;
    assert.deepEqual([error?.code, error?.status, error?.retryAfterMs], ['overloaded', 503, 1_000]);
    assert.match(error?.message ?? '', new RegExp(code));
    assert.equal(lane.attempts.length, 1);
  }
});

test('a failure that has its name already keeps it, and lasts', () => {
  const error = new ProxyError('shutting_down', 'The proxy stops.');
  assert.equal(toUpstreamError(error, ORIGIN), error);
  assert.equal(isLastingFailure(error), true);
});

test('what nobody foresaw is a fault of the proxy, and shows nothing of itself', () => {
  const error = toUpstreamError(new TypeError('secret'), ORIGIN);
  assert.equal(error.code, 'internal');
  assert.doesNotMatch(error.message, /secret/);
});
