import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { status as codes, compressionAlgorithms } from '@grpc/grpc-js';
import { startHttp2Upstream } from '../support/http2.ts';
import { startRelay } from '../support/relays.ts';
import { readBody } from '../support/sockets.ts';
import { callUnary, openInput, openOutput } from './calls.ts';
import { startCompressingServer } from './compressing-server.ts';
import { toFramed } from './messages.ts';
import { METHODS, payloadOf } from './testing-service.ts';
import { createClient, WAYS } from './ways.ts';

const GZIP = { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip };
/** `grpc.WriteFlags.NoCompress`, as one message of a stream takes it. */
const NO_COMPRESS = 2 as unknown as BufferEncoding;
const TRUE = { value: true };
const FALSE = { value: false };

for (const way of WAYS) {
  test(`R48: the interop cases of compressed messages, ${way.name}`, async (t) => {
    const server = await startCompressingServer(t, await way.certificate(t));
    const endpoint = await way.lead(t, server.origin);
    const plain = createClient(t, endpoint);
    const compressing = createClient(t, endpoint, GZIP);

    await t.test('client_compressed_unary', async () => {
      const request = { response_size: 314_159, payload: payloadOf(271_828) };
      const probe = await callUnary(plain, METHODS.unary, { ...request, expect_compressed: TRUE });
      assert.equal(probe.status.code, codes.INVALID_ARGUMENT, 'the server can tell');
      for (const [client, expect_compressed] of [
        [compressing, TRUE],
        [plain, FALSE],
      ] as const) {
        const { status, messages } = await callUnary(client, METHODS.unary, {
          ...request,
          expect_compressed,
        });
        assert.equal(status.code, codes.OK, status.details);
        assert.equal(messages[0]?.payload?.body.length, 314_159);
      }
    });

    await t.test('client_compressed_streaming', async () => {
      const probe = openInput(plain, METHODS.input);
      probe.call.end({ expect_compressed: TRUE, payload: payloadOf(27_182) });
      assert.equal((await probe.outcome).status.code, codes.INVALID_ARGUMENT, 'the server can tell');
      const { call, outcome } = openInput(compressing, METHODS.input);
      call.write({ expect_compressed: TRUE, payload: payloadOf(27_182) });
      call.write({ expect_compressed: FALSE, payload: payloadOf(45_904) }, NO_COMPRESS);
      call.end();
      const { status, messages } = await outcome;
      assert.equal(status.code, codes.OK, status.details);
      assert.equal(messages[0]?.aggregated_payload_size, 73_086);
    });

    await t.test('server_compressed_unary', async () => {
      for (const response_compressed of [TRUE, FALSE]) {
        const request = { response_compressed, response_size: 314_159, payload: payloadOf(271_828) };
        const { status, messages } = await callUnary(plain, METHODS.unary, request);
        assert.equal(status.code, codes.OK, status.details);
        assert.deepEqual(messages[0]?.payload?.body, Buffer.alloc(314_159));
      }
    });

    await t.test('server_compressed_streaming', async () => {
      const response_parameters = [
        { compressed: TRUE, size: 31_415 },
        { compressed: FALSE, size: 92_653 },
      ];
      const { status, messages } = await openOutput(plain, METHODS.output, { response_parameters }).outcome;
      assert.equal(status.code, codes.OK, status.details);
      assert.deepEqual(
        messages.map(({ payload }) => payload?.body.length),
        [31_415, 92_653],
      );
    });

    for (const values of server.authorizations) assert.deepEqual(values, way.authorization);
  });
}

test('R37: compressed messages pass byte for byte both ways', async (t) => {
  const sent = toFramed(gzipSync(Buffer.alloc(100_000, 'request')), true);
  const answered = toFramed(gzipSync(Buffer.alloc(100_000, 'response')), true);
  const seen: unknown[] = [];
  const { origin } = await startHttp2Upstream(t, async (stream, headers) => {
    seen.push(await readBody(stream), headers['grpc-encoding'], headers['grpc-accept-encoding']);
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-encoding': 'gzip' },
      { waitForTrailers: true },
    );
    stream.end(answered);
  });
  const { url } = await startRelay(t, origin);
  const session = connect(url);
  t.after(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc+proto',
    'grpc-encoding': 'gzip',
    'grpc-accept-encoding': 'gzip, br',
    te: 'trailers',
  });
  stream.end(sent);
  let encoding: unknown;
  stream.on('response', (headers) => {
    encoding = headers['grpc-encoding'];
  });
  assert.deepEqual(await readBody(stream), answered);
  assert.equal(encoding, 'gzip');
  assert.deepEqual(seen, [sent, 'gzip', 'gzip, br']);
});
