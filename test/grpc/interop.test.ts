import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTEROP_CASES } from './interop-cases.ts';
import { startInteropServer } from './interop-server.ts';
import { createClient, WAYS } from './ways.ts';

for (const way of WAYS) {
  test(`R48: the interop cases of gRPC, ${way.name}`, async (t) => {
    const certificate = await way.certificate(t);
    const server = await startInteropServer(t, certificate && { certificate });
    const endpoint = await way.lead(t, server.origin);
    for (const { name, run } of INTEROP_CASES) await t.test(name, (t) => run(createClient(t, endpoint)));
    await t.test('channel_soak: a client of its own for each of twenty calls', async (t) => {
      const largeUnary = INTEROP_CASES.find(({ name }) => name === 'large_unary');
      for (let i = 0; i < 20; i++) await largeUnary?.run(createClient(t, endpoint));
    });
    await t.test('each call came with the token, once', () => {
      assert.ok(server.authorizations.length > 200);
      for (const values of server.authorizations) assert.deepEqual(values, way.authorization);
    });
  });
}
