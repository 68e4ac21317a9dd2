/**
 * The load generator for machines without `wrk`: `node programs/load.ts <url> <connections> <seconds>` prints one
 * JSON line (`LoadResult`). One request in flight a connection, written once and sent again as it is; of an answer
 * only what ends it is read: status, Content-Length.
 */
import { connect, type Socket } from 'node:net';
import type { LoadResult } from '../load.ts';

const [url = '', connections = '', seconds = ''] = process.argv.slice(2);
const { hostname, host, port, pathname } = new URL(url);
const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1');

const latenciesMs: number[] = [];
const startMs = performance.now();
const endMs = startMs + Number(seconds) * 1000;
const sockets = Array.from({ length: Number(connections) }, open);
setTimeout(finish, endMs - startMs);

function open(): Socket {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let sentMs = 0;
  let pending = '';
  const send = (): void => {
    sentMs = performance.now();
    socket.write(request);
  };
  socket.setEncoding('latin1');
  socket.on('connect', send);
  socket.on('data', (chunk) => {
    pending += chunk;
    const length = toAnswerLength(pending);
    if (length === undefined || pending.length < length) return;
    pending = '';
    latenciesMs.push(performance.now() - sentMs);
    send();
  });
  socket.on('error', fail);
  socket.on('end', () => fail(new Error('the connection was closed')));
  return socket;
}

/** Bytes in the answer that starts `text`, or undefined before its head is complete. */
function toAnswerLength(text: string): number | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = text.slice(0, headEnd);
  const bodyLength = /\r\nContent-Length: *(\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 200 ') || bodyLength === undefined) {
    return fail(new Error(`not a 200 with a Content-Length: ${head.split('\r\n', 1)[0]}`));
  }
  return headEnd + 4 + Number(bodyLength);
}

function finish(): void {
  const elapsedMs = performance.now() - startMs;
  for (const socket of sockets) socket.destroy();
  latenciesMs.sort((a, b) => a - b);
  const percentile = (share: number): number =>
    latenciesMs[Math.floor(latenciesMs.length * share)] ?? Number.NaN;
  const result: LoadResult = {
    requests: latenciesMs.length,
    seconds: elapsedMs / 1000,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function fail(error: Error): never {
  console.error(`load at ${url}: ${error.message}`);
  process.exit(1);
}
