import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { status as codes } from '@grpc/grpc-js';
import { data, headers, startFrameUpstream, startHttp2Upstream } from '../support/http2.ts';
import { startRelay } from '../support/relays.ts';
import { readBody } from '../support/sockets.ts';
import { callUnary, initialMetadata, metadataOf, openDuplex } from './calls.ts';
import { ECHO_INITIAL, ECHO_TRAILING, startInteropServer } from './interop-server.ts';
import { toFramed } from './messages.ts';
import { METHODS } from './testing-service.ts';
import { createClient, createProxiedClient, DIRECT, THROUGH_PROXY } from './ways.ts';

test('R48: the head of a call arrives as gRPC has it: the token once, the deadline and the rest unchanged', async (t) => {
  const heads: string[][] = [];
  const { origin } = await startHttp2Upstream(t, (stream, _headers, raw) => {
    heads.push(raw);
    stream.resume();
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' },
      { endStream: true },
    );
  });
  const client = await createProxiedClient(t, origin);
  const metadata = metadataOf('x-one', '1', 'x-two', 'a', 'x-two', 'b', 'x-key-bin', Buffer.from([0, 255]));
  await callUnary(client, METHODS.empty, {}, { metadata, deadline: Date.now() + 60_000 });
  const [head = []] = heads;
  const valuesOf = (name: string): string[] => head.filter((_, i) => i % 2 === 1 && head[i - 1] === name);
  assert.deepEqual(valuesOf(':method'), ['POST']);
  assert.deepEqual(valuesOf(':path'), ['/grpc.testing.TestService/EmptyCall']);
  assert.deepEqual(valuesOf(':authority'), [new URL(origin).host]);
  assert.deepEqual(valuesOf('authorization'), ['Bearer token']);
  assert.deepEqual(valuesOf('te'), ['trailers']);
  assert.deepEqual(valuesOf('content-type'), ['application/grpc']);
  assert.match(valuesOf('user-agent').join(), /^grpc-node-js\//);
  assert.match(valuesOf('grpc-timeout').join(), /^[0-9]{1,8}m$/);
  assert.deepEqual(valuesOf('grpc-accept-encoding'), ['identity,deflate,gzip']);
  assert.deepEqual(valuesOf('x-one'), ['1']);
  assert.deepEqual(valuesOf('x-two'), ['a', 'b']);
  assert.deepEqual(valuesOf('x-key-bin'), ['AP8=']);
});

test("R48: a client's own authorization stays, and the token goes beside it", async (t) => {
  const seen: unknown[] = [];
  const { origin } = await startHttp2Upstream(t, (stream, headers) => {
    seen.push(headers.authorization, headers['x-serverless-authorization']);
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' },
      { endStream: true },
    );
  });
  const client = await createProxiedClient(t, origin);
  await callUnary(client, METHODS.empty, {}, { metadata: metadataOf('authorization', 'Bearer mine') });
  assert.deepEqual(seen, ['Bearer mine', 'Bearer token']);
});

test('R48: metadata comes back whole: repeated, binary, eight kilobytes long', async (t) => {
  const binary = [Buffer.from([0, 1, 254, 255]), Buffer.alloc(0), Buffer.alloc(8_192, 7)];
  const metadata = metadataOf(...[...'ab', 'x'.repeat(8_192)].flatMap((value) => [ECHO_INITIAL, value]));
  for (const value of binary) metadata.add(ECHO_TRAILING, value);
  const found = [];
  for (const way of [DIRECT, THROUGH_PROXY]) {
    const { origin } = await startInteropServer(t);
    const client = createClient(t, await way.lead(t, origin));
    const good = await callUnary(client, METHODS.unary, {}, { metadata });
    const bad = await callUnary(
      client,
      METHODS.unary,
      { response_status: { code: 9, message: 'no' } },
      { metadata },
    );
    assert.equal(good.status.code, codes.OK, good.status.details);
    assert.equal(bad.status.code, codes.FAILED_PRECONDITION, bad.status.details);
    for (const { initial, status } of [good, bad])
      found.push([initial.get(ECHO_INITIAL), status.metadata.get(ECHO_TRAILING)]);
  }
  assert.deepEqual(found[0]?.[1], binary);
  assert.equal(found[0]?.[0]?.join().length, 8_192 + 6);
  for (const other of found.slice(1)) assert.deepEqual(other, found[0]);
});

test('R33: the trailers of a call keep order, repetition and bytes, in a response of trailers alone, too', async (t) => {
  const fields = {
    'grpc-status': '9',
    'grpc-message': 'caf%C3%A9 100%25',
    'grpc-status-details-bin': 'CAkSAm5v',
    'x-many': ['1', '2', '3'],
    'x-many-bin': ['AAE', '/v8='],
  };
  const { origin } = await startHttp2Upstream(t, (stream, headers) => {
    const head = { ':status': 200, 'content-type': 'application/grpc' };
    if (headers['x-alone'] !== undefined) {
      stream.respond({ ...head, ...fields }, { endStream: true });
      return;
    }
    stream.on('wantTrailers', () => stream.sendTrailers(fields));
    stream.respond(head, { waitForTrailers: true });
    stream.end(toFramed(Buffer.alloc(0)));
  });
  const client = await createProxiedClient(t, origin);
  for (const metadata of [metadataOf('x-alone', '1'), metadataOf()]) {
    const { status } = await callUnary(client, METHODS.empty, {}, { metadata });
    assert.deepEqual([status.code, status.details], [9, 'café 100%']);
    assert.deepEqual(status.metadata.get('grpc-status-details-bin'), [Buffer.from('CAkSAm5v', 'base64')]);
    assert.deepEqual(status.metadata.get('x-many').join(', '), '1, 2, 3');
    assert.deepEqual(status.metadata.get('x-many-bin'), [Buffer.from([0, 1]), Buffer.from([254, 255])]);
  }
});

test("R40: the server's initial metadata comes before its first message", async (t) => {
  const { origin } = await startInteropServer(t);
  const client = await createProxiedClient(t, origin);
  const duplex = openDuplex(client, METHODS.fullDuplex, { metadata: metadataOf(ECHO_INITIAL, 'early') });
  const metadata = await initialMetadata(duplex.call);
  assert.deepEqual(metadata.get(ECHO_INITIAL), ['early']);
  duplex.call.end();
  const { status, messages } = await duplex.outcome;
  assert.equal(status.code, codes.OK, status.details);
  assert.deepEqual(messages, []);
});

test('R42: a status in the head is no end of what comes behind it, and a head that no client may get is an error', async (t) => {
  const { origin } = await startFrameUpstream(t, (peer, id, count) => {
    const head = ['content-type', 'application/grpc', 'grpc-status', '0'];
    if (count > 1) peer.send(headers(id, [':status', '799', ...head], true));
    else
      peer.send(headers(id, [':status', '200', ...head]), data(id, 'against '), data(id, 'the rules', true));
  });
  const session = connect((await startRelay(t, origin)).url);
  t.after(() => session.destroy());
  const open = () =>
    session.request(
      { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' },
      { endStream: true },
    );
  assert.equal(`${await readBody(open())}`, 'against the rules');
  const [answer] = await once(open().resume(), 'response');
  assert.equal(answer['grpc-status'], `${codes.UNAVAILABLE}`);
  assert.match(answer['grpc-message'], /sent a response head that can't be relayed\.$/);
});
