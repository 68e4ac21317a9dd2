import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import type { KeyedCertificate } from './certificates.ts';

export interface ConnectProxyOptions {
  /** Where tunnels may lead: `hello.example:443` to a port of this machine. */
  readonly ports?: Readonly<Record<string, number>>;
  /** `user:password` in UTF-8; without it nobody is asked for any. */
  readonly credentials?: string;
  /** Makes it an `https:` proxy by the name of `localhost`. */
  readonly certificate?: KeyedCertificate;
  /** The heads it answers with when a tunnel is open. */
  readonly opened?: string;
  /** Answers in its place, once the head of a request is there. */
  readonly answer?: (socket: Socket, head: string) => void;
}

/** A forward proxy. */
export interface ConnectProxy {
  readonly url: URL;
  /** The head of every request. */
  readonly heads: readonly string[];
  /** Everything its clients ever sent, heads and what went through its tunnels. */
  seen(): string;
  /** The connections of its clients, and of its own to upstreams, that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** Resolves once all those are closed. */
  closed(): Promise<void>;
}

/** A forward proxy that tunnels bytes (`CONNECT`, RFC 9110, section 9.3.6) and nothing else; closed after the test. */
export async function startConnectProxy(
  t: TestContext,
  options: ConnectProxyOptions = {},
): Promise<ConnectProxy> {
  const { certificate } = options;
  const heads: string[] = [];
  const seen: Buffer[] = [];
  const sockets = new Set<Socket>();
  const watch = (socket: Socket): void => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
  };
  const onClient = (socket: Socket): void => {
    watch(socket);
    socket.on('data', (chunk: Buffer) => seen.push(chunk));
    let pending = '';
    const onData = (chunk: Buffer): void => {
      pending += chunk.toString('latin1');
      if (!pending.endsWith('\r\n\r\n')) return;
      socket.off('data', onData);
      heads.push(pending);
      if (options.answer !== undefined) options.answer(socket, pending);
      else openTunnel(socket, pending, options, watch);
    };
    socket.on('data', onData);
  };
  const server = certificate ? createTlsServer({ ...certificate }, onClient) : createServer(onClient);
  // A TLS handshake that fails is for the client to tell.
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(certificate ? `https://localhost:${port}` : `http://127.0.0.1:${port}`),
    heads,
    seen: () => Buffer.concat(seen).toString('latin1'),
    sockets,
    async closed() {
      await Promise.all(
        [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
      );
    },
  };
}

function openTunnel(
  socket: Socket,
  head: string,
  { ports = {}, credentials, opened = 'HTTP/1.1 200 Connection established\r\n\r\n' }: ConnectProxyOptions,
  watch: (socket: Socket) => void,
): void {
  const authority = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head)?.[1] ?? '';
  const given = /^Proxy-Authorization: Basic (\S+)\r$/im.exec(head)?.[1] ?? '';
  if (credentials !== undefined && Buffer.from(given, 'base64').toString() !== credentials) {
    socket.end(
      'HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n',
    );
    return;
  }
  const port = ports[authority];
  if (port === undefined) {
    socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\nsecret');
    return;
  }
  const upstream = connect(port, '127.0.0.1');
  watch(upstream);
  upstream.on('connect', () => {
    socket.write(opened);
    socket.pipe(upstream).pipe(socket);
  });
  // A pipe passes an end on, but not a reset.
  upstream.on('close', () => socket.destroy());
  socket.on('close', () => upstream.destroy());
}
