import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { HeldToken, TokenSource } from '../../../src/auth/token-source.ts';
import { createTransport } from '../../../src/relay/upstream/transport.ts';
import {
  answering,
  closed,
  handshake,
  openClient,
  openWebSocket,
  SWITCHED,
} from '../../support/handshakes.ts';
import { startRelay } from '../../support/relays.ts';
import { heldToken, staticTokens } from '../../support/sites.ts';
import { readToEnd, readUntil, startRawUpstream } from '../../support/sockets.ts';

test('R47: a client that has said all it has to say still hears the upstream out', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED), true);
  const relay = await startRelay(t, upstream.origin);
  const client = await openWebSocket(t, relay.url);
  const [server] = upstream.sockets as [Socket];
  const heard = readToEnd(server);
  const ended = once(server, 'end');
  client.end('last words');
  await ended;
  const rest = readToEnd(client);
  server.write('a late ');
  server.end('answer');
  assert.equal(await rest, 'a late answer');
  assert.equal(await heard, 'last words');
});

test('R47: an upstream that has said all it has to say still hears the client out', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED), true);
  const relay = await startRelay(t, upstream.origin);
  const client = await openWebSocket(t, relay.url);
  client.allowHalfOpen = true;
  const [server] = upstream.sockets as [Socket];
  const heard = readToEnd(server);
  const record = relay.nextRecord();
  server.end('last words');
  await Promise.all([readUntil(client, 'last words'), once(client, 'end')]);
  client.write('a late ');
  client.end('answer');
  assert.equal(await heard, 'a late answer');
  assert.equal((await record).error, undefined);
});

test('R47: a side that breaks off is never shown as a clean end to the other', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const relay = await startRelay(t, upstream.origin);
  const first = await openWebSocket(t, relay.url);
  let record = relay.nextRecord();
  const reset = once(first, 'error');
  upstream.sockets[0]?.resetAndDestroy();
  assert.equal((await reset)[0].code, 'ECONNRESET');
  const { status, error } = await record;
  assert.deepEqual([status, error], [101, 'upstream_reset']);

  const second = await openWebSocket(t, relay.url);
  record = relay.nextRecord();
  const upstreamReset = once(upstream.sockets[1] as Socket, 'error');
  second.resetAndDestroy();
  assert.equal((await upstreamReset)[0].code, 'ECONNRESET');
  assert.equal((await record).error, undefined);
});

test('R45: a client that goes away at any point of a handshake leaves nothing behind', async (t) => {
  let onToken: (token: HeldToken) => void = () => {};
  const waiting: TokenSource = {
    ...staticTokens('x'),
    current: () => undefined,
    obtain: () =>
      new Promise((resolve) => {
        onToken = resolve;
      }),
  };
  const upstream = await startRawUpstream(t, () => {});
  const silent = await startRelay(t, upstream.origin);
  const tokenless = await startRelay(t, upstream.origin, { tokens: waiting });
  for (let i = 0; i < 100; i += 1) {
    // Before there is a token.
    const early = openClient(t, tokenless.url);
    await new Promise<void>((resolve) => early.write(handshake(), () => resolve()));
    early.resetAndDestroy();
    // Node may have read the handshake before the reset, or not.
    onToken(heldToken('late'));
    if (i % 10 === 0) {
      const other = openClient(t, tokenless.url);
      other.write('GET /x HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n');
      await readToEnd(other);
    }
    // While the upstream makes up its mind.
    const client = openClient(t, silent.url);
    const record = silent.nextRecord();
    const accepted = once(upstream.accepted, 'socket') as Promise<[Socket]>;
    client.write(handshake());
    const [socket] = await accepted;
    if (i % 2 === 0) await readUntil(socket, '\r\n\r\n');
    else socket.resume();
    // A closed browser tab ends its connection, a crash resets it.
    if (i % 3 === 0) client.end();
    else client.resetAndDestroy();
    await closed(socket);
    assert.equal((await record).status, 0);
  }
  assert.ok(upstream.sockets.every((socket) => socket.closed));
  // Nothing is open that draining would have to wait for.
  await Promise.all([silent.drain(60_000), tokenless.drain(60_000)]);
});

