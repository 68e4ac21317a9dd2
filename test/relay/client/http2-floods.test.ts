import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import {
  connectRawHttp2,
  describe,
  type Fields,
  Flag,
  Frame,
  isRefusal,
  requestFields,
  toFieldBlock,
  toFrame,
  toHeaders,
  toUint32,
} from '../../support/http2-frames.ts';
import { type Relay, startRelay } from '../../support/relays.ts';
import { readBody, startUpstream } from '../../support/sockets.ts';

/** What an upstream got, whole, of each request. */
interface Seen {
  readonly method: string;
  readonly lines: readonly string[];
  readonly body: string;
}

async function startWatched(
  t: TestContext,
  { reads = true } = {},
): Promise<{ relay: Relay; seen: Seen[]; begun: () => number }> {
  const seen: Seen[] = [];
  let begun = 0;
  const { origin } = await startUpstream(t, async (request, response) => {
    begun += 1;
    request.on('error', () => {});
    if (!reads && request.method === 'POST') return;
    const body = await readBody(request).catch(() => undefined);
    if (body === undefined) return;
    seen.push({ method: request.method ?? '', lines: request.rawHeaders, body: body.toString('latin1') });
    response.end('fine');
  });
  return { relay: await startRelay(t, origin), seen, begun: () => begun };
}

/** After whatever came before it: another client is served, so the process is alive and its listener works. */
async function assertServes(t: TestContext, { url }: Relay): Promise<void> {
  assert.equal((await ask(connectHttp2(t, url))).status, 200);
  assert.equal((await fetch(url)).status, 200);
}

const head = (...more: Fields): Buffer => toHeaders(1, requestFields('GET', ...more));
const without = (name: string): Fields => requestFields('GET').filter(([other]) => other !== name);

/** What a server has to take for malformed, or for an error of the connection (RFC 9113, sections 4 to 8). */
const MALFORMED: Readonly<Record<string, Buffer>> = {
  'a name in upper case': head(['X-Upper', '1']),
  'a line end in :path': toHeaders(1, [...without(':path'), [':path', '/ HTTP/1.1\r\nx: y']]),
  'a space in :method': toHeaders(1, [...without(':method'), [':method', 'GET /x']]),
  'a line end in :method': toHeaders(1, [...without(':method'), [':method', 'GET\r\n']]),
  Connection: head(['connection', 'x-a']),
  'Transfer-Encoding': head(['transfer-encoding', 'chunked']),
  'Keep-Alive': head(['keep-alive', '1']),
  'Proxy-Connection': head(['proxy-connection', 'close']),
  Upgrade: head(['upgrade', 'websocket']),
  'TE other than trailers': head(['te', 'gzip']),
  'a pseudo-header field behind others': toHeaders(1, [...without(':path'), ['x-a', '1'], [':path', '/']]),
  'an unknown pseudo-header field': toHeaders(1, [[':x', '1'], ...requestFields('GET')]),
  'a pseudo-header field of responses': toHeaders(1, [[':status', '200'], ...requestFields('GET')]),
  ':path twice': toHeaders(1, [[':path', '/'], ...requestFields('GET')]),
  ':protocol that was not offered': toHeaders(1, [[':protocol', 'websocket'], ...requestFields('CONNECT')]),
  'no :method': toHeaders(1, without(':method')),
  'no :path': toHeaders(1, without(':path')),
  'no :scheme': toHeaders(1, without(':scheme')),
  'an empty :path': toHeaders(1, [...without(':path'), [':path', '']]),
  'a :path without a slash': toHeaders(1, [...without(':path'), [':path', 'x']]),
  'a :path that is a URL': toHeaders(1, [...without(':path'), [':path', 'http://localhost/']]),
  'a length and no content': head(['content-length', '5']),
  'two lengths': head(['content-length', '0'], ['content-length', '0']),
  'a length that is no number': head(['content-length', '0x0']),
  'a length below zero': head(['content-length', '-1']),
  'a header block cut off': toFrame(
    Frame.headers,
    Flag.endHeaders | Flag.endStream,
    1,
    Buffer.from([0, 5, 97]),
  ),
  'an index that is in no table': toFrame(
    Frame.headers,
    Flag.endHeaders | Flag.endStream,
    1,
    Buffer.from([0xff, 0x80, 0x01]),
  ),
  'HEADERS on stream 0': toHeaders(0, requestFields('GET')),
  'an even stream': toHeaders(2, requestFields('GET')),
  'DATA on stream 0': toFrame(Frame.data, 0, 0, Buffer.from('x')),
  'DATA on an idle stream': toFrame(Frame.data, 0, 1, Buffer.from('x')),
  'CONTINUATION without HEADERS': toFrame(
    Frame.continuation,
    Flag.endHeaders,
    1,
    toFieldBlock(requestFields('GET')),
  ),
  'another frame within a header block': Buffer.concat([
    toHeaders(1, requestFields('GET'), 0),
    toFrame(Frame.ping, 0, 0, Buffer.alloc(8)),
  ]),
  'PUSH_PROMISE from a client': toFrame(
    Frame.pushPromise,
    Flag.endHeaders,
    1,
    Buffer.concat([toUint32(2), toFieldBlock(requestFields('GET'))]),
  ),
  'a frame larger than allowed': toFrame(Frame.data, 0, 1, Buffer.alloc(16_385)),
  'SETTINGS of no whole entries': toFrame(Frame.settings, 0, 0, Buffer.alloc(5)),
  'PING of the wrong size': toFrame(Frame.ping, 0, 0, Buffer.alloc(7)),
  'a window that grows by nothing': toFrame(Frame.windowUpdate, 0, 0, toUint32(0)),
  'a connection window beyond its largest': Buffer.concat(
    [1, 2].map(() => toFrame(Frame.windowUpdate, 0, 0, toUint32(0x7f_ff_ff_ff))),
  ),
  'RST_STREAM of an idle stream': toFrame(Frame.rstStream, 0, 7, toUint32(8)),
};

