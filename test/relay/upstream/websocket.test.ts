import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { startRelay } from '../../support/relays.ts';
import { startUpstream } from '../../support/sockets.ts';

/** A WebSocket server behind a relay. */
async function startServer(
  t: TestContext,
  onSocket: (socket: WebSocket) => void,
  options: ConstructorParameters<typeof WebSocketServer>[0] = {},
) {
  const { origin, server } = await startUpstream(t, (_, response) => response.end());
  const sockets = new WebSocketServer({ server, ...options });
  sockets.on('connection', onSocket);
  const relay = await startRelay(t, origin);
  return { relay, sockets, url: relay.url.replace('http:', 'ws:') };
}

async function open(t: TestContext, url: string, protocols: string[] = [], options: ClientOptions = {}) {
  const socket = new WebSocket(url, protocols, options);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

async function nextMessage(socket: WebSocket): Promise<readonly [Buffer, boolean]> {
  return (await once(socket, 'message')) as [Buffer, boolean];
}

function echo(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}

test('R47: text and binary frames of a megabyte come through both ways as they were, compressed and not', async (t) => {
  for (const perMessageDeflate of [false, true]) {
    const { url } = await startServer(t, echo, { perMessageDeflate });
    const socket = await open(t, url, [], { perMessageDeflate });
    assert.equal(socket.extensions, perMessageDeflate ? 'permessage-deflate' : '');
    const bytes = randomBytes(1_048_576);
    socket.send(bytes);
    const [binary, isBinary] = await nextMessage(socket);
    assert.ok(isBinary && binary.equals(bytes));
    const text = 'ä€😀'.repeat(120_000);
    socket.send(text);
    const [said, isText] = await nextMessage(socket);
    assert.ok(!isText && said.toString() === text);
  }
});

test('R45: subprotocols are agreed on through the proxy', async (t) => {
  const { url } = await startServer(t, echo, { handleProtocols: (offered) => [...offered][1] ?? false });
  const socket = await open(t, url, ['chat', 'superchat']);
  assert.equal(socket.protocol, 'superchat');
});

test('R47: pings, pongs, close codes and their reasons pass both ways', async (t) => {
  const { sockets, url } = await startServer(t, () => {});
  for (const closer of ['client', 'server'] as const) {
    const connected = once(sockets, 'connection') as Promise<[WebSocket]>;
    const client = await open(t, url);
    const [server] = await connected;
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const heard = Promise.all([once(to, 'ping'), once(from, 'pong')]);
      from.ping('are you there');
      const [[ping], [pong]] = await heard;
      assert.deepEqual([String(ping), String(pong)], ['are you there', 'are you there']);
    }
    const ends = Promise.all([once(client, 'close'), once(server, 'close')]);
    (closer === 'client' ? client : server).close(4_321, 'enough');
    for (const [code, reason] of await ends) assert.deepEqual([code, String(reason)], [4_321, 'enough']);
  }
});

test('R45: a thousand WebSockets are open at once, and none is left behind', async (t) => {
  const { relay, sockets, url } = await startServer(t, echo, { perMessageDeflate: false });
  const clients = await Promise.all(
    Array.from({ length: 1_000 }, () => open(t, url, [], { perMessageDeflate: false })),
  );
  assert.equal(sockets.clients.size, 1_000);
  const answers = clients.map(nextMessage);
  for (const [i, client] of clients.entries()) client.send(`number ${i}`);
  for (const [i, [data]] of (await Promise.all(answers)).entries()) assert.equal(String(data), `number ${i}`);
  const gone = clients.map((client) => once(client, 'close'));
  for (const client of clients) client.close();
  await Promise.all(gone);
  await relay.drain(60_000);
  assert.equal(relay.records.length, 1_000);
  assert.ok(relay.records.every(({ status, error }) => status === 101 && error === undefined));
});

test('R65: open WebSockets live on while the proxy drains, and are told 1001 at its deadline', async (t) => {
  const { relay, url } = await startServer(t, echo);
  const socket = await open(t, url);
  const closed = once(socket, 'close');
  const record = relay.nextRecord();
  const drained = relay.drain(500);
  socket.send('still there');
  assert.equal(String((await nextMessage(socket))[0]), 'still there');
  await drained;
  assert.equal((await closed)[0], 1_001);
  assert.equal((await record).status, 101);
});

test('R45: the ws client is told the status of a refusal, and its body', async (t) => {
  const { url } = await startServer(t, echo, {
    verifyClient: (_: unknown, done: (is: boolean, code: number, message: string) => void) =>
      done(false, 401, 'not you'),
  });
  const socket = new WebSocket(url);
  socket.on('error', () => {});
  const [request, response] = await once(socket, 'unexpected-response');
  assert.equal(response.statusCode, 401);
  let body = '';
  for await (const chunk of response) body += chunk;
  assert.equal(body, 'not you');
  request.destroy();
});
