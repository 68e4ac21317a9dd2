import assert from 'node:assert/strict';
import { type Client, status as codes } from '@grpc/grpc-js';
import { callUnary, metadataOf, openDuplex, openInput, openOutput } from './calls.ts';
import { ECHO_INITIAL, ECHO_TRAILING } from './interop-server.ts';
import { METHODS, type OutputResponse, payloadOf } from './testing-service.ts';

const LARGE_REQUEST_BYTES = 271_828;
const LARGE_RESPONSE_BYTES = 314_159;
const REQUEST_SIZES = [27_182, 8, 1_828, 45_904];
const RESPONSE_SIZES = [31_415, 9, 2_653, 58_979];

export interface InteropCase {
  /** As the descriptions name it. */
  readonly name: string;
  run(client: Client): Promise<void>;
}

const sizesOf = (messages: readonly OutputResponse[]): number[] =>
  messages.map(({ payload }) => payload?.body.length ?? 0);

async function largeUnary(client: Client): Promise<void> {
  const request = { response_size: LARGE_RESPONSE_BYTES, payload: payloadOf(LARGE_REQUEST_BYTES) };
  const { status, messages } = await callUnary(client, METHODS.unary, request);
  assert.equal(status.code, codes.OK, status.details);
  assert.deepEqual(messages[0]?.payload?.body, Buffer.alloc(LARGE_RESPONSE_BYTES));
}

async function pingPong(client: Client, rounds: number): Promise<void> {
  const { call, next, outcome } = openDuplex(client, METHODS.fullDuplex);
  for (let round = 0; round < rounds; round++) {
    const size = RESPONSE_SIZES[round % 4] as number;
    call.write({
      response_parameters: [{ size }],
      payload: payloadOf(REQUEST_SIZES[round % 4] as number),
    });
    assert.equal((await next())?.payload?.body.length, size);
  }
  call.end();
  const { status, messages } = await outcome;
  assert.equal(status.code, codes.OK, status.details);
  assert.equal(messages.length, rounds);
}

const echoed = { code: codes.UNKNOWN, message: 'test status message' };
const special = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP \u{1f608}\t\n';

async function statusOfDuplex(client: Client, response_status: typeof echoed): Promise<void> {
  const { call, outcome } = openDuplex(client, METHODS.fullDuplex);
  call.write({ response_status });
  call.end();
  const { status } = await outcome;
  assert.deepEqual([status.code, status.details], [response_status.code, response_status.message]);
}

async function statusOfUnary(client: Client, response_status: typeof echoed): Promise<void> {
  const { status } = await callUnary(client, METHODS.unary, { response_status });
  assert.deepEqual([status.code, status.details], [response_status.code, response_status.message]);
}

async function customMetadata(client: Client): Promise<void> {
  const initialValue = 'test_initial_metadata_value';
  const trailingValue = Buffer.from('ababab', 'hex');
  const metadata = metadataOf(ECHO_INITIAL, initialValue, ECHO_TRAILING, trailingValue);
  const request = { response_size: LARGE_RESPONSE_BYTES, payload: payloadOf(LARGE_REQUEST_BYTES) };
  const duplex = openDuplex(client, METHODS.fullDuplex, { metadata });
  duplex.call.write({
    response_parameters: [{ size: LARGE_RESPONSE_BYTES }],
    payload: payloadOf(LARGE_REQUEST_BYTES),
  });
  duplex.call.end();
  for (const outcome of [
    await callUnary(client, METHODS.unary, request, { metadata }),
    await duplex.outcome,
  ]) {
    assert.equal(outcome.status.code, codes.OK, outcome.status.details);
    assert.deepEqual(outcome.initial.get(ECHO_INITIAL), [initialValue]);
    assert.deepEqual(outcome.status.metadata.get(ECHO_TRAILING), [trailingValue]);
  }
}

/**
 * The cases that need no credentials, and that grpc-js can be brought to.
 * https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
 */
