import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Carrier } from '../../../src/relay/upstream/lane.ts';
import { attempt, toBody, toStreamedBody } from '../../support/attempts.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { startHttp2Lane, startHttp2Upstream } from '../../support/http2.ts';

test('a request arrives as it was sent, without what belongs to an HTTP/1.1 connection', async (t) => {
  let seen: string[] = [];
  const { origin } = await startHttp2Upstream(t, (stream, _headers, raw) => {
    seen = raw;
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  const lines = ['Accept', '*/*', 'Host', 'shop.example:8443', 'X-A', '1', 'Cookie', 'a=1; b=2', 'x-a', '2'];
  const hopByHop = ['Connection', 'x', 'TE', 'trailers, deflate', 'Keep-Alive', '5', 'Upgrade', 'h2c'];
  const { status } = await attempt(startHttp2Lane(t, origin), {
    method: 'DELETE',
    target: '/a?b=c',
    lines: [...lines, ...hopByHop, 'X-Latin', 'caf\xe9'],
  }).over;
  assert.equal(status, 200);
  assert.deepEqual(Object.fromEntries(pairs(seen.filter((_, i) => seen[i - (i % 2)]?.startsWith(':')))), {
    ':method': 'DELETE',
    ':authority': 'shop.example:8443',
    ':scheme': 'http',
    ':path': '/a?b=c',
  });
  const plain = pairs(seen).filter(([name]) => !name?.startsWith(':'));
  assert.deepEqual(plain, [
    ['accept', '*/*'],
    ['x-a', '1'],
    ['cookie', 'a=1; b=2'],
    ['x-a', '2'],
    ['te', 'trailers'],
    ['x-latin', 'caf\xe9'],
  ]);
});

test('a response arrives as it was sent, repeated headers and trailers included', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'], 'x-latin': 'caf\xe9', 'x-a': '1' }, {
      waitForTrailers: true,
      sendDate: false,
    } as object);
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-t': ['1', '2'] }));
    stream.end('hello');
  });
  const answer = await attempt(startHttp2Lane(t, origin)).over;
  assert.equal(answer.body, 'hello');
  const lines = pairs(answer.lines).filter(([name]) => name !== 'date');
  assert.deepEqual(lines, [
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['x-latin', 'caf\xe9'],
    ['x-a', '1'],
  ]);
  assert.deepEqual(answer.trailers, ['grpc-status', '0', 'x-t', '1', 'x-t', '2']);
});

test('bodies and trailers of requests arrive, with a length where there is one', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream, headers) => {
    let body = '';
    let trailers = {};
    stream.on('trailers', (received) => {
      trailers = { ...received };
    });
    stream.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    stream.on('end', () => {
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify({ length: headers['content-length'], body, trailers }));
    });
  });
  const lane = startHttp2Lane(t, origin);
  const send = async (change: object) =>
    JSON.parse((await attempt(lane, { method: 'POST', ...change }).over).body);
  assert.deepEqual(await send({ body: toBody(['ab', 'c'], 3) }), { length: '3', body: 'abc', trailers: {} });
  assert.deepEqual(
    await send({ body: toBody(['ab', 'c'], undefined, ['X-T', '1', 'X-T', '2', 'Host', 'x']) }),
    {
      body: 'abc',
      trailers: { 'x-t': '1, 2' },
    },
  );
  assert.deepEqual(await send({ body: toBody([], 0) }), { length: '0', body: '', trailers: {} });
  assert.deepEqual(await send({ body: null }), { length: '0', body: '', trailers: {} });
});

test('responses without a body end with their head', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream, headers) => {
    const status = Number(headers[':path']?.slice(1));
    stream.respond(
      { ':status': status, ...(status === 200 && { 'content-length': '5' }) },
      { endStream: true },
    );
  });
  const lane = startHttp2Lane(t, origin);
  assert.deepEqual((await attempt(lane, { method: 'HEAD', target: '/200' }).over).trailers, []);
  assert.deepEqual((await attempt(lane, { target: '/204' }).over).trailers, []);
  assert.deepEqual((await attempt(lane, { target: '/304' }).over).trailers, []);
});

