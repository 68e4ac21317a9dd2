import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { startRelay } from '../support/relays.ts';
import { readBody, startUpstream } from '../support/sockets.ts';
import { parseFramed, toFramed } from './messages.ts';

/** The flag of the last message of a gRPC-Web response, which is its trailers. */
const TRAILERS_FLAG = 0x80;

interface Answer {
  readonly head: IncomingMessage;
  readonly body: Buffer;
}

/** A gRPC-Web call, as a browser's client makes it. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md */
async function callWeb(url: string, contentType: string, body: Buffer): Promise<Answer> {
  const request = httpRequest(new URL('/shop.v1.Orders/Get', url), {
    method: 'POST',
    headers: { 'Content-Type': contentType, 'X-Grpc-Web': '1', 'X-User-Agent': 'grpc-web-javascript/0.1' },
  });
  request.end(body);
  const [head] = (await once(request, 'response')) as [IncomingMessage];
  return { head, body: await readBody(head) };
}

test('R48: gRPC-Web passes as it is, over HTTP/1.1', async (t) => {
  const message = Buffer.from([8, 0, 128, 255]);
  const trailers = toFramed(Buffer.from('grpc-status:0\r\ngrpc-message:\r\n'));
  trailers[0] = TRAILERS_FLAG;
  const answered = Buffer.concat([toFramed(message), trailers]);
  const seen: unknown[] = [];
  const { origin } = await startUpstream(t, async (request, response) => {
    const { authorization, 'content-type': type, 'x-grpc-web': mark } = request.headers;
    seen.push(authorization, type, mark, await readBody(request));
    response.writeHead(200, { 'Content-Type': 'application/grpc-web+proto' }).end(answered);
  });
  const { url } = await startRelay(t, origin);
  const { head, body } = await callWeb(url, 'application/grpc-web+proto', toFramed(message));
  assert.equal(head.statusCode, 200);
  assert.equal(head.headers['content-type'], 'application/grpc-web+proto');
  assert.deepEqual(body, answered);
  assert.deepEqual(parseFramed(body)[0]?.content, message);
  assert.deepEqual(seen, ['Bearer token', 'application/grpc-web+proto', '1', toFramed(message)]);
});

test('R48: gRPC-Web gets our own failures as its status in the head, in the content type it asked in', async (t) => {
  const { url } = await startRelay(t, 'http://127.0.0.1:1', { path: '/elsewhere' });
  for (const type of ['application/grpc-web', 'application/grpc-web+proto', 'application/grpc-web-text']) {
    const { head, body } = await callWeb(url, type, toFramed(Buffer.alloc(0)));
    assert.equal(head.statusCode, 200);
    assert.equal(head.headers['content-type'], type);
    assert.equal(head.headers['grpc-status'], '12');
    assert.match(`${head.headers['grpc-message']}`, /^No route takes \/shop\.v1\.Orders\/Get on host /);
    assert.match(`${head.headers['proxy-status']}`, /details="no_route"$/);
    assert.equal(body.length, 0);
  }
});
