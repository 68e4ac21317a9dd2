import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { type Client, status as codes } from '@grpc/grpc-js';
import { startHttp2Upstream } from '../support/http2.ts';
import { startRelay } from '../support/relays.ts';
import { callUnary, openDuplex, openInput, openOutput } from './calls.ts';
import { type InteropServer, type ServerCall, startInteropServer } from './interop-server.ts';
import { toFramed } from './messages.ts';
import { startPipe } from './pipe.ts';
import { METHODS } from './testing-service.ts';
import { createClient, createProxiedClient, toEndpoint } from './ways.ts';

/** As many calls may be made in the meantime, one after the other, until a server knows that nobody waits any more. */
const MOST_CALLS = 50;

/** Resolves once so many calls were cancelled at the server, and fails when others by the same way are through long before that. */
async function cancelledOf(
  { events }: InteropServer,
  count: number,
  other: Client,
  act: () => void,
): Promise<void> {
  let seen = 0;
  // grpc-js tells this of calls that are over as well.
  const others = new Set<ServerCall>();
  events.on('call', (call) => others.add(call));
  events.on('cancelled', (call) => {
    if (!others.has(call)) seen += 1;
  });
  assert.equal((await callUnary(other, METHODS.empty, {})).status.code, codes.OK);
  act();
  for (let calls = 0; seen < count; calls += 1) {
    assert.ok(calls < MOST_CALLS, `${seen} of ${count} cancelled`);
    assert.equal((await callUnary(other, METHODS.empty, {})).status.code, codes.OK);
  }
}

test('R41: a call that its client cancels is cancelled at the server', async (t) => {
  const server = await startInteropServer(t);
  const client = await createProxiedClient(t, server.origin);
  const kinds = {
    'with a stream of requests': () => {
      const { call, outcome } = openInput(client, METHODS.input);
      call.write({});
      return { cancel: () => call.cancel(), outcome };
    },
    'with streams both ways': () => {
      const { call, outcome } = openDuplex(client, METHODS.fullDuplex);
      call.write({});
      return { cancel: () => call.cancel(), outcome };
    },
  };
  for (const [name, open] of Object.entries(kinds)) {
    await t.test(name, async () => {
      const called = once(server.events, 'call');
      const { cancel, outcome } = open();
      await called;
      await cancelledOf(server, 1, client, cancel);
      assert.equal((await outcome).status.code, codes.CANCELLED);
    });
  }
  await t.test('while it receives more than it reads', async () => {
    const response_parameters = Array.from({ length: 200 }, () => ({ size: 100_000 }));
    const { call, next, outcome } = openOutput(client, METHODS.output, { response_parameters });
    await next();
    call.pause();
    await cancelledOf(server, 1, client, () => call.cancel());
    call.resume();
    assert.equal((await outcome).status.code, codes.CANCELLED);
  });
});

test('R48: a deadline arrives as it was sent, and ends the call on both sides', async (t) => {
  await t.test('as it was sent', async (t) => {
    const seen: unknown[] = [];
    const { origin } = await startHttp2Upstream(t, (stream, headers) => {
      seen.push(headers['grpc-timeout']);
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' },
        { endStream: true },
      );
    });
    const session = connect((await startRelay(t, origin)).url);
    t.after(() => session.destroy());
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/a.B/C',
        'content-type': 'application/grpc',
        'grpc-timeout': '99999999u',
      },
      { endStream: true },
    );
    const [headers] = await once(stream, 'response');
    stream.resume();
    assert.equal(headers['grpc-status'], '0');
    assert.deepEqual(seen, ['99999999u']);
  });
  await t.test('on both sides', async (t) => {
    const server = await startInteropServer(t);
    const client = await createProxiedClient(t, server.origin);
    const called = once(server.events, 'call');
    const cancelled = once(server.events, 'cancelled');
    const { outcome } = openDuplex(client, METHODS.fullDuplex, { deadline: Date.now() + 1_500 });
    const [call] = await called;
    assert.notEqual(call.getDeadline(), Number.POSITIVE_INFINITY);
    assert.equal((await outcome).status.code, codes.DEADLINE_EXCEEDED);
    await cancelled;
  });
});

