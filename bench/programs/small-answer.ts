import { createServer } from 'node:net';
import { listen } from './task.ts';

/** What the upstream answers every request with. */
export const answerBody = '{"service":"orders","status":"ok","items":[1,2,3]}';

const ANSWER = [
  'HTTP/1.1 200 OK',
  'Content-Type: application/json',
  `Content-Length: ${answerBody.length}`,
  'Connection: keep-alive',
  '',
  answerBody,
].join('\r\n');

const END_OF_HEAD = '\r\n\r\n';

/**
 * An upstream that costs next to nothing: the same answer for every head that ends. For requests without a body,
 * which is all the load generators send.
 */
function start(): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest = '';
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      const heads = (rest + chunk).split(END_OF_HEAD);
      rest = heads.pop() ?? '';
      if (heads.length > 0) socket.write(ANSWER.repeat(heads.length));
    });
  });
  listen(server);
}

if (import.meta.main) start();
