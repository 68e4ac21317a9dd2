import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2';
import type { TestContext } from 'node:test';

/** A response over HTTP/2, whole. */
export interface Http2Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders | undefined;
}

/** A connection of node:http2, by prior knowledge or ALPN; closed after the test. */
export function connectHttp2(
  t: TestContext,
  url: string,
  options: SecureClientSessionOptions = {},
): ClientHttp2Session {
  const session = connect(url, options);
  session.on('error', () => {});
  t.after(() => session.destroy());
  return session;
}

/** Sends a request and reads its response. Rejects when the stream is reset. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Http2Reply> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return readReply(stream);
}

/** Reads a response to its end. Rejects when the stream is reset, or the connection breaks. */
export async function readReply(stream: ClientHttp2Stream): Promise<Http2Reply> {
  let trailers: IncomingHttpHeaders | undefined;
  let hasEnded = false;
  let body = '';
  const head: IncomingHttpHeaders[] = [];
  stream.on('response', (headers) => head.push(headers));
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('data', (chunk: Buffer) => {
    body += chunk.toString('latin1');
  });
  stream.on('end', () => {
    hasEnded = true;
  });
  await once(stream, 'close');
  const [headers] = head;
  if (headers === undefined || !hasEnded || (stream.rstCode ?? 0) !== 0)
    throw new Error(`the stream was reset with ${stream.rstCode}`);
  return { status: Number(headers[':status']), headers, body, trailers };
}