test('requests wait while the first connection is made, then share it; another is opened when it is full', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => stream.respond({ ':status': 200 }), {
    settings: { maxConcurrentStreams: 3 },
  });
  const lane = startHttp2Lane(t, upstream.origin);
  const first = [attempt(lane), attempt(lane), attempt(lane)];
  await Promise.all(first.map((answer) => answer.next('head')));
  assert.equal(upstream.sessions.length, 1);
  const second = [attempt(lane), attempt(lane)];
  await Promise.all(second.map((answer) => answer.next('head')));
  assert.equal(upstream.sessions.length, 2);
  first[0]?.abort();
  await once([...upstream.streams][0] as never, 'close');
  await settle();
  await attempt(lane).next('head');
  assert.equal(upstream.sessions.length, 2);
});

test('requests that come at once go on as many connections as their upstream’s limit asks for, and none is refused', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => stream.respond({ ':status': 200 }), {
    settings: { maxConcurrentStreams: 10 },
  });
  const lane = startHttp2Lane(t, upstream.origin);
  const answers = Array.from({ length: 60 }, () => attempt(lane));
  const failed = Promise.race(answers.map((answer) => answer.over));
  const answered = Promise.all(answers.map((answer) => answer.next('head')));
  assert.equal(
    await Promise.race([failed.then(({ code }) => code), answered.then(() => 'answered')]),
    'answered',
  );
  assert.equal(upstream.sessions.length, 6);
});

test('R52: what no connection has room for fails at once, and no upstream hears of it', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => stream.respond({ ':status': 200 }), {
    settings: { maxConcurrentStreams: 1 },
  });
  const lane = startHttp2Lane(t, upstream.origin, { maxConnections: 2 });
  await attempt(lane).next('head');
  await attempt(lane).next('head');
  const { code, reach } = await attempt(lane).over;
  assert.deepEqual([code, reach], ['ALL_BUSY', 'unsent']);
  assert.equal(upstream.streams.size, 2);
});

test('one after the other, requests need no second connection whatever its limit is', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => stream.end('ok'), {
    settings: { maxConcurrentStreams: 1 },
  });
  const lane = startHttp2Lane(t, upstream.origin);
  await attempt(lane).over;
  await settle();
  for (let i = 0; i < 10; i += 1) assert.equal((await attempt(lane).over).body, 'ok');
  assert.equal(upstream.sessions.length, 1);
});

test('a connection that has carried its share is replaced, and closed after its last request', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) =>
    stream.respond({ ':status': 200 }, { endStream: true }),
  );
  const lane = startHttp2Lane(t, upstream.origin, { maxRequestsPerConnection: 2 });
  for (let i = 0; i < 3; i += 1) assert.equal((await attempt(lane).over).status, 200);
  assert.equal(upstream.sessions.length, 2);
  const [first] = upstream.sessions;
  if (first?.destroyed === false) await once(first, 'close');
});

test('R57: after a GOAWAY what is under way is finished, and the next request gets another connection', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/quick') stream.end('quick');
    else stream.session?.close();
  });
  const lane = startHttp2Lane(t, upstream.origin);
  const slow = attempt(lane, { target: '/slow' });
  await slow.next('head');
  const [stream] = upstream.streams;
  await settle();
  assert.equal((await attempt(lane, { target: '/quick' }).over).body, 'quick');
  assert.equal(upstream.sessions.length, 2);
  stream?.end('slow');
  assert.equal((await slow.over).body, 'slow');
  if (upstream.sessions[0]?.destroyed === false) await once(upstream.sessions[0], 'close');
});

