import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import type { TestContext } from 'node:test';
import type { EmulatedGoogle } from '../../src/emulator/emulator.ts';
import { createTestAuthority } from './certificates.ts';
import { createFolder } from './stack.ts';

/** The hosts of Google's that programs have built in. */
const GOOGLE_HOSTS = [
  'oauth2.googleapis.com',
  'iamcredentials.googleapis.com',
  'sts.googleapis.com',
  'www.googleapis.com',
  'cloudresourcemanager.googleapis.com',
];

/** The internet as far as a program behind a forward proxy can see it: Google's hosts, by their real names. */
export interface GoogleTls {
  readonly proxyUrl: string;
  /** Certificate of the authority to trust, in PEM. */
  readonly caFile: string;
  /** Takes a program there that honours the usual variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Every `host:port` asked for, in order, whether it was there or not. */
  readonly connects: readonly string[];
  /** Every request that came through, as `POST https://oauth2.googleapis.com/token`; without queries. */
  readonly requests: readonly string[];
}

/**
 * A forward proxy (`CONNECT`, RFC 9110, section 9.3.6) that ends TLS in Google's place and relays to the emulator what
 * is inside. There are no other hosts.
 * @param hosts more hosts, with the origin each stands for: `{ 'hello-abc-an.a.run.app': service.url }`
 */
export async function startGoogleTls(
  t: TestContext,
  emulator: { readonly google: Pick<EmulatedGoogle, 'url'> },
  hosts: Readonly<Record<string, string>> = {},
): Promise<GoogleTls> {
  const origins = new Map(GOOGLE_HOSTS.map((host) => [host, emulator.google.url]));
  for (const [host, origin] of Object.entries(hosts)) origins.set(host, origin);
  const connects: string[] = [];
  const requests: string[] = [];
  const sockets = new Set<Socket>();

  const authority = createTestAuthority();
  const caFile = join(await createFolder(t), 'ca.pem');
  await writeFile(caFile, authority.cert);

  const inside = createTlsServer(authority.issue([...origins.keys()]), (request, response) => {
    const host = request.headers.host?.replace(/:443$/, '') ?? '';
    requests.push(`${request.method} https://${host}${request.url?.split('?', 1)[0]}`);
    relay(request, response, origins.get(host));
  });
  const proxy = createServer((_request, response) => response.writeHead(405).end());
  proxy.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    connects.push(request.url ?? '');
    const [host = '', port] = request.url?.split(':') ?? [];
    if (port !== '443' || !origins.has(host)) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    inside.emit('connection', socket);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(async () => {
    const closed = once(proxy, 'close');
    proxy.close();
    proxy.closeAllConnections();
    for (const socket of sockets) socket.destroy();
    await closed;
  });

  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const env = { HTTPS_PROXY: proxyUrl, NODE_EXTRA_CA_CERTS: caFile };
  return { proxyUrl, caFile, env, connects, requests };
}

/** Passes on a request as it came, its `Host` included. */
function relay(request: IncomingMessage, response: ServerResponse, origin: string | undefined): void {
  if (origin === undefined) return void response.writeHead(421).end();
  const { hostname, port } = new URL(origin);
  const { method = 'GET', url: path = '/', rawHeaders } = request;
  const outgoing = httpRequest({ hostname, port, method, path, headers: [...rawHeaders], agent: false });
  outgoing.on('response', (incoming) => {
    response.writeHead(incoming.statusCode ?? 502, incoming.rawHeaders);
    pipeline(incoming, response, () => {});
  });
  outgoing.on('error', () => response.destroy());
  pipeline(request, outgoing, () => {});
}