export const INTEROP_CASES: readonly InteropCase[] = [
  {
    name: 'empty_unary',
    async run(client) {
      const { status, messages } = await callUnary(client, METHODS.empty, {});
      assert.equal(status.code, codes.OK, status.details);
      assert.deepEqual(
        messages.map((message) => Object.keys(message)),
        [[]],
      );
    },
  },
  {
    name: 'cacheable_unary',
    async run(client) {
      // The GET that other clients may make of it is not in grpc-js.
      const request = { payload: { body: Buffer.from(String(process.hrtime.bigint())) } };
      const metadata = metadataOf('x-user-ip', '1.2.3.4');
      for (let i = 0; i < 2; i++) {
        const { status } = await callUnary(client, METHODS.cacheable, request, { metadata });
        assert.equal(status.code, codes.OK, status.details);
      }
    },
  },
  { name: 'large_unary', run: largeUnary },
  {
    name: 'client_streaming',
    async run(client) {
      const { call, outcome } = openInput(client, METHODS.input);
      for (const size of REQUEST_SIZES) call.write({ payload: payloadOf(size) });
      call.end();
      const { status, messages } = await outcome;
      assert.equal(status.code, codes.OK, status.details);
      assert.deepEqual(
        messages.map(({ aggregated_payload_size: size }) => size),
        [74_922],
      );
    },
  },
  {
    name: 'server_streaming',
    async run(client) {
      const request = { response_parameters: RESPONSE_SIZES.map((size) => ({ size })) };
      const { status, messages } = await openOutput(client, METHODS.output, request).outcome;
      assert.equal(status.code, codes.OK, status.details);
      assert.deepEqual(sizesOf(messages), RESPONSE_SIZES);
    },
  },
  { name: 'ping_pong', run: (client) => pingPong(client, 4) },
  {
    name: 'half_duplex',
    async run(client) {
      const { call, outcome } = openDuplex(client, METHODS.halfDuplex);
      for (const size of RESPONSE_SIZES) call.write({ response_parameters: [{ size }] });
      call.end();
      const { status, messages } = await outcome;
      assert.equal(status.code, codes.OK, status.details);
      assert.deepEqual(sizesOf(messages), RESPONSE_SIZES);
    },
  },
  {
    name: 'empty_stream',
    async run(client) {
      const { call, outcome } = openDuplex(client, METHODS.fullDuplex);
      call.end();
      const { status, messages } = await outcome;
      assert.equal(status.code, codes.OK, status.details);
      assert.deepEqual(messages, []);
    },
  },
  { name: 'custom_metadata', run: customMetadata },
  {
    name: 'status_code_and_message',
    async run(client) {
      await statusOfUnary(client, echoed);
      await statusOfDuplex(client, echoed);
    },
  },
  {
    name: 'special_status_message',
    run: (client) => statusOfUnary(client, { code: codes.UNKNOWN, message: special }),
  },
  {
    name: 'unimplemented_method',
    async run(client) {
      const { status } = await callUnary(client, METHODS.unimplemented, {});
      assert.equal(status.code, codes.UNIMPLEMENTED);
    },
  },
  {
    name: 'unimplemented_service',
    async run(client) {
      const { status } = await callUnary(client, METHODS.unimplementedService, {});
      assert.equal(status.code, codes.UNIMPLEMENTED);
    },
  },
  {
    name: 'cancel_after_begin',
    async run(client) {
      const { call, outcome } = openInput(client, METHODS.input);
      call.cancel();
      assert.equal((await outcome).status.code, codes.CANCELLED);
    },
  },
  {
    name: 'cancel_after_first_response',
    async run(client) {
      const { call, next, outcome } = openDuplex(client, METHODS.fullDuplex);
      call.write({ response_parameters: [{ size: 31_415 }], payload: payloadOf(27_182) });
      assert.equal((await next())?.payload?.body.length, 31_415);
      call.cancel();
      assert.equal((await outcome).status.code, codes.CANCELLED);
    },
  },
  {
    name: 'timeout_on_sleeping_server',
    async run(client) {
      const { call, outcome } = openDuplex(client, METHODS.fullDuplex, { deadline: Date.now() + 1 });
      call.write({ payload: payloadOf(27_182) });
      assert.equal((await outcome).status.code, codes.DEADLINE_EXCEEDED);
    },
  },
  {
    name: 'concurrent_large_unary: a hundred at once on one connection',
    async run(client) {
      await Promise.all(Array.from({ length: 100 }, () => largeUnary(client)));
    },
  },
  {
    name: 'four hundred calls at once, more than one connection takes',
    async run(client) {
      const outcomes = await Promise.all(
        Array.from({ length: 400 }, () => callUnary(client, METHODS.unary, { response_size: 10_000 })),
      );
      for (const { status } of outcomes) assert.equal(status.code, codes.OK, status.details);
    },
  },
  { name: 'a thousand messages there and back in one call', run: (client) => pingPong(client, 1_000) },
  {
    name: 'rpc_soak: a hundred one after the other',
    async run(client) {
      for (let i = 0; i < 100; i++) await largeUnary(client);
    },
  },
];
