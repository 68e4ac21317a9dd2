/**
 * A service of long bodies, over HTTP/1.1 or, with the task `{ "http2": true }`, HTTP/2 without TLS. `GET /?bytes=N` is answered
 * with N bytes, `PUT /` with the sum of what was sent, and `GET /sent` with the sum of the last N bytes.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
} from 'node:http2';
import { NOTHING, readBulk, type Sum, writeBulk } from './bulk.ts';
import { fail, listen, readArgument } from './task.ts';

const WINDOW_BYTES = 1_048_576;

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

let sent: Sum = NOTHING;

async function answer(request: Request, response: Response): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://upstream');
  if (request.method === 'GET' && pathname === '/') {
    const bytes = Number(searchParams.get('bytes'));
    response.setHeader('Content-Type', 'application/octet-stream');
    response.setHeader('Content-Length', bytes);
    sent = await writeBulk(response, bytes);
    return;
  }
  const sum = pathname === '/sent' ? sent : await readBulk(request);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(sum));
}

const handle = (request: Request, response: Response): void => {
  answer(request, response).catch((error) => fail(`upstream: ${error.message}`));
};

if (readArgument<{ http2?: boolean }>().http2) {
  const server = createHttp2Server({ settings: { initialWindowSize: WINDOW_BYTES } }, handle);
  server.on('session', (session: Http2Session) => session.setLocalWindowSize(WINDOW_BYTES));
  listen(server);
} else {
  listen(createServer(handle));
}
