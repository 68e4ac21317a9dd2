import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { type AttemptChange, type Attempted, attempt, toStreamedBody } from '../../support/attempts.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import {
  data,
  type FramePeer,
  goaway,
  headers,
  reset,
  settings,
  startFrameUpstream,
  startHttp2Lane,
  TYPE,
  toFrame,
} from '../../support/http2.ts';
import { closedPort, startRawUpstream } from '../../support/sockets.ts';

const CANCEL = 8;
const INTERNAL_ERROR = 2;
const REFUSED_STREAM = 7;
const ENHANCE_YOUR_CALM = 11;
const OK = [':status', '200'];

/** What one attempt comes to when the upstream answers its request with these frames. */
async function answerWith(
  t: TestContext,
  toFrames: (id: number) => readonly Buffer[],
  change: AttemptChange = {},
): Promise<Attempted> {
  const { origin } = await startFrameUpstream(t, (peer, id) => peer.send(...toFrames(id)));
  return attempt(startHttp2Lane(t, origin), change).over;
}

/** What the second of two requests comes to on a connection that has answered the first. */
async function answerSecond(
  t: TestContext,
  onSecond: (peer: FramePeer, id: number) => void,
): Promise<Attempted> {
  const { origin } = await startFrameUpstream(t, (peer, id, count) => {
    if (count === 1) peer.send(headers(id, OK, true));
    else onSecond(peer, id);
  });
  const lane = startHttp2Lane(t, origin);
  assert.equal((await attempt(lane).over).status, 200);
  return attempt(lane).over;
}

for (const [what, frames] of Object.entries({
  'reset with NO_ERROR': (id: number) => [reset(id, 0)],
  'reset with CANCEL': (id: number) => [reset(id, CANCEL)],
  'reset with INTERNAL_ERROR': (id: number) => [reset(id, INTERNAL_ERROR)],
  'shorter than its length': (id: number) => [data(id, '', true)],
  'ended by a GOAWAY with an error': (id: number) => [goaway(id, ENHANCE_YOUR_CALM)],
})) {
  test(`R42: a response that is ${what} is never complete`, async (t) => {
    const lines = what.startsWith('shorter') ? [...OK, 'content-length', '9'] : OK;
    const answer = await answerWith(t, (id) => [headers(id, lines), data(id, 'some'), ...frames(id)]);
    assert.equal(answer.trailers, undefined);
    assert.equal(answer.reach, 'unknown');
    assert.match(answer.code ?? '', /^(?:CONNECTION_CLOSED|BAD_RESPONSE)$/);
  });
}

test('R42: an upstream that dies in a response fails it, and one that dies before is no different', async (t) => {
  for (const isReset of [true, false]) {
    for (const before of [[], [headers(1, OK), data(1, 'some')]]) {
      const { origin } = await startFrameUpstream(t, ({ socket, send }) => {
        send(...before);
        socket.write('', () => (isReset ? socket.resetAndDestroy() : socket.end()));
      });
      const { code, reach, trailers } = await attempt(startHttp2Lane(t, origin)).over;
      assert.match(code ?? '', /^(?:CONNECTION_CLOSED|ECONNRESET)$/);
      assert.deepEqual([reach, trailers], ['unknown', undefined]);
    }
  }
});

test('R44: a response that is complete stays so when the upstream then resets the upload', async (t) => {
  const answer = await answerWith(t, (id) => [headers(id, OK), data(id, 'done', true), reset(id, 0)], {
    method: 'POST',
    body: toStreamedBody(new PassThrough()),
  });
  assert.deepEqual([answer.body, answer.trailers, answer.failure], ['done', [], undefined]);
});

test('R54: a refused stream, and one beyond a GOAWAY, were not processed', async (t) => {
  const refused = await answerWith(t, (id) => [reset(id, REFUSED_STREAM)]);
  assert.equal(refused.reach, 'unprocessed');
  for (const code of [0, INTERNAL_ERROR, CANCEL]) {
    const beyond = await answerWith(t, () => [goaway(0, code)]);
    assert.equal(beyond.reach, 'beyond-goaway', `GOAWAY with ${code}`);
    const within = await answerWith(t, (id) => [goaway(id, code), reset(id, INTERNAL_ERROR)]);
    assert.equal(within.reach, 'unknown', `GOAWAY with ${code}`);
  }
});

