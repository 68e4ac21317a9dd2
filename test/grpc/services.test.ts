import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { status as codes } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { service as HEALTH_SERVICE, HealthImplementation } from 'grpc-health-check';
import { startRelay } from '../support/relays.ts';
import { callUnary, openDuplex, openOutput } from './calls.ts';
import { startInteropServer } from './interop-server.ts';
import { startPipe } from './pipe.ts';
import { METHODS, type Method, methodOf, payloadOf, TESTING_PACKAGE } from './testing-service.ts';
import { createClient, createProxiedClient, toEndpoint } from './ways.ts';

interface HealthRequest {
  readonly service: string;
}
interface HealthResponse {
  /** A name, or the number of one. */
  readonly status: string | number;
}

const CHECK: Method<HealthRequest, HealthResponse> = methodOf(HEALTH_SERVICE, 'Check');
const WATCH: Method<HealthRequest, HealthResponse> = methodOf(HEALTH_SERVICE, 'Watch');

test('R48: the health service answers through the proxy, and its watch tells changes as they come', async (t) => {
  const health = new HealthImplementation({ '': 'SERVING', shop: 'NOT_SERVING' });
  const { origin } = await startInteropServer(t, { prepare: (server) => health.addToServer(server) });
  const client = await createProxiedClient(t, origin);
  const check = async (service: string) => {
    const { status, messages } = await callUnary(client, CHECK, { service });
    return [status.code, messages[0]?.status];
  };
  assert.deepEqual(await check(''), [codes.OK, 'SERVING']);
  assert.deepEqual(await check('shop'), [codes.OK, 'NOT_SERVING']);
  assert.deepEqual(await check('nobody'), [codes.NOT_FOUND, undefined]);
  const watch = openOutput(client, WATCH, { service: 'shop' });
  assert.equal((await watch.next())?.status, 'NOT_SERVING');
  health.setStatus('shop', 'SERVING');
  assert.equal((await watch.next())?.status, 'SERVING');
  watch.call.cancel();
  assert.equal((await watch.outcome).status.code, codes.CANCELLED);
});

interface ReflectionRequest {
  readonly list_services?: string;
  readonly file_containing_symbol?: string;
}
interface ReflectionResponse {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
}

test('R48: reflection tells clients such as grpcurl which services there are', async (t) => {
  const file = 'grpc/reflection/v1/reflection.proto';
  const folder = fileURLToPath(new URL('../proto', import.meta.resolve('@grpc/reflection')));
  const definition = loadSync(file, { includeDirs: [folder, `${folder}/..`], keepCase: true });
  const service = definition['grpc.reflection.v1.ServerReflection'] as ServiceDefinition;
  const info: Method<ReflectionRequest, ReflectionResponse> = methodOf(service, 'ServerReflectionInfo');
  const { origin } = await startInteropServer(t, {
    prepare: (server) => new ReflectionService(TESTING_PACKAGE).addToServer(server),
  });
  const client = await createProxiedClient(t, origin);
  const { call, next, outcome } = openDuplex(client, info);
  call.write({ list_services: '' });
  const listed = (await next())?.list_services_response?.service.map(({ name }) => name);
  assert.deepEqual(listed, ['grpc.testing.TestService', 'grpc.testing.UnimplementedService']);
  call.write({ file_containing_symbol: 'grpc.testing.TestService' });
  const [descriptor] = (await next())?.file_descriptor_response?.file_descriptor_proto ?? [];
  assert.match(`${descriptor}`, /HalfDuplexCall/);
  call.end();
  assert.equal((await outcome).status.code, codes.OK);
});

test('R48: keepalive pings of clients are answered, also while they have no call', async (t) => {
  const server = await startInteropServer(t);
  let answered = 0;
  let onPing = (): void => {};
  const pipe = await startPipe(t, (await startRelay(t, server.origin)).url, (bytes) => {
    // PING with ACK (RFC 9113, section 6.7); small enough to come in one piece.
    if (!bytes.includes(PING_ACK)) return;
    answered += 1;
    onPing();
  });
  const pings = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const target = answered + count;
      onPing = () => {
        if (answered >= target) resolve();
      };
    });
  const client = createClient(t, toEndpoint(pipe.url), {
    'grpc.keepalive_time_ms': 20,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
  });
  const call = async (): Promise<void> => {
    const { status } = await callUnary(client, METHODS.empty, {});
    assert.equal(status.code, codes.OK, status.details);
  };
  await call();
  await pings(10);
  await call();
  const duplex = openDuplex(client, METHODS.fullDuplex);
  await pings(5);
  duplex.call.end();
  assert.equal((await duplex.outcome).status.code, codes.OK);
  assert.equal(server.sockets.length, 1);
});

/** Length 8, type PING, flag ACK, stream 0. */
const PING_ACK = Buffer.from([0, 0, 8, 6, 1, 0, 0, 0, 0]);

test('R49: messages beyond four megabytes pass both ways, where client and server allow them', async (t) => {
  const size = 9_000_000;
  const { origin } = await startInteropServer(t, { maxMessageBytes: 2 * size });
  const client = await createProxiedClient(t, origin, { 'grpc.max_receive_message_length': -1 });
  const body = Buffer.alloc(size, 'gRPC ');
  const { status, messages } = await callUnary(client, METHODS.unary, {
    payload: { body },
    response_size: size,
  });
  assert.equal(status.code, codes.OK, status.details);
  assert.equal(messages[0]?.payload?.body.length, size);
  const careful = await createProxiedClient(t, origin);
  const refused = await callUnary(careful, METHODS.unary, { response_size: 5_000_000 });
  assert.equal(refused.status.code, codes.RESOURCE_EXHAUSTED);
  const { status: next } = await callUnary(careful, METHODS.unary, { payload: payloadOf(10) });
  assert.equal(next.code, codes.OK, next.details);
});