test('R28: what HTTP/2 takes for malformed is refused, and no request comes of it', async (t) => {
  const { relay, begun } = await startWatched(t);
  for (const [name, bytes] of Object.entries(MALFORMED)) {
    const client = connectRawHttp2(relay.url);
    client.send(bytes);
    const refusal = await client.find((frame) => isRefusal(frame) || frame.type === Frame.headers);
    assert.ok(isRefusal(refusal), `${name}: ${describe(refusal)}`);
    client.socket.destroy();
  }
  assert.equal(begun(), 0);
  assert.equal(relay.records.length, 0);
  await assertServes(t, relay);
});

test('R28: a field that could not be written in HTTP/1.1 never gets there, nor does any part of it', async (t) => {
  const { relay, seen } = await startWatched(t);
  const fields: Fields = [
    ['x y', 'lost'],
    ['x:y', 'lost'],
    ['', 'lost'],
    ['x-a', 'lost\r\nx-serverless-authorization: Bearer evil'],
    ['x-a', 'lost\nx'],
    ['x-a', 'lost\rx'],
    ['x-a', 'lost\0'],
  ];
  for (const field of fields) {
    const client = connectRawHttp2(relay.url);
    client.send(head(field, ['x-b', 'kept']));
    await client.find((frame) => isRefusal(frame) || (frame.flags & Flag.endStream) !== 0);
    client.socket.destroy();
  }
  for (const { lines } of seen) {
    assert.doesNotMatch(lines.join('\n'), /lost|evil/);
    assert.ok(lines.includes('kept'));
    assert.equal(lines.filter((text) => text === 'Bearer token').length, 1);
  }
});

/** Content on stream 1, in pieces, the last of which ends it. */
function toData(...pieces: readonly string[]): Buffer {
  return Buffer.concat(
    pieces.map((piece, i) =>
      toFrame(Frame.data, i === pieces.length - 1 ? Flag.endStream : 0, 1, Buffer.from(piece)),
    ),
  );
}

const post = (...more: Fields): Buffer => toHeaders(1, requestFields('POST', ...more), Flag.endHeaders);

test('R28: content that isn’t as long as it was said to be is never taken for whole upstream', async (t) => {
  const { relay, seen } = await startWatched(t);
  for (const [length, ...pieces] of [
    ['5', 'abc'],
    ['5', 'abc', ''],
    ['5', ''],
    ['5', 'abcdef'],
    ['5', 'abcde', 'f'],
    ['0', 'abc'],
    ['99999999999999999999', 'abc'],
  ] as const) {
    const client = connectRawHttp2(relay.url);
    client.send(post(['content-length', length]), toData(...pieces));
    await client.find(isRefusal);
    client.socket.destroy();
  }
  assert.deepEqual(seen, []);
  const client = connectRawHttp2(relay.url);
  client.send(post(['content-length', '5']), toData('ab', 'cde'));
  await client.find((frame) => (frame.flags & Flag.endStream) !== 0 && frame.streamId === 1);
  client.socket.destroy();
  assert.equal((seen as readonly Seen[])[0]?.body, 'abcde');
  await assertServes(t, relay);
});

test('trailers of a request with pseudo-header fields, or without an end, are refused', async (t) => {
  const { relay, seen } = await startWatched(t);
  for (const trailers of [
    toHeaders(1, [[':path', '/other']]),
    toHeaders(1, [['X-Upper', '1']]),
    toHeaders(1, [['connection', 'close']]),
    toHeaders(1, [['x-a', '1']], Flag.endHeaders),
  ]) {
    const client = connectRawHttp2(relay.url);
    client.send(post(), toFrame(Frame.data, 0, 1, Buffer.from('abc')), trailers);
    await client.find(isRefusal);
    client.socket.destroy();
  }
  assert.deepEqual(seen, []);
  await assertServes(t, relay);
});

