import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createLog } from '../../src/observe/log.ts';
import { RECORD } from './exchange-record.ts';

function collect() {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => written.join('') };
}

test('a request is one JSON line with what matters and nothing else', async () => {
  const { stream, text } = collect();
  const log = await createLog({ stream, pretty: false, colour: false, quiet: false });
  log.observer.onExchange(RECORD);
  const { time, ...line } = JSON.parse(text());
  assert.match(time, /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(line, {
    level: 'info',
    requestId: 'abc-1',
    method: 'GET',
    target: '/orders?id=…',
    route: '/orders',
    status: 200,
    upstreamMs: 37,
    totalMs: 38.3,
    tokenAgeS: 720,
    msg: 'request',
  });
});

test('for people a request is one readable line', async () => {
  const { stream, text } = collect();
  const log = await createLog({ stream, pretty: true, colour: false, quiet: false });
  log.observer.onExchange(RECORD);
  assert.match(
    text(),
    /^\d\d:\d\d:\d\d GET \/orders\?id=… 200 38\.3 ms \(upstream 37 ms, token 12 min old\) -> \/orders\n$/,
  );
  log.observer.onExchange({
    ...RECORD,
    status: 404,
    error: 'no_route',
    message: 'No route takes /x.',
    route: undefined,
  });
  assert.match(text(), / 404 38\.3 ms .* {2}no_route: No route takes \/x\. \[abc-1\]\n$/);
  log.warn('Something is off.', { hint: 'Do this.' });
  assert.match(text(), /\n\d\d:\d\d:\d\d warn Something is off\. Do this\.\n$/);
});

test('a WebSocket has a line when it opens and one when it is over, with one request id', async () => {
  const { stream, text } = collect();
  const log = await createLog({ stream, pretty: false, colour: false, quiet: false });
  const opening = { ...RECORD, target: '/chat?room=…', route: '/chat', status: 101 };
  log.observer.onWebSocket?.(opening);
  log.observer.onExchange({ ...opening, totalMs: 3_600_000 });
  const [opened, over] = text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { time, ...line } = opened;
  assert.match(time, /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(line, {
    level: 'info',
    requestId: 'abc-1',
    method: 'GET',
    target: '/chat?room=…',
    route: '/chat',
    status: 101,
    upstreamMs: 37,
    totalMs: 38.3,
    tokenAgeS: 720,
    msg: 'websocket open',
  });
  assert.deepEqual([over.requestId, over.msg, over.totalMs], ['abc-1', 'request', 3_600_000]);
});

test('for people a WebSocket that opens is told from one that is over; to those who want warnings alone it is neither', async () => {
  const [readable, quiet] = [collect(), collect()];
  const opening = { ...RECORD, status: 101, route: '/chat' };
  const log = await createLog({ stream: readable.stream, pretty: true, colour: false, quiet: false });
  log.observer.onWebSocket?.(opening);
  log.observer.onExchange(opening);
  const [opened = '', over = ''] = readable.text().split('\n');
  assert.match(opened, / 101 38\.3 ms .* -> \/chat {2}websocket open$/);
  assert.match(over, / 101 38\.3 ms .* -> \/chat$/);
  const other = await createLog({ stream: quiet.stream, pretty: false, colour: false, quiet: true });
  other.observer.onWebSocket?.(opening);
  assert.equal(quiet.text(), '');
});

test('what a client or an upstream wrote gives a terminal no orders', async () => {
  const { stream, text } = collect();
  const log = await createLog({ stream, pretty: true, colour: false, quiet: false });
  const message = 'No route takes /\x9b2J\x1b]0;x\x07\r.';
  log.observer.onExchange({ ...RECORD, target: '/\x9b2J\x85', status: 404, error: 'no_route', message });
  log.warn('First\n\tsecond\x1b[1A', { hint: 'Do\x90 this.' });
  assert.doesNotMatch(text(), /[^\P{Cc}\n\t]/u);
  assert.match(text(), / \/�2J� 404 .*: No route takes \/�2J�\]0;x��\. /);
  assert.match(text(), / warn First\n\tsecond�\[1A Do� this\.\n$/);
});

test('a failure says its code and reason, an internal one is an error with its stack, secrets taken out', async () => {
  const { stream, text } = collect();
  const log = await createLog({ stream, pretty: false, colour: false, quiet: true });
  log.observer.onExchange({ ...RECORD, status: 502, error: 'upstream_refused', message: 'It refused.' });
  log.observer.onExchange({
    ...RECORD,
    status: 500,
    error: 'internal',
    message: 'The proxy failed on this request.',
    cause: new TypeError('bad value ya29.secret-secret-secret'),
  });
  log.observer.onExchange(RECORD);
  const [refused, internal, ...rest] = text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([refused.level, refused.error, refused.msg], ['warn', 'upstream_refused', 'It refused.']);
  assert.equal(internal.level, 'error');
  assert.match(internal.cause, /TypeError: bad value \[redacted\][\s\S]* at /);
  assert.deepEqual(rest, [], 'quiet: nothing of what went well');
});

test('R23: an upstream that sends the token back is warned about, by header name only', async () => {
  const { stream, text } = collect();
  const log = await createLog({ stream, pretty: false, colour: false, quiet: true });
  log.observer.onExchange({ ...RECORD, leakedHeaders: ['X-Echo'] });
  assert.match(text(), /"level":"warn".*X-Echo/);
});
