/** The HTTP/2 loop one would write by hand: one session to the upstream, and for each stream one of it and two pipes. */
import { connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { listen, readTask } from './task.ts';

const { upstream, authorization } = readTask();
const session = connect(upstream.origin);
session.on('error', (error) => {
  throw error;
});

function relay(incoming: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const outgoing = session.request({
    ...headers,
    ':authority': upstream.host,
    authorization,
    'x-forwarded-for': incoming.session?.socket.remoteAddress,
    'x-forwarded-host': headers[':authority'],
    'x-forwarded-proto': 'http',
  });
  outgoing.on('response', (answer, flags) => {
    const endStream = (flags & END_STREAM) !== 0;
    incoming.respond(answer, { endStream, waitForTrailers: !endStream });
    if (!endStream) outgoing.pipe(incoming);
  });
  let trailers: IncomingHttpHeaders = {};
  outgoing.on('trailers', (fields) => {
    trailers = fields;
  });
  incoming.on('wantTrailers', () => incoming.sendTrailers(trailers));
  incoming.on('error', () => outgoing.close());
  incoming.on('aborted', () => outgoing.close());
  outgoing.on('error', () => incoming.close());
  incoming.pipe(outgoing);
}

/** RFC 9113, section 6.2. */
const END_STREAM = 0x1;

const server = createServer();
server.on('stream', relay);
listen(server);
