import type { MethodDefinition } from '@grpc/grpc-js';

/**
 * A gRPC service whose messages are bytes: what protobuf costs is the same with and without a proxy, and only client and server
 * pay it.
 */
const toMethod = (name: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> => ({
  path: `/bench.Bench/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: (message) => message,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (message) => message,
  responseDeserialize: (bytes) => bytes,
});

/** `Say` answers with what it was sent; `Count` streams as many messages as it was told, each with its number in front. */
export const service = { Say: toMethod('Say', false), Count: toMethod('Count', true) };

export const MESSAGE_BYTES = 100;

/** Message `number` of a stream. */
export function toMessage(number: number): Buffer {
  const message = Buffer.alloc(MESSAGE_BYTES, 'm');
  message.writeUInt32BE(number);
  return message;
}
