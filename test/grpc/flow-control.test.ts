import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { status as codes } from '@grpc/grpc-js';
import { startHttp2Upstream } from '../support/http2.ts';
import { startRelay } from '../support/relays.ts';
import { callUnary, openDuplex } from './calls.ts';
import { startInteropServer } from './interop-server.ts';
import { toFramed } from './messages.ts';
import { METHODS } from './testing-service.ts';
import { createProxiedClient } from './ways.ts';

const UPLOADS = 60;
const UPLOAD_BYTES = 400_000;

test('R43: uploads that a server leaves lying keep no other call of the same client out', async (t) => {
  const { origin } = await startHttp2Upstream(t, (stream, headers) => {
    if (headers['x-slow'] !== undefined) {
      // Nothing is read of it.
      stream.pause();
      return;
    }
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' },
      { endStream: true },
    );
  });
  const session = connect((await startRelay(t, origin)).url, { maxSessionMemory: 100 });
  t.after(() => session.destroy());
  const head = { ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' };
  const message = toFramed(Buffer.alloc(UPLOAD_BYTES));
  const sent = Array.from({ length: UPLOADS }, () => {
    const stream = session.request({ ...head, 'x-slow': '1' });
    stream.on('error', () => {});
    return new Promise<void>((resolve) => stream.write(message, () => resolve()));
  });
  await Promise.all(sent);
  const status = await new Promise((resolve, reject) => {
    const stream = session.request(head, { endStream: true });
    stream.on('response', (headers) => resolve(headers['grpc-status']));
    stream.on('error', reject);
    stream.resume();
  });
  assert.equal(status, '0');
});

test('R43: a call whose responses nobody reads holds up no other', async (t) => {
  const server = await startInteropServer(t);
  const client = await createProxiedClient(t, server.origin);
  const stalled = openDuplex(client, METHODS.fullDuplex);
  stalled.call.pause();
  const response_parameters = Array.from({ length: 100 }, () => ({ size: 100_000 }));
  stalled.call.write({ response_parameters });
  for (let i = 0; i < 20; i++) {
    const { status } = await callUnary(client, METHODS.unary, { response_size: 100_000 });
    assert.equal(status.code, codes.OK, status.details);
  }
  stalled.call.resume();
  stalled.call.end();
  const { status, messages } = await stalled.outcome;
  assert.equal(status.code, codes.OK, status.details);
  assert.equal(messages.length, 100);
});