test('R55: a stream that is refused after it was answered may have been processed', async (t) => {
  const answer = await answerWith(t, (id) => [headers(id, [':status', '103']), reset(id, REFUSED_STREAM)]);
  assert.equal(answer.reach, 'unknown');
});

test('a GOAWAY with any error, while a body is on its way, ends the requests and not the process', async (t) => {
  for (const code of [0, INTERNAL_ERROR, CANCEL]) {
    const source = new PassThrough();
    source.write(Buffer.alloc(200_000));
    const answer = await answerWith(t, () => [goaway(0, code)], {
      method: 'POST',
      body: toStreamedBody(source),
    });
    assert.equal(answer.reach, 'beyond-goaway');
  }
});

test('R57: a reused connection that turns out dead before a byte of anything is stale, else it is not', async (t) => {
  const dead = await answerSecond(t, ({ socket }) => socket.resetAndDestroy());
  assert.equal(dead.reach, 'stale');
  const closed = await answerSecond(t, ({ socket }) => socket.end());
  assert.equal(closed.reach, 'stale');
  const answered = await answerSecond(t, ({ socket, send }) => {
    send(settings());
    socket.write('', () => socket.resetAndDestroy());
  });
  assert.equal(answered.reach, 'unknown');
});

test('R51: an upstream that refuses connections is told from others, and nothing was sent', async (t) => {
  const lane = startHttp2Lane(t, `http://127.0.0.1:${await closedPort()}`);
  const answers = await Promise.all([attempt(lane).over, attempt(lane).over]);
  for (const { code, reach } of answers) assert.deepEqual([code, reach], ['ECONNREFUSED', 'unsent']);
});