test('an idle connection is closed after its time, and not before', async (t) => {
  const clock = new FakeClock();
  const upstream = await startHttp2Upstream(t, (stream) =>
    stream.respond({ ':status': 200 }, { endStream: true }),
  );
  const lane = startHttp2Lane(t, upstream.origin, { clock, keepAliveMs: 20_000 });
  await attempt(lane).over;
  await settle();
  await clock.advance(19_000);
  await attempt(lane).over;
  await settle();
  await clock.advance(19_000);
  const [session] = upstream.sessions;
  assert.ok(session !== undefined && !session.destroyed);
  const closed = once(session, 'close');
  await clock.advance(2_000);
  await closed;
  assert.equal(upstream.sessions.length, 1);
});

test('R48: who gives up resets the stream and no other, wherever the request is', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    if (headers[':path'] === '/silent') return;
    stream.respond({ ':status': 200 });
    stream.write('some');
  });
  const lane = startHttp2Lane(t, upstream.origin);
  const bystander = attempt(lane);
  await bystander.next('body');
  for (const stage of ['sent', 'head', 'body', 'upload'] as const) {
    const body = stage === 'upload' ? toStreamedBody(new PassThrough()) : null;
    const arrived = once(upstream.server, 'stream');
    const aborted = attempt(lane, {
      target: stage === 'sent' || stage === 'upload' ? '/silent' : '/',
      method: 'POST',
      body,
      onTold: (event, carrier) => event === stage && carrier.abort(),
    });
    const [stream] = (await arrived) as [NodeJS.EventEmitter & { rstCode: number }];
    const closed = once(stream, 'close');
    if (stage === 'sent' || stage === 'upload') aborted.abort();
    await closed;
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL, stage);
    assert.equal(aborted.failure, undefined);
  }
  assert.equal(bystander.failure, undefined);
  assert.equal(upstream.sessions.length, 1);
  assert.equal(upstream.streams.size, 1);
});

test('R48: who leaves with all of a response resets its stream only if the end stays away', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    stream.respond({ ':status': 200, 'content-length': headers[':path'] === '/more' ? 5 : 4 });
    stream.write('done');
  });
  const clock = new FakeClock();
  const lane = startHttp2Lane(t, upstream.origin, { clock });
  const leave = async (target: string): Promise<ServerHttp2Stream> => {
    const arrived = once(upstream.server, 'stream');
    const left = attempt(lane, { target, onTold: (event, carrier) => event === 'body' && carrier.abort() });
    const [stream] = (await arrived) as [ServerHttp2Stream];
    await left.next('body');
    await settle();
    return stream;
  };
  const prompt = await leave('/');
  assert.equal(prompt.closed, false);
  const ended = once(prompt, 'close');
  prompt.end();
  await ended;
  assert.equal(prompt.rstCode, constants.NGHTTP2_NO_ERROR);
  await clock.advance(900);
  const late = await leave('/');
  // Nobody waits for anything on the connection, but not for long yet.
  await clock.advance(200);
  assert.equal(late.closed, false);
  assert.equal(upstream.sessions[0]?.destroyed, false);
  const stopped = once(late, 'close');
  await clock.advance(300);
  await stopped;
  assert.equal(late.rstCode, constants.NGHTTP2_CANCEL);
  const unfinished = await leave('/more');
  if (!unfinished.closed) await once(unfinished, 'close');
  assert.equal(unfinished.rstCode, constants.NGHTTP2_CANCEL);
  assert.equal(upstream.sessions.length, 1);
});

test('who gives up before the connection stands never reaches the upstream', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) =>
    stream.respond({ ':status': 200 }, { endStream: true }),
  );
  const lane = startHttp2Lane(t, upstream.origin, { maxRequestsPerConnection: 2 });
  attempt(lane).abort();
  const paths: unknown[] = [];
  upstream.server.on('stream', (_stream, headers) => paths.push(headers[':path']));
  await attempt(lane, { target: '/second' }).over;
  assert.deepEqual(paths, ['/second']);
});

