import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { readBody, startRawUpstream, startUpstream } from '../../support/sockets.ts';
import { send, startTransport, toBody } from '../../support/transports.ts';

test('R33: trailers of a request in chunks follow its last chunk', async (t) => {
  const received: IncomingMessage[] = [];
  const { origin } = await startUpstream(t, async (request, response) => {
    received.push(request);
    response.end(await readBody(request));
  });
  const transport = startTransport(t, origin);
  const trailers = ['X-Sum', '1', 'x-sum', '2', 'X-Empty', ''];
  const outcome = await send(transport, { method: 'POST', body: toBody(['a', 'b'], undefined, trailers) });
  assert.equal(outcome.body, 'ab');
  assert.deepEqual(received[0]?.rawTrailers, trailers);
});

test('R33: where the body’s length was said there is no place for trailers, and none are sent', async (t) => {
  const received: string[] = [];
  const { origin } = await startRawUpstream(t, (socket) => {
    socket.on('data', (chunk) => {
      received.push(chunk.toString('latin1'));
      if (received.join('').endsWith('ab')) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    });
  });
  const body = toBody(['ab'], 2, ['X-Sum', '1']);
  assert.equal((await send(startTransport(t, origin), { method: 'POST', body })).status, 204);
  assert.doesNotMatch(received.join(''), /X-Sum/);
});

test('a trailer that would end its own line breaks the request off: what follows might be taken for another one', async (t) => {
  for (const trailers of [
    ['X-Sum', '1\r\n\r\nGET /evil HTTP/1.1'],
    ['X-Sum', '1\n2'],
    ['X-Sum', '1\r2'],
    ['X-Sum', '\u0000'],
    ['X Sum', '1'],
    ['X-Sum: 1\r\nX', '1'],
    ['', '1'],
  ]) {
    const received: string[] = [];
    const { origin, sockets } = await startRawUpstream(t, (socket) =>
      socket.on('data', (chunk) => received.push(chunk.toString('latin1'))),
    );
    const body = toBody(['a'], undefined, trailers);
    const { error } = await send(startTransport(t, origin), { method: 'POST', body });
    assert.equal(error?.code, 'bad_request', JSON.stringify(trailers));
    const socket = sockets[0] as Socket;
    if (!socket.closed) await once(socket, 'close');
    assert.doesNotMatch(received.join(''), /\r\n0\r\n|evil/);
  }
});

test('R33: trailers of a response are told at its end', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => {
    response.setHeader('Trailer', 'Server-Timing');
    response.write('body');
    response.addTrailers([
      ['Server-Timing', 'db;dur=5'],
      ['X-Other', '1'],
    ]);
    response.end();
  });
  const outcome = await send(startTransport(t, origin));
  assert.equal(outcome.body, 'body');
  assert.deepEqual(outcome.trailers, ['Server-Timing', 'db;dur=5', 'X-Other', '1']);
});

test('R36: 204, 304 and HEAD end with their heads whatever trailers they announce', async (t) => {
  for (const [status, method] of [
    [200, 'HEAD'],
    [204, 'GET'],
    [304, 'GET'],
  ] as const) {
    const head = `HTTP/1.1 ${status} X\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n`;
    const { origin } = await startRawUpstream(t, (socket) => {
      socket.once('data', () => socket.write(head));
    });
    const transport = startTransport(t, origin);
    const outcome = await send(transport, { method });
    assert.deepEqual([outcome.status, outcome.body, outcome.trailers], [status, '', []]);
  }
});

test('R35: a malformed trailer breaks the response, as its end would be a lie', async (t) => {
  for (const trailer of ['X : 1', 'no colon', ' folded', 'X: \u0001', ': 1']) {
    const { origin } = await startRawUpstream(t, (socket) => {
      socket.once('data', () =>
        socket.write(
          `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n${trailer}\r\n\r\n`,
        ),
      );
    });
    const { error, body } = await send(startTransport(t, origin));
    assert.equal(body, 'a');
    assert.equal(error?.code, 'bad_upstream_response', trailer);
  }
});