test('R41: a client that vanishes takes all its calls with it', async (t) => {
  const server = await startInteropServer(t);
  const relay = await startRelay(t, server.origin);
  const pipe = await startPipe(t, relay.url);
  const other = createClient(t, toEndpoint(relay.url));
  const client = createClient(t, toEndpoint(pipe.url));
  const calls = Array.from({ length: 20 }, () => openDuplex(client, METHODS.fullDuplex));
  for (const { call } of calls) call.write({ response_parameters: [{ size: 10 }] });
  for (const { next } of calls) await next();
  await cancelledOf(server, 20, other, () => pipe.cut());
  for (const { outcome } of calls) assert.equal((await outcome).status.code, codes.UNAVAILABLE);
});

test('R42: a server that dies in the midst of calls is an error to each of them, and never their end', async (t) => {
  const server = await startInteropServer(t);
  const client = await createProxiedClient(t, server.origin);
  const open = async () => {
    const duplex = openDuplex(client, METHODS.fullDuplex);
    duplex.call.write({ response_parameters: [{ size: 10 }] });
    await duplex.next();
    return duplex;
  };
  const calls = [await open(), await open(), await open()];
  for (const socket of server.sockets) socket.resetAndDestroy();
  for (const { outcome } of calls) {
    const { status, messages } = await outcome;
    assert.ok([codes.UNAVAILABLE, codes.INTERNAL].includes(status.code), `${status.code} ${status.details}`);
    assert.equal(messages.length, 1);
  }
  // And the next call finds a new connection.
  const next = await open();
  next.call.end();
  assert.equal((await next.outcome).status.code, codes.OK);
});

test('R42: a response that breaks off is never shown as a whole one', async (t) => {
  const endings: Readonly<Record<string, (t: TestContext) => Promise<{ origin: string }>>> = {
    'without trailers': (t) =>
      startHttp2Upstream(t, (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stream.end(toFramed(Buffer.alloc(0)));
      }),
    'by a reset without an error': (t) =>
      startHttp2Upstream(t, (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stream.write(toFramed(Buffer.alloc(0)), () => stream.close(0));
      }),
    'in the midst of a message': (t) =>
      startHttp2Upstream(t, (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stream.write(toFramed(Buffer.alloc(100)).subarray(0, 50), () => stream.session?.destroy());
      }),
  };
  for (const [name, start] of Object.entries(endings)) {
    await t.test(name, async (t) => {
      const { origin } = await start(t);
      const client = await createProxiedClient(t, origin);
      const { status } = await openOutput(client, METHODS.output, {}).outcome;
      assert.notEqual(status.code, codes.OK);
    });
  }
});

test('R44: a call that the server ends early gets its status, whatever its client still sends', async (t) => {
  const server = await startInteropServer(t);
  const client = await createProxiedClient(t, server.origin);
  for (const size of [0, 100_000]) {
    const { call, outcome } = openDuplex(client, METHODS.fullDuplex);
    call.write({ response_parameters: size === 0 ? [] : [{ size }] });
    call.write({ response_status: { code: codes.ABORTED, message: 'enough' } });
    const { status, messages } = await outcome;
    assert.deepEqual([status.code, status.details], [codes.ABORTED, 'enough']);
    assert.equal(messages.length, size === 0 ? 0 : 1);
  }
});

test('R48: calls under way are finished while the proxy stops', async (t) => {
  const server = await startInteropServer(t);
  const relay = await startRelay(t, server.origin);
  const client = createClient(t, toEndpoint(relay.url));
  const { call, next, outcome } = openDuplex(client, METHODS.fullDuplex);
  call.write({ response_parameters: [{ size: 10 }] });
  await next();
  const drained = relay.drain(10_000);
  call.write({ response_parameters: [{ size: 20 }] });
  assert.equal((await next())?.payload?.body.length, 20);
  call.end();
  assert.equal((await outcome).status.code, codes.OK);
  await drained;
});
