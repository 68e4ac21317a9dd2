import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

/** The messages of `testing.proto`; what is left out has its default. */
export interface Payload {
  readonly body: Buffer;
}
export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}
export interface BoolValue {
  readonly value: boolean;
}
export interface SimpleRequest {
  readonly response_size?: number;
  readonly payload?: Payload;
  readonly response_compressed?: BoolValue;
  readonly response_status?: EchoStatus;
  readonly expect_compressed?: BoolValue;
}
export interface SimpleResponse {
  readonly payload?: Payload;
}
export interface InputRequest {
  readonly payload?: Payload;
  readonly expect_compressed?: BoolValue;
}
export interface InputResponse {
  readonly aggregated_payload_size: number;
}
export interface OutputRequest {
  readonly response_parameters?: readonly { readonly size: number; readonly compressed?: BoolValue }[];
  readonly payload?: Payload;
  readonly response_status?: EchoStatus;
}
export interface OutputResponse {
  readonly payload?: Payload;
}
export type Empty = Readonly<Record<never, never>>;

/** Everything in the file, as reflection wants it. */
export const TESTING_PACKAGE = loadSync(fileURLToPath(new URL('testing.proto', import.meta.url)), {
  keepCase: true,
});

export const TEST_SERVICE = TESTING_PACKAGE['grpc.testing.TestService'] as ServiceDefinition;
const UNIMPLEMENTED_SERVICE = TESTING_PACKAGE['grpc.testing.UnimplementedService'] as ServiceDefinition;

/** A method, with the types that its definition has lost. */
export type Method<Request, Response> = MethodDefinition<Request, Response>;

/** A method of a service's definition. */
export function methodOf<Request, Response>(
  service: Readonly<Record<string, unknown>>,
  name: string,
): Method<Request, Response> {
  return service[name] as Method<Request, Response>;
}

export const METHODS = {
  empty: methodOf<Empty, Empty>(TEST_SERVICE, 'EmptyCall'),
  unary: methodOf<SimpleRequest, SimpleResponse>(TEST_SERVICE, 'UnaryCall'),
  cacheable: methodOf<SimpleRequest, SimpleResponse>(TEST_SERVICE, 'CacheableUnaryCall'),
  output: methodOf<OutputRequest, OutputResponse>(TEST_SERVICE, 'StreamingOutputCall'),
  input: methodOf<InputRequest, InputResponse>(TEST_SERVICE, 'StreamingInputCall'),
  fullDuplex: methodOf<OutputRequest, OutputResponse>(TEST_SERVICE, 'FullDuplexCall'),
  halfDuplex: methodOf<OutputRequest, OutputResponse>(TEST_SERVICE, 'HalfDuplexCall'),
  unimplemented: methodOf<Empty, Empty>(TEST_SERVICE, 'UnimplementedCall'),
  unimplementedService: methodOf<Empty, Empty>(UNIMPLEMENTED_SERVICE, 'UnimplementedCall'),
} as const;

/** So many zero bytes. */
export function payloadOf(size: number): Payload {
  return { body: Buffer.alloc(size) };
}
