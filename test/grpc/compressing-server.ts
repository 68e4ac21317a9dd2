import type { ServerHttp2Stream } from 'node:http2';
import type { TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { status as codes } from '@grpc/grpc-js';
import type { KeyedCertificate } from '../support/certificates.ts';
import { startHttp2Upstream } from '../support/http2.ts';
import { type FramedMessage, parseFramed, toFramed } from './messages.ts';
import { METHODS, type Method, payloadOf } from './testing-service.ts';

/** A message of a request, and whether it came compressed. */
interface Received<Request> {
  readonly request: Request;
  readonly isCompressed: boolean;
}

/** Why a call fails. */
interface Refusal {
  readonly code: number;
}

type Answer = readonly Buffer[] | Refusal;

/**
 * The part of the interop server that grpc-js has not: it compresses what it is asked to, and tells whether what it got was
 * compressed.
 */
export async function startCompressingServer(
  t: TestContext,
  certificate: KeyedCertificate | undefined,
): Promise<{ readonly origin: string; readonly authorizations: readonly string[][] }> {
  const authorizations: string[][] = [];
  const { origin } = await startHttp2Upstream(
    t,
    (stream, headers) => {
      authorizations.push(headers.authorization === undefined ? [] : [headers.authorization]);
      const pieces: Buffer[] = [];
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('end', () => send(stream, answer(headers[':path'], parseFramed(Buffer.concat(pieces)))));
    },
    certificate && { certificate },
  );
  return { origin, authorizations };
}

function answer(path: string | undefined, messages: readonly FramedMessage[]): Answer {
  switch (path) {
    case METHODS.unary.path: {
      const [received] = read(METHODS.unary, messages);
      if (received === undefined || !isAsExpected(received)) return { code: codes.INVALID_ARGUMENT };
      const { response_size: size = 0, response_compressed: compressed } = received.request;
      return [frame(METHODS.unary.responseSerialize({ payload: payloadOf(size) }), compressed?.value)];
    }
    case METHODS.input.path: {
      const received = read(METHODS.input, messages);
      if (!received.every(isAsExpected)) return { code: codes.INVALID_ARGUMENT };
      const sizes = received.map(({ request }) => request.payload?.body.length ?? 0);
      const size = sizes.reduce((sum, next) => sum + next, 0);
      return [frame(METHODS.input.responseSerialize({ aggregated_payload_size: size }), false)];
    }
    case METHODS.output.path: {
      const [received] = read(METHODS.output, messages);
      return (received?.request.response_parameters ?? []).map(({ size, compressed }) =>
        frame(METHODS.output.responseSerialize({ payload: payloadOf(size) }), compressed?.value),
      );
    }
    default:
      return { code: codes.UNIMPLEMENTED };
  }
}

function read<Request>(
  { requestDeserialize }: Pick<Method<Request, never>, 'requestDeserialize'>,
  messages: readonly FramedMessage[],
): Received<Request>[] {
  return messages.map(({ isCompressed, content }) => ({
    request: requestDeserialize(isCompressed ? gunzipSync(content) : content),
    isCompressed,
  }));
}

function isAsExpected({
  request,
  isCompressed,
}: Received<{ readonly expect_compressed?: { readonly value: boolean } | null }>): boolean {
  const { expect_compressed: expected } = request;
  return expected === undefined || expected === null || expected.value === isCompressed;
}

function frame(message: Buffer, isCompressed = false): Buffer {
  return toFramed(isCompressed ? gzipSync(message) : message, isCompressed);
}

function send(stream: ServerHttp2Stream, result: Answer): void {
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  if ('code' in result) {
    stream.respond({ ...head, 'grpc-status': `${result.code}` }, { endStream: true });
    return;
  }
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond({ ...head, 'grpc-encoding': 'gzip' }, { waitForTrailers: true });
  stream.end(Buffer.concat(result));
}
