import { Agent, createServer, type IncomingMessage, request as send } from 'node:http';
import { listen, readTask } from './task.ts';

/** RFC 9110 section 7.6.1, besides what `Connection` names. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Ours to set: a client's own never passes. */
const REPLACED = new Set([
  'host',
  'authorization',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);

const { upstream, authorization } = readTask();
const agent = new Agent({ keepAlive: true });

listen(
  createServer((incoming, response) => {
    const outgoing = send({
      agent,
      host: upstream.hostname,
      port: upstream.port,
      method: incoming.method,
      path: incoming.url,
      headers: toUpstreamHeaders(incoming),
    });
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer));
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    incoming.pipe(outgoing);
  }),
);

function toUpstreamHeaders(incoming: IncomingMessage): string[] {
  const headers = endToEnd(incoming, REPLACED);
  headers.push('Host', upstream.host, 'Authorization', authorization);
  headers.push('X-Forwarded-For', incoming.socket.remoteAddress ?? '');
  headers.push('X-Forwarded-Host', incoming.headers.host ?? '', 'X-Forwarded-Proto', 'http');
  return headers;
}

function endToEnd({ rawHeaders, headers }: IncomingMessage, alsoWithout?: ReadonlySet<string>): string[] {
  const named = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const kept: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const lowerCase = name.toLowerCase();
    if (HOP_BY_HOP.has(lowerCase) || alsoWithout?.has(lowerCase) || named.includes(lowerCase)) continue;
    kept.push(name, rawHeaders[index + 1] ?? '');
  }
  return kept;
}
