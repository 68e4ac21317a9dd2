import { once } from 'node:events';
import { createServer, type IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { startHttp2Upstream } from '../support/http2.ts';
import { startUpstream } from '../support/sockets.ts';

/** Two upstreams that give back the token they are sent, wherever a response has room for it, or break. */
export interface LeakyUpstream {
  /** HTTP/1.1. */
  readonly origin: string;
  /** HTTP/2 without TLS. */
  readonly http2Origin: string;
  /** Where their redirects lead. Nobody is to come. */
  readonly elsewhere: string;
  /** Connections there. */
  visits(): number;
}

export async function startLeakyUpstream(t: TestContext): Promise<LeakyUpstream> {
  let visits = 0;
  const elsewhere = createServer((_request, response) => response.end('got it'));
  elsewhere.on('connection', () => {
    visits += 1;
  });
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  t.after(() => elsewhere.close());
  const place = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  const { origin, server } = await startUpstream(t, (request, response) => behave(request, response, place));
  server.on('upgrade', (request: IncomingMessage, socket) => {
    const { headers, url = '' } = request;
    if (/silent|reset|garbage/.test(url)) {
      behave(request, new ServerResponse(request), place);
      return;
    }
    const token = toToken(headers.authorization);
    socket.write(
      `HTTP/1.1 101 ${token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Token: ${token}\r\nSec-WebSocket-Protocol: ${token}\r\n\r\n`,
    );
    socket.on('error', () => {});
    if (url.startsWith('/once')) socket.end();
  });
  const http2 = await startHttp2Upstream(
    t,
    (stream, { authorization, 'content-type': type, ':path': path }) => {
      if (path?.startsWith('/silent')) return;
      if (path?.startsWith('/reset')) {
        stream.close(constants.NGHTTP2_INTERNAL_ERROR);
        return;
      }
      reflectOverHttp2(stream, toToken(authorization), type ?? 'text/plain');
    },
  );
  return { origin, http2Origin: http2.origin, elsewhere: place, visits: () => visits };
}

function toToken(authorization: string | undefined): string {
  return authorization?.replace(/^Bearer /, '') ?? 'no-token';
}

function behave(request: IncomingMessage, response: ServerResponse, elsewhere: string): void {
  const token = toToken(request.headers.authorization);
  const path = request.url?.split('?', 1)[0] ?? '';
  const status = Number(/\d{3}$/.exec(path)?.[0] ?? 200);
  if (path.startsWith('/silent')) return;
  if (path === '/reset') request.socket.resetAndDestroy();
  else if (path === '/garbage') request.socket.end(`${token}\r\n\r\n${token}`);
  else if (path === '/bad-length') request.socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${token}\r\n\r\n`);
  else if (path === '/bad-field') request.socket.end(`HTTP/1.1 200 OK\r\n${token} ${token}\r\n\r\n`);
  else if (path === '/bad-status') request.socket.end(`HTTP/1.1 ${token} OK\r\n\r\n`);
  else if (path === '/cut-off') {
    response.writeHead(200, { 'Content-Length': 1_000 });
    response.write(token, () => request.socket.resetAndDestroy());
  } else if (path.startsWith('/redirect/')) {
    response.writeHead(status, {
      Location: `${elsewhere}/?t=${token}`,
      Refresh: `0; url=${elsewhere}/#${token}`,
    });
    response.end();
  } else if (path.startsWith('/elsewhere/')) {
    response.writeHead(status, { Location: elsewhere, Refresh: `0; url=${elsewhere}` }).end();
  } else reflect(response, status, token);
}

/** In every place of a head and of trailers. The body is the upstream's own, and passes. */
function reflect(response: ServerResponse, status: number, token: string): void {
  response.writeEarlyHints({ link: `</${token}>; rel=preload`, 'x-early': token });
  response.writeHead(status, `Token ${token}`, [
    ...['Content-Type', 'text/plain'],
    ...['Trailer', `X-Trailer, ${token}`],
    ...['X-Token', token, 'X-Authorization', `Bearer ${token}`],
    ...['Set-Cookie', `t=${token}; Path=/`, 'Set-Cookie', 'plain=1'],
    ...['WWW-Authenticate', `Bearer realm="${token}"`, 'Link', `</${token}>; rel=next`],
    ...['ETag', `"${token}"`, 'Proxy-Status', `upstream; details="${token}"`],
    // A token is made of characters that names may have.
    ...[`X-${token}`, 'as a name', token, token],
  ]);
  response.addTrailers([
    ['X-Trailer', token],
    ['X-Plain', 'kept'],
    [`Y-${token}`, 'as a name'],
  ]);
  response.end();
}

function reflectOverHttp2(stream: ServerHttp2Stream, token: string, type: string): void {
  stream.additionalHeaders({ ':status': 103, 'x-early': token });
  stream.respond(
    {
      ':status': 200,
      'content-type': type,
      'x-token': token,
      'set-cookie': [`t=${token}`],
      // Names are in lower case there, which most tokens aren't.
      [`x-${token.toLowerCase()}`]: 'as a name',
    },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () =>
    stream.sendTrailers({ 'grpc-status': '16', 'grpc-message': `${token} is bad`, 'x-trailer': token }),
  );
  stream.end();
}
