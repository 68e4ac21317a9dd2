import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { getCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { gaxios } from 'google-auth-library';
import { isProxyError } from '../src/errors.ts';
import { trustCertificates } from '../src/trust.ts';
import { createTestAuthority } from './support/certificates.ts';
import { startConnectProxy } from './support/connect-proxy.ts';
import { startRelay } from './support/relays.ts';
import { startTlsUpstream } from './support/sockets.ts';
import { createFolder } from './support/stack.ts';

const run = promisify(execFile);

async function write(t: TestContext, content: string | Buffer): Promise<string> {
  const file = join(await createFolder(t), 'ca.pem');
  await writeFile(file, content);
  return file;
}

/** Fingerprints of all authorities that are trusted now. */
function trusted(): Set<string> {
  return new Set(getCACertificates('default').map((pem) => new X509Certificate(pem).fingerprint256));
}

test('a certificate authority in the file is trusted by upstream connections, Google’s library and all else', async (t) => {
  const authority = createTestAuthority();
  const { port, server } = await startTlsUpstream(t, authority.issue(['localhost']), (_request, response) => {
    response.end('hello');
  });
  server.on('tlsClientError', () => {});
  const origin = `https://localhost:${port}`;
  const relay = await startRelay(t, origin);
  const proxy = await startConnectProxy(t, { ports: { [`localhost:${port}`]: port } });
  const library = new gaxios.Gaxios({ retry: false });
  const ways: readonly (() => Promise<unknown>)[] = [
    async () => (await fetch(relay.url)).text(),
    async () => (await library.request({ url: origin, responseType: 'text' })).data,
    async () => (await library.request({ url: origin, responseType: 'text', proxy: proxy.url })).data,
    async () => (await fetch(origin)).text(),
    () =>
      new Promise((resolve, reject) => {
        get(origin, (response) => response.toArray().then(([body]) => resolve(String(body)), reject)).on(
          'error',
          reject,
        );
      }),
  ];
  // They have all met the server when they didn't trust it, and had the chance to remember.
  for (const way of ways) assert.notEqual(await way().catch(() => 'no connection'), 'hello');

  const before = trusted();
  const another = createTestAuthority().cert.replaceAll('\n', '\r\n');
  const file = await write(t, `# Test authorities\n${another}Subject: test\n${authority.cert}`);
  await trustCertificates(file);
  for (const way of ways) assert.equal(await way(), 'hello');

  const after = trusted();
  assert.equal(after.size, before.size + 2);
  assert.ok([...before].every((fingerprint) => after.has(fingerprint)));
  await trustCertificates(file);
  assert.deepEqual(trusted(), after);
});

test('what OpenSSL’s own store trusts stays trusted under --use-openssl-ca', async (t) => {
  const file = await write(t, createTestAuthority().cert);
  const { stdout } = await run(process.execPath, [
    '--use-openssl-ca',
    '--input-type=module',
    '--eval',
    `import { getCACertificates } from 'node:tls';
    const { trustCertificates } = await import(${JSON.stringify(new URL('../src/trust.ts', import.meta.url).href)});
    await trustCertificates(${JSON.stringify(file)});
    const trusted = new Set(getCACertificates('default'));
    console.log(trusted.size, getCACertificates('system').every((certificate) => trusted.has(certificate)));`,
  ]);
  assert.match(stdout, /^[1-9]\d* true\n$/);
});

test('a file without usable certificates is refused by name, with what to do, and changes nothing', async (t) => {
  const { cert } = createTestAuthority();
  const before = trusted();
  const refused: readonly (readonly [string, RegExp, RegExp])[] = [
    [join(await createFolder(t), 'gone.pem'), /can't be trusted: there is no such file\.$/, /PEM file/],
    [await createFolder(t), /can't be trusted: it can't be read \(E[A-Z]+\)\.$/, /PEM file/],
    [await write(t, ''), /has no certificate in PEM in it\.$/, /openssl x509 -inform der/],
    [await write(t, new X509Certificate(cert).raw), /has no certificate in PEM in it\.$/, /openssl x509/],
    [
      await write(t, cert + cert.replace(/M/g, '')),
      /Certificate 2 of 2 in the CA file .* can't be parsed\.$/,
      /Export/,
    ],
    [
      await write(t, cert + cert.slice(0, 200)),
      /Certificate 2 of 2 in the CA file .* can't be parsed\.$/,
      /Export/,
    ],
  ];
  for (const [file, message, hint] of refused) {
    await assert.rejects(trustCertificates(file), (error) => {
      assert.ok(isProxyError(error));
      assert.equal(error.code, 'config_invalid');
      assert.ok(error.message.includes(file));
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      return true;
    });
  }
  assert.deepEqual(trusted(), before);
});