test('R44: an early final response is delivered, and the rest of the upload stopped', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 413 });
    stream.end('too large');
  });
  const source = new PassThrough();
  source.write(Buffer.alloc(200_000));
  const arrived = once(upstream.server, 'stream');
  const answer = attempt(startHttp2Lane(t, upstream.origin), {
    method: 'POST',
    body: toStreamedBody(source),
  });
  const [stream] = (await arrived) as [NodeJS.EventEmitter];
  const closed = once(stream, 'close');
  await answer.over;
  assert.deepEqual([answer.status, answer.body, answer.failure], [413, 'too large', undefined]);
  await closed;
  await settle();
  assert.equal(source.isPaused(), true);
});

test('a body that breaks off, or is not as long as was said, resets its stream', async (t) => {
  const upstream = await startHttp2Upstream(t, () => {});
  const lane = startHttp2Lane(t, upstream.origin);
  const source = new PassThrough();
  const arrived = once(upstream.server, 'stream');
  const broken = attempt(lane, { method: 'POST', body: toStreamedBody(source) });
  await arrived;
  source.destroy();
  assert.equal((await broken.over).code, 'REQUEST_BROKEN');
  for (const length of [2, 4]) {
    const wrong = await attempt(lane, { method: 'POST', body: toBody(['abc'], length) }).over;
    assert.deepEqual([wrong.code, wrong.reach], ['REQUEST_BROKEN', 'unknown']);
  }
  while (upstream.streams.size > 0) await once([...upstream.streams][0] as never, 'close');
  assert.equal(upstream.sessions.length, 1);
});

test('R32: an expected 100 Continue holds the body until it comes', async (t) => {
  const events: string[] = [];
  const { origin, server } = await startHttp2Upstream(t, (stream, headers) => {
    events.push(`expect ${headers.expect}`);
    stream.on('data', (chunk) => events.push(String(chunk)));
    stream.on('end', () => stream.respond({ ':status': 200 }, { endStream: true }));
  });
  const arrived = once(server, 'stream');
  const answer = attempt(startHttp2Lane(t, origin), {
    method: 'PUT',
    body: toBody(['body'], 4),
    expectsContinue: true,
  });
  const [stream] = (await arrived) as [ServerHttp2Stream];
  await settle();
  events.push('continue');
  stream.additionalHeaders({ ':status': 100 });
  await answer.over;
  assert.deepEqual(events, ['expect 100-continue', 'continue', 'body']);
  assert.deepEqual([answer.interim, answer.status], [[100], 200]);
});

test('R32: nobody answers the expectation: after a second the client is told to go on, and the body goes', async (t) => {
  const clock = new FakeClock();
  const { origin, server } = await startHttp2Upstream(t, (stream) => {
    stream.once('data', () => stream.additionalHeaders({ ':status': 100 }));
    stream.on('end', () => stream.respond({ ':status': 200 }, { endStream: true }));
  });
  const arrived = once(server, 'stream');
  const answer = attempt(startHttp2Lane(t, origin, { clock }), {
    method: 'PUT',
    body: toBody(['body'], 4),
    expectsContinue: true,
  });
  await arrived;
  assert.deepEqual(answer.interim, []);
  await clock.advance(1_000);
  await answer.over;
  assert.deepEqual([answer.interim, answer.status], [[100], 200]);
});

test('R32: a refusal in place of 100 Continue is passed on, and the body is never asked for', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream) =>
    stream.respond({ ':status': 417 }, { endStream: true }),
  );
  const source = new PassThrough();
  const body = toStreamedBody(source, 4);
  const answer = await attempt(startHttp2Lane(t, origin), { method: 'PUT', body, expectsContinue: true })
    .over;
  assert.deepEqual([answer.interim, answer.status, answer.failure], [[], 417, undefined]);
  assert.equal(source.listenerCount('data'), 0);
});

