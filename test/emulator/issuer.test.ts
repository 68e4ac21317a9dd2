import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ACCOUNTS } from '../../src/emulator/directory.ts';
import { createIssuer } from '../../src/emulator/issuer.ts';
import { generateKeys } from '../../src/emulator/keys.ts';
import { FakeClock } from '../support/fake-clock.ts';

it('the issuer remembers the last 10 000 tokens, so that an emulator can run for weeks', async () => {
  const { google } = await generateKeys();
  const issuer = createIssuer({ clock: new FakeClock(), key: google, lifetimeMs: 3_600_000 });
  const holder = ACCOUNTS.runner;
  const reuse = { reuse: 'never' } as const;
  const order = { kind: 'access', endpoint: 'metadata', holder, scopes: [], clientId: holder.id } as const;
  const first = await issuer.issue(order, reuse);
  const second = await issuer.issue(order, reuse);
  for (let count = 2; count <= 10_000; count += 1) await issuer.issue(order, reuse);

  assert.equal(issuer.mints.length, 10_000);
  assert.equal(issuer.mints[0]?.value, second.value);
  assert.equal(issuer.findAccessToken(first.value), undefined);
  assert.equal(issuer.findAccessToken(second.value)?.holder, holder);
});