test('content beyond the window that was given ends the connection', async (t) => {
  const { relay, seen } = await startWatched(t, { reads: false });
  const client = connectRawHttp2(relay.url);
  client.send(post(), ...Array.from({ length: 80 }, () => toFrame(Frame.data, 0, 1, Buffer.alloc(16_384))));
  await client.find(isRefusal);
  client.socket.destroy();
  assert.deepEqual(seen, []);
  await assertServes(t, relay);
});

test('streams opened only to be reset end the connection, and hardly any gets upstream (CVE-2023-44487)', async (t) => {
  const { relay, begun } = await startWatched(t);
  const other = connectHttp2(t, relay.url);
  const client = connectRawHttp2(relay.url);
  for (let id = 1; id < 10_000; id += 2) {
    client.send(toHeaders(id, requestFields('GET')), toFrame(Frame.rstStream, 0, id, toUint32(8)));
  }
  const served = ask(other);
  await client.find(({ type }) => type === Frame.goAway);
  client.socket.destroy();
  assert.equal((await served).status, 200);
  // As many as fit into what is read at once from a connection, and their resets.
  assert.ok(relay.records.length < 2_000, `${relay.records.length} of 5000 were dealt with`);
  assert.ok(begun() <= relay.records.length);
  await assertServes(t, relay);
});

test('more streams at once than were offered are refused', async (t) => {
  const { relay, begun } = await startWatched(t, { reads: false });
  const client = connectRawHttp2(relay.url);
  await client.find((frame) => frame.type === Frame.settings && (frame.flags & Flag.ack) !== 0);
  for (let id = 1; id < 300; id += 2) client.send(toHeaders(id, requestFields('POST'), Flag.endHeaders));
  await client.find(isRefusal);
  client.socket.destroy();
  assert.ok(begun() <= 100);
  await assertServes(t, relay);
});

test('R31: a header block without an end is cut off (CVE-2024-27983)', async (t) => {
  const { relay, begun } = await startWatched(t);
  const more = toFrame(Frame.continuation, 0, 1, toFieldBlock([['x-a', 'y'.repeat(16_000)]]));
  const client = connectRawHttp2(relay.url);
  client.send(toHeaders(1, requestFields('GET'), Flag.endStream));
  client.send(...Array.from({ length: 1_000 }, () => more));
  await client.closed;
  const small = connectRawHttp2(relay.url);
  small.send(toHeaders(1, requestFields('GET'), Flag.endStream));
  small.send(...Array.from({ length: 20_000 }, () => toFrame(Frame.continuation, 0, 1)));
  await small.closed;
  assert.equal(begun(), 0);
  await assertServes(t, relay);
});

test('frames that ask for nothing, by the thousand, disturb nobody else', async (t) => {
  const { relay } = await startWatched(t);
  for (const frame of [
    toFrame(Frame.ping, 0, 0, Buffer.alloc(8)),
    toFrame(Frame.settings, 0, 0),
    toFrame(Frame.data, 0, 1),
    toFrame(Frame.priority, 0, 3, Buffer.from([0, 0, 0, 1, 0])),
    toFrame(0x42, 0, 0, Buffer.alloc(10)),
    toFrame(Frame.windowUpdate, 0, 0, toUint32(1)),
  ]) {
    const client = connectRawHttp2(relay.url);
    client.send(post());
    // Its answers are not read either.
    client.socket.pause();
    client.socket.write(Buffer.concat(Array.from({ length: 20_000 }, () => frame)));
    await assertServes(t, relay);
    client.socket.destroy();
  }
});

test('GOAWAY, and a client gone in the middle of everything, leave nothing behind', async (t) => {
  const { relay } = await startWatched(t);
  for (const cut of [
    Buffer.alloc(0),
    head().subarray(0, 12),
    post(),
    Buffer.concat([post(['content-length', '10']), toFrame(Frame.data, 0, 1, Buffer.from('abc'))]),
    toFrame(Frame.goAway, 0, 0, Buffer.alloc(8)),
    Buffer.concat([post(), toFrame(Frame.goAway, 0, 0, Buffer.alloc(8))]),
  ]) {
    const client = connectRawHttp2(relay.url);
    client.send(cut);
    await client.find((frame) => frame.type === Frame.settings && (frame.flags & Flag.ack) !== 0);
    client.socket.resetAndDestroy();
    await client.closed;
  }
  await assertServes(t, relay);
});