test('R33: interim responses are passed on', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  assert.deepEqual((await attempt(startHttp2Lane(t, origin)).over).interim, [103]);
});

test('R43: a response that nobody reads holds no more than its window, and starves no other', async (t) => {
  let sentBytes = 0;
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] !== '/large') return void stream.end('small');
    const chunk = Buffer.alloc(65_536);
    const write = (): void => {
      while (sentBytes < 64 * 1_048_576 && stream.write(chunk)) sentBytes += chunk.length;
    };
    stream.on('drain', write);
    write();
  });
  const lane = startHttp2Lane(t, upstream.origin);
  const stalled = Array.from({ length: 20 }, () =>
    attempt(lane, {
      target: '/large',
      countsOnly: true,
      onTold: (event, own) => event === 'head' && own.pause(),
    }),
  );
  await Promise.all(stalled.map((answer) => answer.next('head')));
  for (let i = 0; i < 20; i += 1) assert.equal((await attempt(lane).over).body, 'small');
  assert.equal(upstream.sessions.length, 1);
  assert.ok(sentBytes < 20 * 1_048_576, `${sentBytes} bytes were taken`);
  for (const { bodyBytes } of stalled) assert.equal(bodyBytes, 0);
});

test('R43: an upload that the upstream does not read stops at its window', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream) => stream.respond({ ':status': 200 }));
  const source = new PassThrough();
  const answer = attempt(startHttp2Lane(t, origin), { method: 'POST', body: toStreamedBody(source) });
  await answer.next('head');
  const chunk = Buffer.alloc(65_536);
  let taken = 0;
  while (taken < 64 * 1_048_576) {
    taken += chunk.length;
    if (source.write(chunk)) continue;
    const drained = await Promise.race([once(source, 'drain').then(() => true), settle().then(() => false)]);
    if (!drained) break;
  }
  assert.ok(taken < 1_048_576, `${taken} bytes were taken`);
  answer.abort();
});

test('a paused response goes on where it was, and is not lost with its connection once it has ended', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'x-t': '1' });
      stream.session?.close();
    });
    stream.write('a'.repeat(100_000));
    stream.end('b'.repeat(100_000));
  });
  let pauses = 0;
  const answer = attempt(startHttp2Lane(t, upstream.origin), {
    onTold: (event, own) => {
      if (event !== 'body' || pauses > 0) return;
      pauses += 1;
      own.pause();
    },
  });
  await answer.next('body');
  while (upstream.sessions[0]?.destroyed === false) await once(upstream.sessions[0], 'close');
  await settle();
  assert.ok(answer.bodyBytes < 200_000);
  assert.equal(answer.trailers, undefined);
  answer.resume();
  await answer.over;
  assert.equal(answer.body, 'a'.repeat(100_000) + 'b'.repeat(100_000));
  assert.deepEqual(answer.trailers, ['x-t', '1']);
});

test('R51: no head within the limit is a failure, counted from the end of the request', async (t) => {
  const clock = new FakeClock();
  const { origin, server } = await startHttp2Upstream(t, (stream) => stream.resume());
  const lane = startHttp2Lane(t, origin, { clock });
  const source = new PassThrough();
  const timeout = { connectMs: 0, headersMs: 2_000, idleMs: 0 };
  const arrived = once(server, 'stream');
  const answer = attempt(lane, { method: 'POST', body: toStreamedBody(source), timeout });
  const [stream] = (await arrived) as [NodeJS.EventEmitter];
  await clock.advance(5_000);
  assert.equal(answer.failure, undefined);
  const ended = once(stream, 'end');
  source.end();
  await ended;
  await clock.advance(1_500);
  assert.equal(answer.failure, undefined);
  await clock.advance(1_000);
  assert.deepEqual([answer.code, answer.reach], ['HEADERS_TIMEOUT', 'unknown']);
});

