import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status as codes } from '@grpc/grpc-js';
import { callUnary, openDuplex } from '../grpc/calls.ts';
import { INTEROP_CASES } from '../grpc/interop-cases.ts';
import { type InteropServer, startInteropServer } from '../grpc/interop-server.ts';
import { METHODS } from '../grpc/testing-service.ts';
import { createClient, toEndpoint } from '../grpc/ways.ts';
import { startStack } from '../support/stack.ts';

interface Claims {
  readonly aud: string;
  readonly email: string;
}

/** What the one token of each call says. */
function claimsOf({ authorizations }: InteropServer): readonly Claims[] {
  return authorizations.map((values) => {
    assert.equal(values.length, 1);
    const [, payload = ''] = values[0]?.match(/^Bearer [^.]+\.([^.]+)\.[^.]+$/) ?? [];
    return JSON.parse(Buffer.from(payload, 'base64url').toString());
  });
}

test('R48: gRPC through the program: services by path and by host, each with its own token', async (t) => {
  const orders = await startInteropServer(t);
  const shop = await startInteropServer(t);
  const { url, emulator } = await startStack(t, {
    routes: `  - path: /grpc.testing.TestService
    stripPath: false
    upstream: ${orders.origin}
    token: { kind: id, audience: "https://orders.example" }
  - { host: shop.localhost, upstream: "${shop.origin}", protocol: http2 }`,
  });
  const { port } = new URL(url);
  const email = emulator.accounts.developer;

  const byPath = createClient(t, toEndpoint(url));
  for (const name of ['large_unary', 'ping_pong', 'custom_metadata', 'special_status_message']) {
    await INTEROP_CASES.find((known) => known.name === name)?.run(byPath);
  }
  const byHost = createClient(t, toEndpoint(url), { 'grpc.default_authority': `shop.localhost:${port}` });
  const { status } = await callUnary(byHost, METHODS.unary, { response_size: 10 });
  assert.equal(status.code, codes.OK, status.details);
  // No route takes what is in neither.
  const other = await callUnary(byPath, METHODS.unimplementedService, {});
  assert.match(other.status.details, /^No route takes \/grpc\.testing\.UnimplementedService/);

  const known = claimsOf(orders);
  assert.equal(known.length, 5);
  for (const { aud, email: seen } of known) assert.deepEqual([aud, seen], ['https://orders.example', email]);
  assert.deepEqual(
    claimsOf(shop).map(({ aud, email: seen }) => [aud, seen]),
    [[shop.origin, email]],
  );
});

test('R48: a client that can put something before its paths reaches a service below a path', async (t) => {
  const server = await startInteropServer(t);
  const { url } = await startStack(t, {
    routes: `  - { path: /orders, upstream: "${server.origin}", token: none }`,
  });
  const client = createClient(t, toEndpoint(url));
  // The stubs that grpc-js makes can't; a method of one's own can.
  const method = { ...METHODS.fullDuplex, path: `/orders${METHODS.fullDuplex.path}` };
  const { call, next, outcome } = openDuplex(client, method);
  call.write({ response_parameters: [{ size: 10 }] });
  assert.equal((await next())?.payload?.body.length, 10);
  call.end();
  assert.equal((await outcome).status.code, codes.OK);
  assert.deepEqual(server.authorizations, [[]]);
});
