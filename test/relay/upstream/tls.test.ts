import assert from 'node:assert/strict';
import { constants, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toCertificate } from '../../../src/emulator/certificate.ts';
import { trustCertificates } from '../../../src/trust.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { startRelay } from '../../support/relays.ts';
import { send, startTransport } from '../../support/transports.ts';

test('R25: an upstream whose certificate nobody vouches for is a 502, and no request reaches it', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const requests: string[] = [];
  const server = createServer(
    {
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: toCertificate(privateKey, publicKey, '127.0.0.1'),
    },
    (request, response) => {
      requests.push(request.url ?? '');
      response.end();
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const relay = await startRelay(t, `https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const response = await fetch(relay.url);
  assert.equal(response.status, 502);
  assert.match(response.headers.get('proxy-status') ?? '', /error=tls_certificate_error/);
  assert.match(await response.text(), /"tls_error"/);
  assert.deepEqual(requests, []);
});

test('a TLS session that can’t be resumed is given up: it breaks one handshake, not all that follow', async (t) => {
  const authority = createTestAuthority();
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'ca.pem'), authority.cert);
  await trustCertificates(join(folder, 'ca.pem'));
  const sessions: string[] = [];
  let resumptions = 0;
  const server = createServer(
    {
      ...authority.issue(['localhost']),
      maxVersion: 'TLSv1.2',
      secureOptions: constants.SSL_OP_NO_TICKET,
    },
    (_request, response) => response.setHeader('Connection', 'close').end('hello'),
  );
  server.on('tlsClientError', () => {});
  server.on('newSession', (id: Buffer, _data: Buffer, done: () => void) => {
    sessions.push(id.toString('hex'));
    done();
  });
  server.on('resumeSession', (id: Buffer, done: (error: Error | null, data: null) => void) => {
    const isKnown = sessions.includes(id.toString('hex'));
    if (isKnown) resumptions += 1;
    done(isKnown ? new Error('no') : null, null);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  const transport = startTransport(t, origin);
  assert.equal((await send(transport, { mayRetry: false })).status, 200);
  const broken = await send(transport, { mayRetry: false });
  assert.ok(resumptions > 0, 'no session was resumed');
  assert.equal(broken.error?.code, 'upstream_reset');
  assert.equal((await send(transport, { mayRetry: false })).status, 200);
  assert.equal((await send(transport)).status, 200);
});
