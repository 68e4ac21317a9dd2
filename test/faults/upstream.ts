import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import type { FaultExchange } from './exchange.ts';
import { complainOfLoss, watchEarlyBytes } from './open-socket.ts';
import { Peer, play } from './script.ts';

/** An upstream that plays, for each request, the script of the exchange that its path names. */
export interface ScriptedUpstream {
  readonly origin: string;
  /** Connections now open. */
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** The exchanges under way, by the id in their path. */
export type Exchanges = ReadonlyMap<string, FaultExchange>;

/**
 * Listens on a free loopback port.
 * @param exchanges where the script of a request is found
 * @param isKept whether a connection that ended no script of its own is left open for the next request
 */
export async function startScriptedUpstream(
  exchanges: Exchanges,
  isKept: boolean,
): Promise<ScriptedUpstream> {
  return startServer((socket) => void serve(socket, exchanges, isKept));
}

/** Listens on a free loopback port, and does the same with every connection. */
export async function startServer(
  onConnection: (socket: Socket) => void,
  create: (options: ServerOpts, onConnection: (socket: Socket) => void) => Server = createServer,
): Promise<ScriptedUpstream> {
  const sockets = new Set<Socket>();
  const server: Server = create({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1', 2_048);
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

const HEAD_END = '\r\n\r\n';

/** Plays one request's script after another, as long as the connection stands. */
async function serve(socket: Socket, exchanges: Exchanges, isKept: boolean): Promise<void> {
  const peer = new Peer(socket);
  while (await peer.when(() => peer.received.includes(HEAD_END))) {
    const at = peer.received.indexOf(HEAD_END) + HEAD_END.length;
    const head = peer.received.slice(0, at);
    peer.received = peer.received.slice(at);
    const id = /^\S+ \/(\S+) HTTP\/1\.1\r\n/.exec(head)?.[1] ?? '';
    const exchange = exchanges.get(id);
    if (exchange === undefined) break;
    exchange.seen += 1;
    complain(exchange, head);
    const part = serveOne(exchange, peer, head, isKept);
    exchange.run(part);
    await part;
  }
  socket.destroy();
}

async function serveOne(exchange: FaultExchange, peer: Peer, head: string, isKept: boolean): Promise<void> {
  const { marks, upstreamScript } = exchange;
  const hasContent = toContentTest(head, peer);
  const isLast = upstreamScript.some(({ kind }) => ENDINGS.has(kind));
  const isHandshake = /^upgrade: websocket\r$/im.test(head);
  if (isHandshake) watchEarlyBytes(exchange, peer);
  marks.reach('upstream has the head');
  // Only an upstream that wants the content asks for it.
  if (upstreamScript[0]?.kind === 'content' && /^expect: 100-continue\r$/im.test(head))
    peer.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
  await play(upstreamScript, peer, marks, hasContent);
  marks.reach('upstream rests');
  if (isKept && !isLast) {
    if (hasContent()) peer.received = '';
    return;
  }
  // Where no other exchange may come after this one, the connection ends with it.
  if (peer.socket.writable) peer.socket.end();
  await peer.closed;
  if (isHandshake) complainOfLoss(exchange, peer);
}

const ENDINGS = new Set(['end', 'reset', 'destroy', 'silence']);

/** Whether all of a request's content has come, by its head. No content here looks like an end of chunks. */
function toContentTest(head: string, peer: Peer): () => boolean {
  if (/^transfer-encoding: chunked\r$/im.test(head))
    return () => /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(peer.received.slice(-1_024));
  const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0);
  return () => peer.received.length >= length;
}

/** What may never reach an upstream, whatever the client sent. */
function complain(exchange: FaultExchange, head: string): void {
  const { complaints } = exchange;
  const lengths = head.match(/^content-length:/gim)?.length ?? 0;
  const codings = head.match(/^transfer-encoding:/gim)?.length ?? 0;
  if (lengths + codings > 1) complaints.push('the request has two framings');
  if (/[^\r]\n|\r[^\n]|\0/.test(head))
    complaints.push('the request has a bare line end or a control character');
  if ((head.match(/^host:/gim)?.length ?? 0) !== 1) complaints.push('the request has not one Host');
}