test('R50: silence in a response is limited, a trickle is not, and a reader that pauses is not silence', async (t) => {
  const clock = new FakeClock();
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('1');
  });
  const timeout = { connectMs: 0, headersMs: 0, idleMs: 2_000 };
  const answer = attempt(startHttp2Lane(t, upstream.origin, { clock }), { timeout });
  await answer.next('body');
  for (let i = 0; i < 5; i += 1) {
    await clock.advance(1_500);
    const next = answer.next('body');
    for (const stream of upstream.streams) stream.write('2');
    await next;
  }
  answer.pause();
  await clock.advance(60_000);
  answer.resume();
  await clock.advance(1_500);
  assert.equal(answer.failure, undefined);
  await clock.advance(1_000);
  assert.deepEqual([answer.code, answer.body], ['IDLE_TIMEOUT', '122222']);
});

test('no more is told once the lane is destroyed but the failures', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => stream.respond({ ':status': 200 }));
  const lane = startHttp2Lane(t, upstream.origin);
  const open = attempt(lane);
  await open.next('head');
  lane.destroy();
  assert.equal((await open.over).code, 'shutting_down');
  const late = await attempt(lane).over;
  assert.deepEqual([late.code, late.reach], ['shutting_down', 'unsent']);
  if (upstream.sessions[0]?.destroyed === false) await once(upstream.sessions[0], 'close');
  const waiting = startHttp2Lane(t, upstream.origin, { connectTimeoutMs: 0 });
  const unsent = attempt(waiting);
  waiting.destroy();
  assert.deepEqual([(await unsent.over).code, unsent.reach], ['shutting_down', 'unsent']);
});

test('a request that HTTP/2 cannot carry fails alone', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream) =>
    stream.respond({ ':status': 200 }, { endStream: true }),
  );
  const lane = startHttp2Lane(t, origin);
  await attempt(lane).over;
  for (const line of [
    ['X-A', 'a\0b'],
    ['X-A', 'a\r\nb'],
    ['', 'empty'],
    ['x y', '1'],
  ]) {
    const answer = await attempt(lane, { lines: ['Host', 'h', ...line] }).over;
    assert.equal(answer.reach ?? answer.status, line[0] === '' ? 200 : 'unsent');
  }
  assert.equal((await attempt(lane).over).status, 200);
});

test('nothing is left open after a thousand requests that are given up at random', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.on('data', () => {});
    stream.respond({ ':status': 200 });
    stream.end('x'.repeat(2_000));
  });
  const lane = startHttp2Lane(t, upstream.origin);
  const before = process.getActiveResourcesInfo().length;
  let seed = 1;
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const giveUp = (): Promise<unknown> => {
    const when = (['now', 'head', 'body', 'paused', 'never'] as const)[Math.floor(random() * 5)];
    const body = random() < 0.5 ? null : toBody(['x'.repeat(1_000)], 1_000);
    const aborted = new EventEmitter();
    const abort = (own: Carrier): void => {
      own.abort();
      aborted.emit('done');
    };
    const answer = attempt(lane, {
      method: 'POST',
      body,
      onTold: (event, own) => {
        if (event === when) abort(own);
        if (when !== 'paused') return;
        own.pause();
        setImmediate(() => abort(own));
      },
    });
    if (when === 'never') return answer.over;
    if (when === 'now') setImmediate(() => abort(answer));
    return once(aborted, 'done');
  };
  for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 50 }, giveUp));
  while (upstream.streams.size > 0) await once([...upstream.streams][0] as never, 'close');
  lane.destroy();
  for (const session of upstream.sessions) if (!session.destroyed) await once(session, 'close');
  await settle();
  assert.equal(upstream.sessions.length, 1);
  const left = process.getActiveResourcesInfo();
  assert.ok(left.length <= before, left.join(' '));
});

function pairs(lines: readonly string[]): string[][] {
  return lines.flatMap((name, i) => (i % 2 === 0 ? [[name, lines[i + 1] ?? '']] : []));
}