test('R41, R45: a client that goes away behind what it sent ahead of the answer takes the upstream connection with it', async (t) => {
  const answers = ['', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nhalf'];
  const leaving: readonly ((client: Socket) => unknown)[] = [
    (client) => client.end(),
    (client) => client.resetAndDestroy(),
  ];
  for (const answer of answers) {
    const upstream = await startRawUpstream(t, answering(answer));
    const relay = await startRelay(t, upstream.origin);
    for (const leave of leaving) {
      const client = openClient(t, relay.url);
      const accepted = once(upstream.accepted, 'socket') as Promise<[Socket]>;
      client.write(`${handshake()}${'frame'.repeat(8_000)}`);
      const [socket] = await accepted;
      if (answer === '') await readUntil(socket, '\r\n\r\n');
      else await readUntil(client, 'half');
      client.write('another frame', () => leave(client));
      await closed(socket);
    }
    await relay.drain(60_000);
  }
});

test('R45: a client that resets right at the 101 leaves nothing behind', async (t) => {
  let onAnswered: (socket: Socket) => void = () => {};
  const upstream = await startRawUpstream(
    t,
    answering(SWITCHED, (socket) => onAnswered(socket)),
  );
  const relay = await startRelay(t, upstream.origin);
  for (let i = 0; i < 200; i += 1) {
    const client = openClient(t, relay.url);
    const record = relay.nextRecord();
    const answered = new Promise<Socket>((resolve) => {
      onAnswered = resolve;
    });
    client.write(handshake());
    const socket = await answered;
    // Half of them before the relay has seen the answer, half of them with it on its way to the client.
    if (i % 2 === 0) await readUntil(client, '101');
    client.resetAndDestroy();
    await Promise.all([closed(socket), record]);
  }
  await relay.drain(60_000);
  assert.equal(relay.records.length, 200);
});

test('R42: neither side of a WebSocket is read faster than the other takes it, and all of it arrives', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const relay = await startRelay(t, upstream.origin);
  const client = await openWebSocket(t, relay.url);
  const server = upstream.sockets[0] as Socket;
  const pieces = 64;
  const piece = Buffer.alloc(1_048_576, 'x');
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    to.pause();
    for (let i = 0; i < pieces; i += 1) from.write(piece);
    // Time enough for an unbounded buffer to take it all in.
    for (let i = 0; i < 20; i += 1) await openWebSocket(t, relay.url);
    assert.ok(
      from.writableLength > (pieces / 2) * piece.length,
      `${from.writableLength} bytes are to be sent`,
    );
    let received = 0;
    await new Promise<void>((resolve) => {
      to.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received === pieces * piece.length) resolve();
      });
      to.resume();
    });
  }
});

test('R47: an open WebSocket is no business of the transport that a reload drops', async (t) => {
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const transport = createTransport({ origin: upstream.origin, connectTimeoutMs: 5_000 });
  const relay = await startRelay(t, upstream.origin, { transport });
  const client = await openWebSocket(t, relay.url);
  transport.destroy();
  const heard = readUntil(upstream.sockets[0] as Socket, 'still here');
  client.write('still here');
  await heard;
});

test('R47: a token that expires or is replaced does not touch an open WebSocket', async (t) => {
  let token: HeldToken | undefined = heldToken('first');
  const tokens: TokenSource = {
    ...staticTokens('x'),
    current: () => token,
    obtain: async () => heldToken('second'),
  };
  const upstream = await startRawUpstream(t, answering(SWITCHED));
  const relay = await startRelay(t, upstream.origin, { tokens });
  const client = await openWebSocket(t, relay.url);
  token = undefined;
  const second = openClient(t, relay.url);
  const heads = once(upstream.accepted, 'socket') as Promise<[Socket]>;
  second.write(handshake());
  const [socket] = await heads;
  assert.match(await readUntil(socket, '\r\n\r\n'), /Bearer second/);
  const heard = readUntil(upstream.sockets[0] as Socket, 'still here');
  client.write('still here');
  await heard;
  const answered = readUntil(client, 'me too');
  upstream.sockets[0]?.write('me too');
  await answered;
});