test('an upstream that speaks HTTP/1.1, or nothing known, is named so', async (t) => {
  const server = createServer((_request, response) => response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const plain = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const http1 = await attempt(startHttp2Lane(t, plain)).over;
  assert.deepEqual([http1.code, http1.reach], ['NO_HTTP2', 'unknown']);
  for (const bytes of ['SSH-2.0-OpenSSH_9.2\r\n', '\0'.repeat(100), 'x'.repeat(1_000)]) {
    const { origin } = await startRawUpstream(t, (socket) => socket.write(bytes));
    assert.equal((await attempt(startHttp2Lane(t, origin)).over).code, 'NO_HTTP2');
  }
});

test('only the first request goes out before the upstream has shown that it speaks HTTP/2; of the others nothing was sent', async (t) => {
  const http1 = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
  const { origin, peers } = await startFrameUpstream(t, ({ send }) => send(http1), { greeting: [] });
  const { origin: mute } = await startRawUpstream(t, (socket) => socket.once('data', () => socket.end()));
  for (const [at, expected] of [
    [origin, 'NO_HTTP2'],
    [mute, 'CONNECTION_CLOSED'],
  ] as const) {
    const lane = startHttp2Lane(t, at);
    const answers = await Promise.all([attempt(lane), attempt(lane), attempt(lane)].map(({ over }) => over));
    assert.deepEqual(
      answers.map(({ code, reach }) => [code, reach]),
      [
        [expected, 'unknown'],
        [expected, 'unsent'],
        [expected, 'unsent'],
      ],
    );
  }
  assert.equal(peers[0]?.frames.filter(({ type }) => type === TYPE.headers).length, 1);
});

test('R54: an upstream that takes leave at once, with requests waiting for it, has looked at none of them', async (t) => {
  for (const greeting of [
    [settings(), goaway(0)],
    [settings(1), goaway(0)],
  ]) {
    const { origin } = await startFrameUpstream(t, () => {}, { greeting });
    const lane = startHttp2Lane(t, origin);
    const answers = await Promise.all([attempt(lane), attempt(lane), attempt(lane)].map(({ over }) => over));
    assert.deepEqual(
      answers.map(({ reach }) => reach),
      ['beyond-goaway', 'beyond-goaway', 'beyond-goaway'],
    );
  }
});

test('an upstream that accepts and then says nothing, or not enough, is given up after the connect timeout', async (t) => {
  for (const [bytes, expected] of [
    ['', 'CONNECT_TIMEOUT'],
    ['hi', 'NO_HTTP2'],
  ] as const) {
    const clock = new FakeClock();
    const { origin, sockets } = await startRawUpstream(t, (socket) => socket.write(bytes));
    const answer = attempt(startHttp2Lane(t, origin, { clock, connectTimeoutMs: 3_000 }));
    while (sockets.length === 0) await settle();
    await once(sockets[0] as never, 'data');
    await settle();
    await clock.advance(2_900);
    assert.equal(answer.failure, undefined);
    await clock.advance(200);
    assert.equal((await answer.over).code, expected);
  }
});

test('what HTTP/1.1 could not carry, and what breaks the rules, is a bad response', async (t) => {
  const many = Array.from({ length: 1_200 }, (_, i) => [`x-${i}`, '1']).flat();
  const large = Array.from({ length: 600 }, (_, i) => [`x-${i}`, 'v'.repeat(120)]).flat();
  const bad: Record<string, (id: number) => Buffer[]> = {
    'no status': (id) => [headers(id, ['x-a', '1'], true)],
    'a status of letters': (id) => [headers(id, [':status', '2OO'], true)],
    'a status of 099': (id) => [headers(id, [':status', '099'], true)],
    'a status of 101': (id) => [headers(id, [':status', '101']), headers(id, OK, true)],
    'an interim response that ends': (id) => [headers(id, [':status', '103'], true)],
    'a second head': (id) => [headers(id, OK), headers(id, OK, true)],
    'a field of the connection': (id) => [headers(id, [...OK, 'transfer-encoding', 'chunked'], true)],
    'two lengths': (id) => [headers(id, [...OK, 'content-length', '1', 'content-length', '2'])],
    'more than its length': (id) => [headers(id, [...OK, 'content-length', '1']), data(id, 'more', true)],
    'too many interim responses': (id) =>
      Array.from({ length: 101 }, () => headers(id, [':status', '103'])).concat(headers(id, OK, true)),
    'trailers that are too large': (id) => [headers(id, OK), ...inTwo(id, large.slice(0, 300), true)],
    'trailers that are too many': (id) => [headers(id, OK), ...inTwo(id, many, true)],
    'a head of too many lines': (id) => inTwo(id, [...OK, ...many], true),
    'a head that is too large': (id) => inTwo(id, [...OK, ...large], true),
    'a pushed response': (id) => [toFrame(TYPE.push, 4, id, Buffer.from([0, 0, 0, 2]))],
  };
  for (const [what, toFrames] of Object.entries(bad)) {
    const answer = await answerWith(t, toFrames);
    assert.equal(answer.code, 'BAD_RESPONSE', what);
    assert.equal(answer.trailers, undefined, what);
  }
});

test('a header that HTTP/1.1 could not carry never arrives', async (t) => {
  for (const field of [
    ['x-a', 'a\r\nx-b: 1'],
    ['x-a', 'a\nb'],
    ['x-a', 'a\0b'],
    ['x a', '1'],
    ['x:a', '1'],
    ['', '1'],
  ]) {
    const answer = await answerWith(t, (id) => [headers(id, [...OK, ...field, 'x-c', '1'], true)]);
    if (answer.failure === undefined) assert.deepEqual(answer.lines, ['x-c', '1']);
    else assert.equal(answer.code, 'BAD_RESPONSE');
  }
});

test('one stream that breaks the rules takes no other with it', async (t) => {
  const { origin, peers } = await startFrameUpstream(t, (peer, id, count) => {
    peer.send(count === 1 ? headers(id, OK) : headers(id, ['x-a', 'no status'], true));
    if (count === 4) peer.send(data(1, 'fine', true));
  });
  const lane = startHttp2Lane(t, origin);
  const first = attempt(lane);
  await first.next('head');
  for (let i = 0; i < 3; i += 1) assert.equal((await attempt(lane).over).code, 'BAD_RESPONSE');
  assert.equal((await first.over).body, 'fine');
  assert.equal(peers.length, 1);
});

test('the limit to streams is kept as the upstream changes it', async (t) => {
  const { origin, peers } = await startFrameUpstream(t, (peer, id) => peer.send(headers(id, OK)), {
    greeting: [settings(2)],
  });
  const lane = startHttp2Lane(t, origin);
  await attempt(lane).next('head');
  const [peer] = peers;
  assert.ok(peer);
  const limit = async (maxStreams: number): Promise<void> => {
    const countAcks = (): number =>
      peer.frames.filter(({ type, flags }) => type === TYPE.settings && flags === 1).length;
    const before = countAcks();
    peer.send(settings(maxStreams));
    while (countAcks() === before) await once(peer.socket, 'data');
  };
  for (const [maxStreams, connections] of [
    [1, 2],
    [0, 2],
    [2, 2],
  ] as const) {
    await limit(maxStreams);
    await attempt(lane).next('head');
    assert.equal(peers.length, connections, `a limit of ${maxStreams}`);
  }
  assert.equal(peer.frames.filter(({ type }) => type === TYPE.headers).length, 2);
});

test('a silent upstream is asked by PING whether it lives, and its connection closed if it does not', async (t) => {
  const clock = new FakeClock();
  const { origin, peers } = await startFrameUpstream(t, (peer, id) => peer.send(headers(id, OK)));
  const answer = attempt(startHttp2Lane(t, origin, { clock }));
  await answer.next('head');
  const [peer] = peers;
  const pings = (): number => peer?.frames.filter(({ type }) => type === TYPE.ping).length ?? 0;
  await clock.advance(29_000);
  assert.equal(pings(), 0);
  const asked = once(peer?.socket as never, 'data');
  await clock.advance(3_000);
  await asked;
  assert.equal(pings(), 1);
  const ping = peer?.frames.find(({ type }) => type === TYPE.ping);
  peer?.send(toFrame(TYPE.ping, 1, 0, ping?.payload));
  while (answer.failure === undefined && clock.now().monotonicMs < 300_000) await clock.advance(5_000);
  assert.equal(answer.failure, undefined);
  assert.equal(pings(), 1);
  await clock.advance(70_000);
  assert.equal(pings(), 2);
  assert.deepEqual([(await answer.over).code, answer.reach], ['CONNECTION_CLOSED', 'unknown']);
});

test('a frame larger than was agreed on ends the connection, if only for want of an answer to the PING', async (t) => {
  const clock = new FakeClock();
  const { origin, peers } = await startFrameUpstream(t, (peer, id) =>
    peer.send(headers(id, OK), data(id, 'x'.repeat(20_000))),
  );
  const answer = attempt(startHttp2Lane(t, origin, { clock }));
  await answer.next('head');
  for (let i = 0; i < 10 && answer.failure === undefined; i += 1) await clock.advance(5_000);
  assert.equal(answer.trailers, undefined);
  assert.match((await answer.over).code ?? '', /^(?:BAD_RESPONSE|CONNECTION_CLOSED)$/);
  assert.equal(peers.length, 1);
});

test('a flood of PING and SETTINGS frames is answered or broken off, and kept nowhere', async (t) => {
  const flood = Buffer.concat(
    Array.from({ length: 2_000 }, () => [toFrame(TYPE.ping, 0, 0, Buffer.alloc(8)), settings(100)]).flat(),
  );
  let rounds = 0;
  const { origin } = await startFrameUpstream(t, ({ socket, send }, id) => {
    const more = (): void => {
      rounds += 1;
      if (rounds < 40) socket.write(flood, more);
      else send(headers(id, OK, true));
    };
    more();
  });
  const before = process.memoryUsage().rss;
  await attempt(startHttp2Lane(t, origin)).over;
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 64 * 1_048_576, `${grown} bytes more`);
});

/** A field section too large for one frame: HEADERS and CONTINUATION. */
function inTwo(id: number, fields: readonly string[], isEnd: boolean): Buffer[] {
  const whole = headers(id, fields, isEnd).subarray(9);
  const parts = [];
  for (let at = 0; at < whole.length; at += 16_384) parts.push(whole.subarray(at, at + 16_384));
  return parts.map((part, i) => {
    const isLast = i === parts.length - 1;
    return toFrame(
      i === 0 ? TYPE.headers : TYPE.continuation,
      (isLast ? 4 : 0) | (i === 0 && isEnd ? 1 : 0),
      id,
      part,
    );
  });
}
