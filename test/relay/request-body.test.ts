import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { ProxyError } from '../../src/errors.ts';
import { type BodySink, StreamedBody } from '../../src/relay/request-body.ts';
import { settle } from '../support/fake-clock.ts';

interface Collected {
  readonly sink: BodySink;
  readonly events: string[];
  wantsMore: boolean;
}

function collect(): Collected {
  const events: string[] = [];
  const collected: Collected = {
    events,
    wantsMore: true,
    sink: {
      onPiece(piece) {
        events.push(piece.length > 100 ? `${piece.length} bytes` : piece.toString());
        return collected.wantsMore;
      },
      onEnd: (trailers) => events.push(`end ${trailers.join(',')}`),
      onBroken: (cause) => events.push(cause === undefined ? 'broken' : `broken ${cause.code}`),
    },
  };
  return collected;
}

function start(isComplete = true): { stream: PassThrough; body: StreamedBody } {
  const stream = new PassThrough();
  const source = { stream, isComplete: () => isComplete, trailers: () => ['X-T', '1'] };
  return { stream, body: new StreamedBody(source, undefined) };
}

test('a body is given from its start to one sink after another, as long as it is small', async () => {
  const { stream, body } = start();
  const [first, second, third] = [collect(), collect(), collect()];
  const reading = body.open(first.sink);
  stream.write('a');
  await settle();
  reading.close();
  stream.write('b');
  await settle();
  assert.deepEqual(first.events, ['a']);
  body.open(second.sink);
  stream.end('c');
  await settle();
  assert.equal(second.events.slice(0, -1).join(''), 'abc');
  assert.equal(second.events.at(-1), 'end X-T,1');
  assert.equal(body.isWhole, true);
  body.open(third.sink);
  await settle();
  assert.equal(third.events.join(''), 'abcend X-T,1');
});

test('a sink that is full is given no more until it asks, remembered pieces included', async () => {
  const { stream, body } = start();
  const [first, second] = [collect(), collect()];
  body.open(first.sink);
  for (const text of ['a', 'b', 'c']) {
    stream.write(text);
    await settle();
  }
  second.wantsMore = false;
  const reading = body.open(second.sink);
  stream.end('d');
  await settle();
  assert.deepEqual(second.events, ['a']);
  for (let i = 0; i < 4; i += 1) {
    reading.resume();
    await settle();
  }
  assert.deepEqual(second.events, ['a', 'b', 'c', 'd', 'end X-T,1']);
});

test('a body that was over before anybody opened it is given all the same', async () => {
  const { stream, body } = start();
  stream.end();
  stream.resume();
  await settle();
  assert.equal(stream.readableEnded, true);
  const { sink, events } = collect();
  body.open(sink);
  await settle();
  assert.deepEqual(events, ['end X-T,1']);
});

test('a large body, and one to be forgotten, is not whole any more and goes on where it was', async () => {
  const large = start();
  const sink = collect();
  large.body.open(sink.sink);
  large.stream.write(Buffer.alloc(40_000));
  large.stream.write(Buffer.alloc(40_000));
  await settle();
  assert.equal(large.body.isWhole, false);
  const small = start();
  const [first, second] = [collect(), collect()];
  small.body.open(first.sink);
  small.stream.write('a');
  await settle();
  small.body.forget();
  assert.equal(small.body.isWhole, false);
  small.body.open(second.sink);
  small.stream.end('b');
  await settle();
  assert.deepEqual(second.events, ['b', 'end X-T,1']);
});

test('R52: what is remembered is little in memory, too, not only in bytes', async () => {
  const many = start();
  many.body.open(collect().sink);
  for (let i = 0; i < 1_000; i += 1) many.stream.write('x');
  await settle();
  assert.equal(many.body.isWhole, false);

  const { stream, body } = start();
  const shared = Buffer.alloc(1_000_000, 'x');
  const pieces: Buffer[] = [];
  const sink: BodySink = { ...collect().sink, onPiece: (piece) => pieces.push(piece) > 0 };
  body.open(sink);
  stream.write(shared.subarray(0, 10));
  await settle();
  body.open(sink);
  await settle();
  assert.deepEqual(pieces.map(String), ['x'.repeat(10), 'x'.repeat(10)]);
  assert.equal(pieces[0]?.buffer, shared.buffer);
  assert.notEqual(pieces[1]?.buffer, shared.buffer);
});

test('a body that ends before its time, fails or is closed is broken, and says so once', async () => {
  for (const breakOff of [
    (stream: PassThrough) => stream.destroy(),
    (stream: PassThrough) => stream.destroy(new Error('reset')),
  ]) {
    const { stream, body } = start();
    const { sink, events } = collect();
    body.open(sink);
    stream.write('a');
    await settle();
    breakOff(stream);
    await settle();
    assert.deepEqual(events, ['a', 'broken']);
  }
  const { stream, body } = start(false);
  const { sink, events } = collect();
  body.open(sink);
  stream.end('a');
  await settle();
  assert.deepEqual(events, ['a', 'broken']);
  const late = start();
  late.stream.destroy();
  await settle();
  const lateSink = collect();
  late.body.open(lateSink.sink);
  await settle();
  assert.deepEqual(lateSink.events, ['broken']);
});

function startLimited(bytes: number): { stream: PassThrough; body: StreamedBody } {
  const stream = new PassThrough();
  const source = { stream, isComplete: () => true, trailers: () => ['X-T', '1'] };
  const toError = () => new ProxyError('body_too_large', 'That is too much.');
  return { stream, body: new StreamedBody(source, undefined, { bytes, toError }) };
}

test('a body with a limit is counted once, however many sinks it is given to', async () => {
  const { stream, body } = startLimited(5);
  const [first, second] = [collect(), collect()];
  body.open(first.sink);
  stream.write('abc');
  await settle();
  body.open(second.sink);
  await settle();
  stream.end('de');
  await settle();
  assert.deepEqual(second.events, ['abc', 'de', 'end X-T,1']);
});

test('what is beyond its limit is given to nobody, and each sink is told why; the rest is read and dropped', async () => {
  const { stream, body } = startLimited(5);
  const [first, second] = [collect(), collect()];
  body.open(first.sink);
  stream.write('abc');
  await settle();
  stream.write('def');
  await settle();
  assert.deepEqual(first.events, ['abc', 'broken body_too_large']);
  assert.equal(stream.isPaused(), true);
  stream.write('ghi');
  stream.resume();
  await settle();
  stream.end('jkl');
  await settle();
  assert.equal(stream.readableLength, 0);
  assert.deepEqual(first.events, ['abc', 'broken body_too_large']);
  body.open(second.sink);
  await settle();
  assert.deepEqual(second.events, ['abc', 'broken body_too_large']);
});

test('a sink that is behind gets what there was before it is told', async () => {
  const { stream, body } = startLimited(3);
  const [first, second] = [collect(), collect()];
  body.open(first.sink);
  stream.write('ab');
  await settle();
  second.wantsMore = false;
  const reading = body.open(second.sink);
  stream.write('c');
  stream.write('d');
  await settle();
  reading.resume();
  await settle();
  reading.resume();
  await settle();
  reading.resume();
  await settle();
  assert.deepEqual(second.events, ['ab', 'c', 'broken body_too_large']);
});
