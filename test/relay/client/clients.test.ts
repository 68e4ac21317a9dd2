import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp2Server, type Http2Stream, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Http1Client } from '../../../src/relay/client/http1-client.ts';
import { Http2Client } from '../../../src/relay/client/http2-client.ts';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { startUpstream } from '../../support/sockets.ts';

const OK = { status: 200, reason: '', contentLength: undefined };

test('a client of HTTP/1.1 that doesn’t keep up with many pieces is told of once it does, by one listener', async (t) => {
  const { promise: drained, resolve: onDrain } = Promise.withResolvers<void>();
  let listeners = 0;
  const { origin } = await startUpstream(t, async (request, response) => {
    const options = {
      scheme: 'http',
      listener: 0,
      expectsContinue: false,
      isDraining: () => false,
      lingerMs: 50,
    } as const;
    const client = new Http1Client(request, response, options);
    client.listen({ onClose() {}, onDrain });
    client.sendHead({ ...OK, lines: [] });
    const piece = Buffer.alloc(65_536);
    assert.equal(Array.from({ length: 20 }, () => client.sendData(piece)).at(-1), false);
    listeners = response.listenerCount('drain');
    await drained;
    client.end([]);
  });
  const response = await fetch(origin);
  assert.equal((await response.arrayBuffer()).byteLength, 20 * 65_536);
  assert.ok(listeners <= 1, `${listeners} listeners`);
});

test('content for a client of HTTP/2 whose stream is over goes nowhere, also with the head kept back', async (t) => {
  const server = createHttp2Server();
  t.after(() => server.close());
  const { promise: tried, resolve } = Promise.withResolvers<unknown>();
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw?: readonly string[]) => {
    const client = new Http2Client(stream, headers, raw ?? [], { scheme: 'http', listener: 0 });
    if (headers[':path'] === '/') return client.sendAnswer({ status: 204, lines: [], body: '' });
    client.sendHead({ ...OK, lines: ['grpc-status', '0'] });
    stream.close();
    try {
      resolve(client.sendData(Buffer.from('late')));
    } catch (error) {
      resolve(error);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connectHttp2(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const late: Http2Stream = session.request({ ':path': '/late' });
  late.on('error', () => {});
  assert.equal(typeof (await tried), 'boolean');
  assert.equal((await ask(session)).status, 204);
});
