import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Transport } from '../../../src/relay/upstream/transport.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { startRawUpstream } from '../../support/sockets.ts';
import { begin, type Sent, send, startTransport, toBody, toOpenBody } from '../../support/transports.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

interface Setting {
  readonly clock: FakeClock;
  readonly transport: Transport;
  readonly sockets: Socket[];
  /** All that the upstream received. */
  received(): string;
  /** Resolves once the upstream has received this. */
  until(text: string): Promise<void>;
}

async function start(t: TestContext): Promise<Setting> {
  const clock = new FakeClock();
  let received = '';
  const { origin, sockets } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
  });
  const until = async (text: string): Promise<void> => {
    while (!received.includes(text)) {
      if (sockets.length === 0) await settle();
      else await once(sockets.at(-1) as Socket, 'data');
    }
  };
  return {
    clock,
    transport: startTransport(t, origin, { clock }),
    sockets,
    received: () => received,
    until,
  };
}

const LINES = ['Host', 'upstream', 'Authorization', 'Bearer t0ken'];

function ask({ transport }: Setting, body = toBody(['hel', 'lo'], 5)): Sent {
  return begin(transport, { method: 'POST', lines: LINES, body, expectsContinue: true });
}

test('R20: the upstream is asked first, with the token, and gets the body once it says so', async (t) => {
  const setting = await start(t);
  const { outcome, nextInterim } = ask(setting);
  const told = nextInterim();
  await setting.until('\r\n\r\n');
  assert.equal(
    setting.received(),
    'POST / HTTP/1.1\r\nHost: upstream\r\nAuthorization: Bearer t0ken\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  );
  setting.sockets[0]?.write(CONTINUE);
  assert.equal(await told, 100);
  await setting.until('\r\n\r\nhello');
  setting.sockets[0]?.write(ANSWER);
  const { status, interim } = await outcome;
  assert.equal(status, 200);
  assert.deepEqual(interim, [[100, []]]);
  await setting.clock.advance(5_000);
  setting.sockets[0]?.once('data', () => setting.sockets[0]?.write(ANSWER));
  assert.equal((await send(setting.transport)).body, 'ok');
  assert.equal(setting.sockets.length, 1);
});

test('an upstream that doesn’t know the question gets the body after a second, and its late 100 is told to nobody', async (t) => {
  const setting = await start(t);
  const { outcome } = ask(setting);
  await setting.until('\r\n\r\n');
  await setting.clock.advance(999);
  assert.doesNotMatch(setting.received(), /hello/);
  await setting.clock.advance(1);
  await setting.until('hello');
  setting.sockets[0]?.write(CONTINUE + ANSWER);
  const { body, interim } = await outcome;
  assert.equal(body, 'ok');
  assert.deepEqual(interim, [[100, []]]);
});

test('R44: a final answer comes in place of the body, which is never read; its connection carries nothing else', async (t) => {
  for (const status of [200, 413]) {
    const setting = await start(t);
    const { body, stream } = toOpenBody(5);
    stream.write('hello');
    const { outcome } = ask(setting, body);
    await setting.until('\r\n\r\n');
    const socket = setting.sockets[0] as Socket;
    socket.write(ANSWER.replace('200', `${status}`));
    const { interim, error, ...result } = await outcome;
    assert.deepEqual([result.status, result.body, interim, error], [status, 'ok', [], undefined]);
    if (!socket.closed) await once(socket, 'close');
    await setting.clock.advance(5_000);
    assert.equal(stream.readableLength, 5);
    assert.doesNotMatch(setting.received(), /hello/);
  }
});

test('R34: 103 goes on to the receiver, before and after the body; a 100 that nobody asked for doesn’t', async (t) => {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  const setting = await start(t);
  const asked = ask(setting);
  await setting.until('\r\n\r\n');
  setting.sockets[0]?.write(early + CONTINUE + early);
  await setting.until('hello');
  setting.sockets[0]?.write(ANSWER);
  const statuses = (await asked.outcome).interim.map(([status]) => status);
  assert.deepEqual(statuses, [103, 100, 103]);
  const plain = begin(setting.transport);
  await setting.until('GET');
  setting.sockets[0]?.write(CONTINUE + early + CONTINUE + ANSWER);
  assert.deepEqual((await plain.outcome).interim, [[103, ['Link', '</a>']]]);
});

test('whoever gives up while the body waits leaves nothing behind', async (t) => {
  const setting = await start(t);
  const { body, stream } = toOpenBody(5);
  stream.write('hello');
  const { sending } = ask(setting, body);
  await setting.until('\r\n\r\n');
  sending.abort();
  const socket = setting.sockets[0] as Socket;
  if (!socket.closed) await once(socket, 'close');
  await settle();
  assert.equal(setting.clock.pending, 0);
  assert.equal(stream.readableLength, 5);
});

test('an upstream that dies while the body waits is a 502', async (t) => {
  const setting = await start(t);
  const { outcome } = ask(setting);
  await setting.until('\r\n\r\n');
  setting.sockets[0]?.destroy();
  assert.equal((await outcome).error?.code, 'upstream_reset');
  assert.equal(setting.clock.pending, 0);
});
