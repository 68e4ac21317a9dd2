import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { toCertificate } from '../../../src/emulator/certificate.ts';
import { startRelay } from '../../support/relays.ts';

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
