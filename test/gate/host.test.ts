import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHostCheck, parseAuthority } from '../../src/gate/host.ts';

const isAllowed = createHostCheck({ bound: ['127.0.0.1'], names: ['dev.example.test', 'shop.localhost'] });

function allows(host: string): boolean {
  const authority = parseAuthority(host);
  return authority !== undefined && isAllowed(authority.name);
}

test('R3: every spelling of a local name is let in', () => {
  for (const host of [
    'localhost',
    'LOCALHOST',
    'localhost.',
    'localhost:8080',
    'shop.localhost:1',
    'a.b.localhost',
    '127.0.0.1',
    '127.0.0.1:8080',
    '127.9.9.9',
    '[::1]',
    '[::1]:8080',
    'dev.example.test',
    'DEV.example.test.:443',
  ]) {
    assert.equal(allows(host), true, host);
  }
});

test('R2: a name that only looks local is kept out', () => {
  for (const host of [
    'evil.com:8080',
    'localhost.evil.com',
    'evillocalhost',
    'localhost-evil.com',
    '127.0.0.1.nip.io',
    'dev.example.test.evil.com',
    'xdev.example.test',
    '0.0.0.0',
    '10.0.0.1',
    '[::]',
    '[2001:db8::1]',
    '0x7f.1',
    '2130706433',
    '127.1',
  ]) {
    assert.equal(allows(host), false, host);
  }
});

test('R4: what is not one host with an optional port is not a host at all', () => {
  for (const host of [
    '',
    ' ',
    'localhost@evil.com',
    'localhost:8080:9090',
    'localhost:port',
    'localhost:65536',
    '[::1]:99999',
    'localhost, evil.com',
    'localhost evil.com',
    'localhost/evil',
    'localhost#x',
    'localhost?x',
    'localhost\u0000',
    'localhost\t',
    'a..b.localhost',
    '.localhost',
    '-',
    '[::1',
    '::1',
    '[evil.com]',
    '[::1]x',
    'local%68ost',
    'lоcalhost',
    `${'a'.repeat(70_000)}:`,
  ]) {
    assert.equal(parseAuthority(host), undefined, JSON.stringify(host.slice(0, 40)));
  }
});

test('an IP address passes when the proxy is bound to every address, a name does not', () => {
  const everywhere = createHostCheck({ bound: ['0.0.0.0'], names: [] });
  assert.equal(everywhere('192.168.1.20'), true);
  assert.equal(everywhere('2001:db8::1'), true);
  assert.equal(everywhere('evil.com'), false);
});
