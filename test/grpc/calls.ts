import { once } from 'node:events';
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Method } from './testing-service.ts';

/** How a call ended, and what came before. */
export interface Outcome<Response> {
  readonly status: StatusObject;
  /** The server's initial metadata; empty where there was none. */
  readonly initial: Metadata;
  readonly messages: readonly Response[];
}

export interface CallSettings extends CallOptions {
  readonly metadata?: Metadata;
}

/** Metadata with these names and values in turn. */
export function metadataOf(...fields: readonly (string | Buffer)[]): Metadata {
  const metadata = new Metadata();
  for (let i = 0; i + 1 < fields.length; i += 2) metadata.add(String(fields[i]), fields[i + 1] ?? '');
  return metadata;
}

/** A unary call, to its end. Never rejects: failures have their status. */
export function callUnary<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
  { metadata = new Metadata(), ...options }: CallSettings = {},
): Promise<Outcome<Response>> {
  const { path, requestSerialize, responseDeserialize } = method;
  return new Promise((resolve) => {
    const messages: Response[] = [];
    let initial = new Metadata();
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (_error, response) => {
        if (response !== undefined) messages.push(response);
      },
    );
    call.on('metadata', (received) => {
      initial = received;
    });
    call.on('status', (status) => resolve({ status, initial, messages }));
  });
}

/** A call with a stream of requests, and what will come of it. */
export interface StreamingUp<Request, Response> {
  readonly call: ClientWritableStream<Request>;
  readonly outcome: Promise<Outcome<Response>>;
}

export function openInput<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  { metadata = new Metadata(), ...options }: CallSettings = {},
): StreamingUp<Request, Response> {
  const { path, requestSerialize, responseDeserialize } = method;
  const messages: Response[] = [];
  let initial = new Metadata();
  const call = client.makeClientStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    metadata,
    options,
    (_error, response) => {
      if (response !== undefined) messages.push(response);
    },
  );
  call.on('error', () => {});
  call.on('metadata', (received) => {
    initial = received;
  });
  const outcome = new Promise<Outcome<Response>>((resolve) => {
    call.on('status', (status) => resolve({ status, initial, messages }));
  });
  return { call, outcome };
}

/** A call with a stream of responses. */
export interface StreamingDown<Call, Response> {
  readonly call: Call;
  /** The next response, or undefined after the last. */
  next(): Promise<Response | undefined>;
  /** Resolves once everything is read, as far as it came. */
  readonly outcome: Promise<Outcome<Response>>;
}

export function openOutput<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  request: Request,
  { metadata = new Metadata(), ...options }: CallSettings = {},
): StreamingDown<ClientReadableStream<Response>, Response> {
  const { path, requestSerialize, responseDeserialize } = method;
  return watch(
    client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata, options),
  );
}

export function openDuplex<Request, Response>(
  client: Client,
  method: Method<Request, Response>,
  { metadata = new Metadata(), ...options }: CallSettings = {},
): StreamingDown<ClientDuplexStream<Request, Response>, Response> {
  const { path, requestSerialize, responseDeserialize } = method;
  return watch(client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options));
}

function watch<Call extends ClientReadableStream<Response>, Response>(
  call: Call,
): StreamingDown<Call, Response> {
  const messages: Response[] = [];
  let read = 0;
  let isOver = false;
  let initial = new Metadata();
  call.on('metadata', (received: Metadata) => {
    initial = received;
  });
  call.on('data', (message: Response) => {
    messages.push(message);
    call.emit('progress');
  });
  const ended = new Promise<void>((resolve) => {
    call.on('end', resolve);
    call.on('error', () => resolve());
  });
  const status = new Promise<StatusObject>((resolve) => call.on('status', resolve));
  const outcome = Promise.all([status, ended]).then(([settled]) => {
    isOver = true;
    call.emit('progress');
    return { status: settled, initial, messages };
  });
  return {
    call,
    outcome,
    async next() {
      while (read === messages.length && !isOver)
        await new Promise((resolve) => call.once('progress', resolve));
      const message = messages[read];
      read += 1;
      return message;
    },
  };
}

/** Waits until a call's head has come. */
export async function initialMetadata(call: ClientReadableStream<unknown>): Promise<Metadata> {
  const [metadata] = (await once(call, 'metadata')) as [Metadata];
  return metadata;
}
