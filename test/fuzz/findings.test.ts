import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { startRelayProcess } from '../faults/relay-under-test.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { closed } from '../support/handshakes.ts';
import { Flag, Frame, PREFACE, toFieldBlock, toFrame, toHeaders } from '../support/http2-frames.ts';
import { createFolder } from '../support/stack.ts';
import type { Input } from './inputs.ts';
import { openLane } from './lane.ts';
import { toWire } from './tls-wire.ts';

/** Silence that the relays bear. */
const LIMIT_MS = 400;
/** Enough for a finding that shows once in three times. */
const TIMES = 60;

test('R52: a connection over TLS that breaks the rules of HTTP/2 and is reset is closed, and gives its place back', async (t) => {
  const folder = await createFolder(t);
  const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  const { cert, key } = createTestAuthority().issue(['localhost']);
  await Promise.all([writeFile(tls.certFile, cert), writeFile(tls.keyFile, key)]);
  // In a process of its own: only so can the reset come while the bytes before it are being read.
  const relays = await startRelayProcess([
    { name: 'relay', upstreamOrigin: 'http://127.0.0.1:9', limitMs: LIMIT_MS, tls },
  ]);
  t.after(() => relays.kill());
  const { port } = new URL(relays.urls.relay ?? '');
  const before = await relays.measure();
  const opening = Buffer.concat([Buffer.from(PREFACE), toFrame(Frame.settings, 0, 0)]);
  const broken = toHeaders(1, [['no-pseudo-fields', 'x']]);
  for (let count = 0; count < TIMES; count += 1) {
    const wire = connect({ host: '127.0.0.1', port: Number(port), noDelay: true }).on('error', () => {});
    const socket = connectTls({ socket: toWire(wire), ALPNProtocols: ['h2'], rejectUnauthorized: false });
    socket.on('error', () => {}).resume();
    await Promise.race([once(socket, 'secureConnect'), closed(wire)]);
    socket.write(opening);
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(Buffer.concat([broken, toFrame(Frame.data, 0, 0, Buffer.from('x'))]));
    await new Promise((resolve) => setImmediate(resolve));
    wire.resetAndDestroy();
    await closed(wire);
  }
  const after = await relays.settle(before);
  assert.equal(after.sockets, before.sockets, 'connections are left open');
  await relays.stop();
});

test('R35: a connection of HTTP/2 whose upstream says goodbye and then breaks the rules is closed once its client has left', async (t) => {
  const lane = await openLane();
  t.after(() => lane.close());
  const plan = { name: 'relay', upstreamOrigin: lane.origin, limitMs: LIMIT_MS, protocol: 'http2' } as const;
  const relays = await startRelayProcess([plan]);
  t.after(() => relays.kill());
  const before = await relays.measure();
  const answer = Buffer.concat([
    toFrame(Frame.goAway, 0, 0, Buffer.from('7fffffff00000000', 'hex')),
    toFrame(
      Frame.headers,
      Flag.endHeaders,
      1,
      toFieldBlock([
        [':status', 'x'],
        ['x-long', 'l'.repeat(9_000)],
      ]),
    ),
    // A frame of seven megabytes, it says.
    Buffer.from('6c0000020000000001', 'hex'),
  ]);
  const input: Input = {
    seed: 0,
    client: {
      pieces: [Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
      ending: 'stays',
      speaks: 'HTTP/1.1',
      isDeaf: false,
    },
    upstream: {
      greeting: Buffer.concat([toFrame(Frame.settings, 0, 0), toFrame(Frame.settings, Flag.ack, 0)]),
      http1: { pieces: [], ending: 'stays' },
      http2: {
        pieces: [answer.subarray(0, 1_400), answer.subarray(1_400, 2_400), answer.subarray(2_400)],
        ending: 'stays',
      },
      isHasty: false,
    },
  };
  for (let count = 0; count < 10; count += 1) await lane.play(relays.urls.relay ?? '', input);
  const after = await relays.settle(before);
  assert.equal(after.sockets, before.sockets, 'connections are left open');
  await relays.stop();
});
