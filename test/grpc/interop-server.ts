import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  type ServiceDefinition,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { KeyedCertificate } from '../support/certificates.ts';
import {
  type Empty,
  type InputRequest,
  type InputResponse,
  type OutputRequest,
  type OutputResponse,
  payloadOf,
  type SimpleRequest,
  type SimpleResponse,
  TEST_SERVICE,
} from './testing-service.ts';

/** A call as the server sees it. */
export interface ServerCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): Date | number;
  sendMetadata(metadata: Metadata): void;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The interop server, with what it has seen. */
export interface InteropServer {
  readonly origin: string;
  readonly server: Server;
  /** `authorization` of each call, in order. */
  readonly authorizations: readonly string[][];
  /** Every connection so far. */
  readonly sockets: readonly Socket[];
  /** Each `call` there is, once its handler runs; `cancelled` for each of them that was. */
  readonly events: EventEmitter<{ call: [ServerCall]; cancelled: [ServerCall] }>;
  /** Takes leave of every connection (GOAWAY); new ones are accepted. */
  takeLeave(): void;
}

export interface InteropOptions {
  readonly certificate?: KeyedCertificate;
  /** More services. */
  readonly prepare?: (server: Server) => void;
  readonly maxMessageBytes?: number;
}

/** A gRPC server that does what `interop-test-descriptions.md` asks of one, on loopback; closed after the test. */
export async function startInteropServer(
  t: TestContext,
  options: InteropOptions = {},
): Promise<InteropServer> {
  const { certificate, prepare, maxMessageBytes = 4 * 1024 * 1024 } = options;
  const authorizations: string[][] = [];
  const events: InteropServer['events'] = new EventEmitter();
  const server = new Server({
    interceptors: [noteAuthorization(authorizations)],
    'grpc.max_receive_message_length': maxMessageBytes,
  });
  server.addService(TEST_SERVICE as unknown as ServiceDefinition, implement(events));
  prepare?.(server);
  const injector = server.createConnectionInjector(
    certificate === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(certificate.key), cert_chain: Buffer.from(certificate.cert) },
        ]),
  );
  // A listener of our own: its connections can be cut, and it goes on when the server takes leave of them.
  const sockets: Socket[] = [];
  const listener = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    injector.injectConnection(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(async () => {
    const closed = once(listener, 'close');
    listener.close();
    injector.destroy();
    server.forceShutdown();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = listener.address() as AddressInfo;
  const origin = certificate === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  return {
    origin,
    server,
    authorizations,
    sockets,
    events,
    takeLeave: () => injector.drain(60_000),
  };
}

function noteAuthorization(seen: string[][]): ServerInterceptor {
  return (_method, call) =>
    new ServerInterceptingCall(call, {
      start(next) {
        const listener = new ServerListenerBuilder().withOnReceiveMetadata((metadata, proceed) => {
          seen.push(metadata.get('authorization').map(String));
          proceed(metadata);
        });
        next(listener.build());
      },
    });
}

/** The keys that the server gives back: as initial metadata, and with the trailers. */
export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';

function pick(metadata: Metadata, key: string): Metadata {
  const picked = new Metadata();
  for (const value of metadata.get(key)) picked.add(key, value);
  return picked;
}

function implement(events: InteropServer['events']): UntypedServiceImplementation {
  const begin = (call: ServerCall): Metadata => {
    if (call.metadata.get(ECHO_INITIAL).length > 0) call.sendMetadata(pick(call.metadata, ECHO_INITIAL));
    call.on('cancelled', () => events.emit('cancelled', call));
    events.emit('call', call);
    return pick(call.metadata, ECHO_TRAILING);
  };
  const unary: handleUnaryCall<SimpleRequest, SimpleResponse> = (call, respond) => {
    const trailing = begin(call);
    const { response_status: status, response_size: size = 0 } = call.request;
    if (isStatus(status)) respond({ code: status.code, details: status.message, metadata: trailing }, null);
    else respond(null, { payload: payloadOf(size) }, trailing);
  };
  const empty: handleUnaryCall<Empty, Empty> = (call, respond) => {
    respond(null, {}, begin(call));
  };
  const output: handleServerStreamingCall<OutputRequest, OutputResponse> = (call) => {
    const trailing = begin(call);
    for (const { size } of call.request.response_parameters ?? []) call.write({ payload: payloadOf(size) });
    call.end(trailing);
  };
  const input: handleClientStreamingCall<InputRequest, InputResponse> = (call, respond) => {
    const trailing = begin(call);
    let size = 0;
    call.on('data', ({ payload }: InputRequest) => {
      size += payload?.body.length ?? 0;
    });
    call.on('end', () => respond(null, { aggregated_payload_size: size }, trailing));
  };
  return {
    EmptyCall: empty,
    UnaryCall: unary,
    CacheableUnaryCall: unary,
    StreamingOutputCall: output,
    StreamingInputCall: input,
    FullDuplexCall: ((call) => answerAll(call, begin(call), 'at once')) satisfies Duplex,
    HalfDuplexCall: ((call) => answerAll(call, begin(call), 'at the end')) satisfies Duplex,
  };
}

type Duplex = handleBidiStreamingCall<OutputRequest, OutputResponse>;

/** A handler of duplex calls; each request asks for responses, or for a status that ends the call. */
function answerAll(
  call: ServerDuplexStream<OutputRequest, OutputResponse>,
  trailing: Metadata,
  when: 'at once' | 'at the end',
): void {
  const kept: OutputRequest[] = [];
  const answer = ({ response_parameters: parameters = [], response_status: status }: OutputRequest): void => {
    if (isStatus(status)) {
      const failure: Partial<StatusObject> = {
        code: status.code,
        details: status.message,
        metadata: trailing,
      };
      call.emit('error', failure);
      return;
    }
    for (const { size } of parameters) call.write({ payload: payloadOf(size) });
  };
  call.on('data', (request: OutputRequest) => {
    if (when === 'at once') answer(request);
    else kept.push(request);
  });
  call.on('end', () => {
    kept.forEach(answer);
    call.end(trailing);
  });
}

function isStatus<Status extends { readonly code: number }>(
  status: Status | undefined | null,
): status is Status {
  return status !== undefined && status !== null && status.code !== 0;
}
