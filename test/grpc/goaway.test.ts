import assert from 'node:assert/strict';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { status as codes } from '@grpc/grpc-js';
import { goaway, headers, startFrameUpstream, startHttp2Upstream } from '../support/http2.ts';
import { callUnary, openDuplex } from './calls.ts';
import { startInteropServer } from './interop-server.ts';
import { toFramed } from './messages.ts';
import { METHODS, payloadOf } from './testing-service.ts';
import { createProxiedClient } from './ways.ts';

/** Answers a call with an empty message. */
function answer(stream: ServerHttp2Stream): void {
  stream.resume();
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.end(toFramed(Buffer.alloc(0)));
}

test('R48: after a GOAWAY calls go over a new connection, and what is under way is finished on the old one', async (t) => {
  const server = await startInteropServer(t);
  const client = await createProxiedClient(t, server.origin);
  const { call, next, outcome } = openDuplex(client, METHODS.fullDuplex);
  const echo = async (size: number): Promise<void> => {
    call.write({ response_parameters: [{ size }] });
    assert.equal((await next())?.payload?.body.length, size);
  };
  await echo(10);
  assert.equal(server.sockets.length, 1);
  server.takeLeave();
  await echo(20);
  for (let i = 0; i < 5; i++) {
    const { status } = await callUnary(client, METHODS.unary, { payload: payloadOf(1_000) });
    assert.equal(status.code, codes.OK, status.details);
  }
  assert.equal(server.sockets.length, 2);
  await echo(30);
  call.end();
  assert.equal((await outcome).status.code, codes.OK);
});

test('R48: no call fails for a server that takes leave again and again', async (t) => {
  const server = await startInteropServer(t);
  const client = await createProxiedClient(t, server.origin);
  for (let round = 0; round < 5; round++) {
    const calls = Array.from({ length: 40 }, () =>
      callUnary(client, METHODS.unary, { payload: payloadOf(5_000), response_size: 5_000 }),
    );
    await calls[0];
    server.takeLeave();
    for (const { status } of await Promise.all(calls)) assert.equal(status.code, codes.OK, status.details);
  }
  assert.ok(server.sockets.length >= 5);
});

test('R54: calls that a GOAWAY says were not looked at are sent once more, however many they are', async (t) => {
  const calls = 80;
  const { origin, peers } = await startFrameUpstream(t, (peer, id, count) => {
    if (count === calls) peer.send(goaway(0));
    if (count <= calls) return;
    peer.send(headers(id, [':status', '200', 'content-type', 'application/grpc', 'grpc-status', '5'], true));
  });
  const client = await createProxiedClient(t, origin);
  const outcomes = Array.from({ length: calls }, () => callUnary(client, METHODS.empty, {}));
  for (const { status } of await Promise.all(outcomes))
    assert.equal(status.code, codes.NOT_FOUND, status.details);
  assert.equal(peers.length, 2);
});

test('R54: a call that is refused as one stream too many is sent once more', async (t) => {
  let calls = 0;
  const { origin } = await startHttp2Upstream(t, (stream) => {
    calls += 1;
    if (calls > 1) answer(stream);
    else stream.close(constants.NGHTTP2_REFUSED_STREAM);
  });
  const client = await createProxiedClient(t, origin);
  const { status } = await callUnary(client, METHODS.empty, {});
  assert.equal(status.code, codes.OK, status.details);
  assert.equal(calls, 2);
});

test('R54: a call that may have been looked at is not sent again', async (t) => {
  let calls = 0;
  const { origin } = await startHttp2Upstream(t, (stream) => {
    calls += 1;
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  });
  const client = await createProxiedClient(t, origin);
  const { status } = await callUnary(client, METHODS.empty, {});
  assert.equal(status.code, codes.UNAVAILABLE);
  assert.equal(calls, 1);
});
