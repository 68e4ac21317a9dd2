import {
  request as httpRequest,
  type IncomingMessage,
  type OutgoingMessage,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import type { App, AppRequest, UpgradeApp } from './apps.ts';
import type { HeaderLine } from './header-lines.ts';

/** Fields of one connection alone (RFC 9110, section 7.6.1), and those that the front end says itself. */
const NOT_PASSED = /^(?:connection|keep-alive|proxy-connection|te|upgrade|expect|transfer-encoding)$/i;
const NOT_BACK = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|date|server)$/i;

/**
 * The application is a server of the user's own, at an `http:` origin on this machine. It is given what the front end let
 * through as it came, `Host` included, so that what it makes of that name leads back here. When it can't be reached, 502.
 */
export function toLocalApp(local: string): App {
  const { hostname, port } = new URL(local);
  return (request, response) =>
    new Promise<void>((resolve) => {
      const outgoing = httpRequest({
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? 80 : port,
        method: request.method,
        path: request.target,
        headers: toOutgoingHeaders(request),
        agent: false,
      });
      response.once('close', () => {
        outgoing.destroy();
        resolve();
      });
      outgoing.on('information', ({ statusCode, rawHeaders }) => {
        if (statusCode === 103) response.writeEarlyHints(toRecord(rawHeaders));
      });
      outgoing.on('response', (incoming) => passBack(incoming, response));
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        // Halfway through there is no other way to say that the rest is missing.
        if (response.headersSent) response.destroy();
        else refuse(response, `${local} can't be reached: ${error.code ?? 'the connection broke'}.`);
      });
      passBody(request.body, outgoing);
    });
}

/** The same for WebSocket: its handshake and all that follows go there and back as they are. */
export function toLocalUpgrade(local: string): UpgradeApp {
  const { hostname, port } = new URL(local);
  return ({ method, target, headers }, socket, head) => {
    const outgoing = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
      allowHalfOpen: true,
    });
    outgoing.on('error', () => socket.destroy());
    outgoing.once('close', () => socket.destroy());
    socket.once('close', () => outgoing.destroy());
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    outgoing.write(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
    outgoing.write(head);
    socket.pipe(outgoing).pipe(socket);
  };
}

function toOutgoingHeaders({ headers, body }: AppRequest): readonly string[] {
  const passed = headers.filter(([name]) => !NOT_PASSED.test(name)).flat();
  return body.headers['transfer-encoding'] === undefined
    ? passed
    : [...passed, 'Transfer-Encoding', 'chunked'];
}

function passBody(body: IncomingMessage, outgoing: ReturnType<typeof httpRequest>): void {
  body.once('end', () => endWith(outgoing, body.rawTrailers));
  body.once('error', () => outgoing.destroy());
  body.pipe(outgoing, { end: false });
}

function passBack(incoming: IncomingMessage, response: ServerResponse): void {
  const lines = toPairs(incoming.rawHeaders).filter(([name]) => !NOT_BACK.test(name));
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, lines.flat());
  response.flushHeaders();
  incoming.once('end', () => endWith(response, incoming.rawTrailers));
  incoming.once('error', () => response.destroy());
  incoming.pipe(response, { end: false });
}

function endWith(message: OutgoingMessage, rawTrailers: readonly string[]): void {
  if (rawTrailers.length > 0)
    message.addTrailers(toPairs(rawTrailers).map((line) => [...line] as [string, string]));
  message.end();
}

function refuse(response: ServerResponse, sentence: string): void {
  const body = `The emulator let the request in, but ${sentence}\n`;
  response.writeHead(502, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

function toPairs(raw: readonly string[]): HeaderLine[] {
  const lines: HeaderLine[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2)
    lines.push([raw[index] ?? '', raw[index + 1] ?? '']);
  return lines;
}

function toRecord(raw: readonly string[]): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = {};
  for (const [name, value] of toPairs(raw)) {
    const key = name.toLowerCase();
    record[key] = [record[key] ?? [], value].flat();
  }
  return record;
}
